"""Tables of the ablation in Markdown: every step from the report's best network to ours."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from colorizer.files import write_text
from colorizer.markdown import table
from experiments.reporting.statistics import mean_and_std
from experiments.runs.rechecks import last_recheck
from experiments.runs.sweeps import Changes

ABLATION_FILE, RUNS_FILE = "ablation.md", "runs.csv"
REPORT = "report_best"
CHECKED = (REPORT, "ours_small", "ours_best")
# The splits that the networks of a data set are evaluated on, and their names in the tables.
WHOLE = {"val": "validation"}
REDUCED = {"val": "validation, a fifth held out", "test": "held out"}
REFERENCE_EPOCHS = 40  # of the report's best run, the last 5 without a lower error
MARGINS = (4, 6, 8, 12, 16, 24, 32)
TEXT = ("model", "measured_on", "code", "params", "machine")


def tables(
    data: str, rows: pd.DataFrame, models: Mapping[str, Changes], recheck: str | None
) -> Iterator[str]:
    """The rows of a data set as Markdown; `recheck` is a sentence on the last recheck."""
    rows = rows.astype({name: float for name in rows if name not in TEXT} | {"seed": int})
    processors = sorted(rows["machine"].unique())
    yield (
        f"# From the report's best network to ours, on {data}\n\n"
        f"Mean ± standard deviation. Seeds: {', '.join(map(str, sorted(rows['seed'].unique())))}. "
        f"Processors: {', '.join(processors)}." + (f" {recheck}" if recheck else "")
    )
    whole = rows[rows["measured_on"] == WHOLE["val"]]
    # Timed several times between these runs: a single timing on a shared machine can be far off.
    timings = pd.Series(whole["reference_epoch"].unique())
    reference = REFERENCE_EPOCHS * timings.median()
    yield table(
        "Each model has the changes of all above it. Time is that of training, as a share of "
        f"{REFERENCE_EPOCHS} epochs of the reference loop (the report's way of training) with the "
        f"report's best network: {reference:.0f} s here. An epoch of it was timed {len(timings)} "
        f"times between these runs: median {timings.median():.2f} s, {timings.min():.2f} to "
        f"{timings.max():.2f} s.",
        ["model", "changed", "12-margin error", "MSE", "PSNR, dB", "epochs", "time"],
        [*_steps(whole.assign(time=whole["seconds"] / reference), models)],
    )
    of_model = dict(iter(whole.groupby("model")))
    yield table(
        "The error at other margins:",
        ["model", *map(str, MARGINS)],
        [
            [model, *(mean_and_std(of_model[model][f"error_{margin}"], 4) for margin in MARGINS)]
            for model in models
            if model in of_model
        ],
    )
    yield table(
        "Trained without a fifth of the training photographs, and evaluated on that fifth too; the "
        f"gain is over {REPORT}, paired by seed:",
        ["model", *(text for name in REDUCED.values() for text in (name, "gain"))],
        [[model, *_held_out_cells(rows, model)] for model in CHECKED],
    )


def _steps(rows: pd.DataFrame, models: Mapping[str, Changes]) -> Iterator[list[str]]:
    of_model = dict(iter(rows.groupby("model")))
    before: Changes = {}
    for model, changes in models.items():
        own = [f"{key} {value}" for key, value in changes.items() if before.get(key) != value]
        before = changes
        if model in of_model:
            some = of_model[model]
            yield [
                model,
                "<br>".join(own),
                f"**{mean_and_std(some['margin_error'], 4)}**",
                mean_and_std(some["mse"], 5),
                mean_and_std(some["psnr"], 2),
                mean_and_std(some["epochs"], 0),
                mean_and_std(some["time"], 2),
            ]


def _held_out_cells(rows: pd.DataFrame, model: str) -> Iterator[str]:
    for measured_on in REDUCED.values():
        errors = rows[rows["measured_on"] == measured_on].pivot(
            index="seed", columns="model", values="margin_error"
        )
        if model in errors:
            yield mean_and_std(errors[model].dropna(), 4)
            yield mean_and_std((errors[REPORT] - errors[model]).dropna(), 4)
        else:
            yield from ("", "")


def write_tables(
    results: Path, data: str, rows: pd.DataFrame, models: Mapping[str, Changes]
) -> None:
    """Write ablation.md."""
    parts = tables(data, rows, models, last_recheck(results, RUNS_FILE))
    write_text(results / ABLATION_FILE, "\n".join(parts) + "\n")
