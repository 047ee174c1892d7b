"""Results as rows of text in CSV files, and what several of them say together."""

import csv
import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from colorizer.files import replacing

Row = dict[str, str]
Points = dict[str, list[Row]]  # the rows of each SWEEP/POINT, in the order of seeds


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV; none where there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write rows as CSV."""
    with replacing(path) as (partial,), partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def column(rows: Sequence[Row], name: str) -> list[float]:
    """A column as numbers."""
    return [float(row[name]) for row in rows]


def spread(values: Sequence[float], digits: int) -> str:
    """Mean and, of more than one, standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def points_of(rows: Sequence[Row]) -> Points:
    """Rows by the point that they are of."""
    points: Points = {}
    for row in sorted(rows, key=lambda row: int(row["seed"])):
        points.setdefault(f"{row['sweep']}/{row['point']}", []).append(row)
    return points


def failure(row: Row) -> str:
    """Why a run says nothing of its settings: it diverged, or learnt nothing; else ''.

    It learnt nothing where no epoch was a hundredth better than its first, and gray copied is: so
    it is where kernels are dead, 0 after their ReLU for almost all that they see.
    """
    if row["diverged"] != "0":
        return "diverged"
    error, first, gray = (
        float(row[name]) for name in ("margin_error", "first_margin_error", "gray_margin_error")
    )
    return "learnt nothing" if error > gray and error > 0.99 * first else ""


def trained(rows: Sequence[Row]) -> list[Row]:
    """The rows of runs that did not fail in such a way."""
    return [row for row in rows if not failure(row)]


def converged(rows: Sequence[Row]) -> list[Row]:
    """The rows of runs that did not diverge."""
    return [row for row in rows if row["diverged"] == "0"]


def failures(rows: Sequence[Row]) -> str:
    """How many runs failed in which way, in brackets; nothing where none did."""
    counts = Counter(filter(None, map(failure, rows)))
    if len(rows) == 1:
        return "".join(f" ({what})" for what in counts)
    return "".join(f" ({count} of {len(rows)} {what})" for what, count in counts.items())


def wall_time(rows: Sequence[Row]) -> timedelta:
    """The time in which at least one of the runs was queued or running."""
    intervals = sorted(
        (datetime.fromisoformat(row["queued"]), datetime.fromisoformat(row["finished"]))
        for row in rows
        if row["queued"]
    )
    total = timedelta()
    until = intervals[0][0] if intervals else None
    for queued, finished in intervals:
        if until is not None and finished > until:
            total += finished - max(queued, until)
            until = finished
    return total
