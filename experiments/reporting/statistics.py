"""Statistics over the rows of runs: groups of seeds, failed runs, means, intervals."""

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from scipy.stats import t

from experiments.runs.results import Row

Points = dict[str, list[Row]]  # the rows of each SWEEP/POINT, in the order of seeds
CONFIDENCE = 0.95


def column(rows: Sequence[Row], name: str) -> list[float]:
    """A column as numbers."""
    return [float(row[name]) for row in rows]


def mean_and_std(values: Sequence[float], digits: int) -> str:
    """Mean and, for two or more values, standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def t_quantile(count: int) -> float:
    """Quantile of Student's t for a two-sided 95% interval from `count` values, 2 or more."""
    return float(t.ppf((1 + CONFIDENCE) / 2, count - 1))


def confidence_interval(values: Sequence[float]) -> float:
    """Half the width of the 95% interval of the mean; infinite for one value."""
    if len(values) < 2:
        return math.inf
    return t_quantile(len(values)) * statistics.stdev(values) / math.sqrt(len(values))


def prediction_interval(values: Sequence[float]) -> float:
    """Half the width of the interval around the mean that holds 95% of further values."""
    return confidence_interval(values) * math.sqrt(1 + len(values))


def points_of(rows: Sequence[Row]) -> Points:
    """Rows by their point."""
    points: Points = {}
    for row in sorted(rows, key=lambda row: int(row["seed"])):
        points.setdefault(f"{row['sweep']}/{row['point']}", []).append(row)
    return points


def recipes(points: Points) -> Iterator[tuple[list[str], list[Row]]]:
    """Points that have the same params apart from seeds, and the rows of all their seeds, once."""
    groups: list[tuple[list[str], dict[str, Row]]] = []
    for point, rows in points.items():
        by_params = {row["params"]: row for row in rows}  # the params include the seed
        same = [group for group in groups if group[1].keys() & by_params.keys()]
        for group in same:
            groups.remove(group)
            by_params |= group[1]
        groups.append(([*(name for names, _ in same for name in names), point], by_params))
    yield from ((names, [*rows.values()]) for names, rows in groups)


def failure(row: Row) -> str:
    """How a run failed, so that its error says nothing about its settings; "" when it did not.

    A run learned nothing when its margin error is above that of copied gray and less than 1% below
    that of its first epoch. Dead kernels, whose ReLU is 0 for almost all inputs, are a known cause.
    """
    if row["diverged"] != "0":
        return "diverged"
    error, first, gray = (
        float(row[name]) for name in ("margin_error", "first_margin_error", "gray_margin_error")
    )
    return "learned nothing" if error > gray and error > 0.99 * first else ""


def trained(rows: Sequence[Row]) -> list[Row]:
    """Rows of runs that did not fail."""
    return [row for row in rows if not failure(row)]


def converged(rows: Sequence[Row]) -> list[Row]:
    """Rows of runs that did not diverge."""
    return [row for row in rows if row["diverged"] == "0"]


def failures(rows: Sequence[Row]) -> str:
    """How many runs failed and how, in parentheses; "" when none did."""
    counts = Counter(filter(None, map(failure, rows)))
    if len(rows) == 1:
        return "".join(f" ({kind})" for kind in counts)
    return "".join(f" ({count} of {len(rows)} {kind})" for kind, count in counts.items())


def wall_time(rows: Sequence[Row]) -> timedelta:
    """The time in which at least one of the runs was queued or running."""
    intervals = sorted(
        (datetime.fromisoformat(row["queued"]), datetime.fromisoformat(row["finished"]))
        for row in rows
        if row["queued"]
    )
    total = timedelta()
    end = intervals[0][0] if intervals else None
    for queued, finished in intervals:
        if end is not None and finished > end:
            total += finished - max(queued, end)
            end = finished
    return total
