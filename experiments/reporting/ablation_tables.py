"""Tables of the ablation in Markdown: every step from the report's best network to ours."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from colorizer.files import write_text
from colorizer.markdown import table
from experiments.reporting.statistics import column, mean_and_std
from experiments.runs.rechecks import last_recheck
from experiments.runs.results import Row
from experiments.runs.sweeps import Changes

ABLATION_FILE, RUNS_FILE = "ablation.md", "runs.csv"
REPORT = "report_best"
CHECKED = (REPORT, "ours_small", "ours_best")
# The splits that the networks of a data set are evaluated on, and their names in the tables.
WHOLE = {"val": "validation"}
REDUCED = {"val": "validation, a fifth held out", "test": "held out"}
REFERENCE_EPOCHS = 40  # of the report's best run, the last 5 without a lower error
MARGINS = (4, 6, 8, 12, 16, 24, 32)


def select(rows: Sequence[Row], model: str, measured_on: str) -> list[Row]:
    """The rows of a model, in the order of seeds."""
    found = [row for row in rows if (row["model"], row["measured_on"]) == (model, measured_on)]
    return sorted(found, key=lambda row: int(row["seed"]))


def tables(
    data: str, rows: Sequence[Row], models: Mapping[str, Changes], recheck: str | None
) -> Iterator[str]:
    """The rows of a data set as Markdown; `recheck` is a sentence on the last recheck."""
    seeds = sorted({int(row["seed"]) for row in rows})
    processors = sorted({row["machine"] for row in rows})
    yield (
        f"# From the report's best network to ours, on {data}\n\n"
        f"Mean ± standard deviation. Seeds: {', '.join(map(str, seeds))}. "
        f"Processors: {', '.join(processors)}." + (f" {recheck}" if recheck else "")
    )
    rows_of = {model: select(rows, model, WHOLE["val"]) for model in models}
    # Timed several times between these runs: a single timing on a shared machine can be far off.
    timings = sorted({float(row["reference_epoch"]) for some in rows_of.values() for row in some})
    reference = REFERENCE_EPOCHS * statistics.median(timings)
    yield table(
        "Each model has the changes of all above it. Time is that of training, as a share of "
        f"{REFERENCE_EPOCHS} epochs of the reference loop (the report's way of training) with the "
        f"report's best network: {reference:.0f} s here. An epoch of it was timed {len(timings)} "
        f"times between these runs: median {statistics.median(timings):.2f} s, {timings[0]:.2f} to "
        f"{timings[-1]:.2f} s.",
        ["model", "changed", "12-margin error", "MSE", "PSNR, dB", "epochs", "time"],
        [*_steps(rows_of, models, reference)],
    )
    yield table(
        "The error at other margins:",
        ["model", *map(str, MARGINS)],
        [
            [model, *(mean_and_std(column(some, f"error_{margin}"), 4) for margin in MARGINS)]
            for model, some in rows_of.items()
            if some
        ],
    )
    yield table(
        "Trained without a fifth of the training photographs, and evaluated on that fifth too; the "
        f"gain is over {REPORT}, paired by seed:",
        ["model", *(text for name in REDUCED.values() for text in (name, "gain"))],
        [[model, *_held_out_cells(rows, model)] for model in CHECKED],
    )


def _steps(
    rows_of: Mapping[str, Sequence[Row]], models: Mapping[str, Changes], reference: float
) -> Iterator[list[str]]:
    before: Changes = {}
    for model, changes in models.items():
        own = [f"{key} {value}" for key, value in changes.items() if before.get(key) != value]
        before = changes
        if rows := rows_of[model]:
            times = [seconds / reference for seconds in column(rows, "seconds")]
            yield [
                model,
                "<br>".join(own),
                f"**{mean_and_std(column(rows, 'margin_error'), 4)}**",
                mean_and_std(column(rows, "mse"), 5),
                mean_and_std(column(rows, "psnr"), 2),
                mean_and_std(column(rows, "epochs"), 0),
                mean_and_std(times, 2),
            ]


def _held_out_cells(rows: Sequence[Row], model: str) -> Iterator[str]:
    for measured_on in REDUCED.values():
        errors = column(select(rows, model, measured_on), "margin_error")
        reference = column(select(rows, REPORT, measured_on), "margin_error")
        gains = [before - after for before, after in zip(reference, errors, strict=False)]
        yield from (mean_and_std(values, 4) if values else "" for values in (errors, gains))


def write_tables(
    results: Path, data: str, rows: Sequence[Row], models: Mapping[str, Changes]
) -> None:
    """Write ablation.md."""
    parts = tables(data, rows, models, last_recheck(results, RUNS_FILE))
    write_text(results / ABLATION_FILE, "\n".join(parts) + "\n")
