"""Margin errors beside those that the report published."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from experiments.reporting.statistics import (
    Points,
    column,
    failure,
    failures,
    mean_and_std,
    prediction_interval,
    trained,
)
from experiments.runs.results import Row
from experiments.runs.sweeps import GRID, Run

UNFINISHED_RATE = 0.0001  # with this learning rate the report's run ended before it had converged
TOLERANCE = 0.005  # of a margin error, around the published one


def compare_with_published(
    runs: Sequence[Run], points: Points, published: Mapping[str, Row]
) -> Iterator[str]:
    """List the networks whose error differs from the published one by more than TOLERANCE."""
    rates = {f"{run.sweep}/{run.point}": run.changes.get(GRID[0]) for run in runs}
    # A network may have several names but has one set of published figures. A seed is one run.
    networks: dict[tuple[str, ...], tuple[list[str], dict[str, Row]]] = {}
    for point, rows in points.items():
        row = published.get(point)
        if row and row["margin_error"] and rates.get(point) != UNFINISHED_RATE:
            key = tuple(row[name] for name in row if name not in ("sweep", "point"))
            names, seeds = networks.setdefault(key, ([], {}))
            names.append(point)
            seeds |= {row["seed"]: row for row in rows}
    if not networks:
        return
    yield "\n## Against the published errors\n"
    far = []
    for names, seeds in networks.values():
        published_error = float(published[names[0]]["margin_error"])
        rows = [*seeds.values()]
        errors = column(trained(rows), "margin_error")
        if not errors:
            far.append(f"{failure(rows[0])} here, published {published_error:.4f}")
        elif abs(statistics.mean(errors) - published_error) > TOLERANCE:
            far.append(f"{_distance(errors, published_error)}{failures(rows)}")
        else:
            continue
        far[-1] = f"- {', '.join(names)}: {far[-1]}"
    yield (
        f"Of {len(networks)} networks with the report's recipe and a published error (without "
        f"learning rate {UNFINISHED_RATE}), {len(far) or 'none'} "
        f"{'differs' if len(far) == 1 else 'differ'} by more than {TOLERANCE}"
        f"{':' if far else '.'}\n"
    )
    yield from far


def published_cells(rows: Sequence[Row], published: Row | None) -> list[str]:
    """The published figures of a point, and the difference of its margin error from them."""
    if published is None:
        return [""] * 5
    numbers = [published[name] for name in ("epochs", "train_mse", "val_mse")]
    if not published["margin_error"]:
        return [*numbers, "diverged", ""]
    errors = column(trained(rows), "margin_error")
    difference = ""
    if errors:
        difference = f"{statistics.mean(errors) - float(published['margin_error']):+.4f}"
    return [*numbers, published["margin_error"], difference]


def _distance(errors: Sequence[float], published: float) -> str:
    here = f"{mean_and_std(errors, 4)} here"
    if len(errors) == 1:
        return f"{here} with one seed, published {published:.4f}"
    mean, noise = statistics.mean(errors), prediction_interval(errors)
    verdict = "inside" if abs(published - mean) <= noise else "outside"
    return (
        f"{here} ({len(errors)} seeds, {min(errors):.4f} to {max(errors):.4f}), "
        f"published {published:.4f}, {verdict} the 95% interval of further seeds, "
        f"{mean - noise:.4f} to {mean + noise:.4f}"
    )
