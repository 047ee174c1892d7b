"""Tables and chart of the ablation: every step from the report's best network to ours."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from colorizer.figures import write_png
from colorizer.files import write_text
from colorizer.markdown import table
from experiments.reporting.figures import DPI, steps_figure
from experiments.reporting.statistics import interval_text, mean_and_std, mean_intervals, means
from experiments.runs.rechecks import last_recheck
from experiments.runs.sweeps import Changes

ABLATION_FILE, CHART_FILE, RUNS_FILE = "ablation.md", "ablation.png", "runs.csv"
CHART_TITLE = "Margin error of each model against its training time"
REPORT = "report_best"
CHECKED = (REPORT, "ours_small", "ours_best")
# The splits that the networks of a data set are evaluated on, and their names in the tables.
WHOLE = {"val": "validation", "train": "training"}
REDUCED = {"val": "validation, a fifth held out", "test": "held out"}
REFERENCE_EPOCHS = 40  # of the report's best run, the last 5 without a lower error
MARGINS = (4, 6, 8, 12, 16, 24, 32)
TEXT = ("model", "measured_on", "code", "params", "machine")
# Columns of the steps: titles and digits.
STEP = {
    "mse": ("MSE", 5),
    "psnr": ("PSNR, dB", 2),
    "ssim": ("SSIM", 4),
    "epochs": ("epochs", 0),
    "time": ("time", 2),
}


def with_numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs.csv with numbers, and the training time as a share of the reference's.

    Each is compared with the timing of the reference loop that was made before it: a shared machine
    can be fast for an hour, then slow.
    """
    rows = rows.astype({name: float for name in rows if name not in TEXT} | {"seed": int})
    return rows.assign(time=rows["seconds"] / (REFERENCE_EPOCHS * rows["reference_epoch"]))


def tables(
    data: str, rows: pd.DataFrame, models: Mapping[str, Changes], recheck: str | None
) -> Iterator[str]:
    """The rows of a data set, as `with_numbers` returns them, in Markdown.

    `recheck` is a sentence on the last recheck.
    """
    processors = sorted(rows["machine"].unique())
    yield (
        f"# From the report's best network to ours, on {data}\n\n"
        f"Mean ± standard deviation. Seeds: {', '.join(map(str, sorted(rows['seed'].unique())))}. "
        f"Processors: {', '.join(processors)}." + (f" {recheck}" if recheck else "")
    )
    whole, training = (rows[rows["measured_on"] == WHOLE[split]] for split in ("val", "train"))
    timings = whole["reference_epoch"].drop_duplicates()
    yield table(
        "Each model has the changes of all above it; the difference is that of the error from the "
        "row above, paired by seed, with its 95% interval by Student's t. The training error is "
        "that of the trained network on the training photographs. Time is that of training, as a "
        f"share of {REFERENCE_EPOCHS} epochs of the reference loop (the report's way of training) "
        "with the report's best network. An epoch of it was timed at most five minutes before each "
        f"run, {len(timings)} times: median {timings.median():.2f} s, {timings.min():.2f} to "
        f"{timings.max():.2f} s.",
        [
            *("model", "changed", "12-margin error", "difference", "training error"),
            *(name for name, _ in STEP.values()),
        ],
        [*_steps(whole, training, models)],
    )
    yield f"\n![{CHART_TITLE}]({CHART_FILE})"
    margins = means(whole, "model", {f"error_{margin}": 4 for margin in MARGINS})
    yield table(
        "The error at other margins:",
        ["model", *map(str, MARGINS)],
        [*margins.loc[[model for model in models if model in margins.index]].itertuples(name=None)],
    )
    yield table(
        "Trained without a fifth of the training photographs, and evaluated on that fifth too; the "
        f"gain is over {REPORT}, paired by seed:",
        ["model", *(text for name in REDUCED.values() for text in (name, "gain"))],
        [[model, *_held_out_cells(rows, model)] for model in CHECKED],
    )


def _steps(
    rows: pd.DataFrame, training: pd.DataFrame, models: Mapping[str, Changes]
) -> Iterator[list[str]]:
    training_errors = means(training, "model", {"margin_error": 4})["margin_error"]
    found = means(rows, "model", {"margin_error": 4} | {name: STEP[name][1] for name in STEP})
    measured = [model for model in models if model in found.index]
    errors = rows.pivot(index="seed", columns="model", values="margin_error")[measured]
    changes = errors.diff(axis="columns").melt()
    intervals = mean_intervals(changes["value"], [changes["model"]]).to_dict("index")
    before: Changes = {}
    for model in models:
        own = {key: value for key, value in models[model].items() if before.get(key) != value}
        before = models[model]
        if model in measured:
            error, *others = found.loc[model]
            step = intervals[model]
            difference = f"{step['mean']:+.4f}, {interval_text(step['low'], step['high'])}"
            yield [
                model,
                "<br>".join(f"{key} {value}" for key, value in own.items()),
                f"**{error}**",
                difference if step["count"] else "",
                training_errors.get(model, ""),
                *others,
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
    """Write ablation.md and ablation.png."""
    numbers = with_numbers(rows)
    parts = tables(data, numbers, models, last_recheck(results, RUNS_FILE))
    write_text(results / ABLATION_FILE, "\n".join(parts) + "\n")
    whole = numbers[numbers["measured_on"] == WHOLE["val"]]
    steps = whole.groupby("model").agg(
        time=("time", "mean"),
        margin_error=("margin_error", "mean"),
        deviation=("margin_error", "std"),
    )
    measured = [model for model in models if model in steps.index]
    write_png(results / CHART_FILE, steps_figure(steps.loc[measured]), DPI)
