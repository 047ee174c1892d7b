"""Train the models of models.yaml with several seeds each, and say what every step gave.

A row of runs.csv is what was measured of one network, with the seconds that its training took and
those of an epoch of the report's way of working, timed at most five minutes before on the same
machine. Rows that are there, of the same code and params, are not measured again: what was
interrupted goes on. ablation.md is made from the rows.

Some models are trained a second time, without a fifth of the training photographs, and measured on
these too: nothing was ever chosen by looking at them.
"""

import argparse
import json
import math
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ruamel.yaml import YAML
from tqdm import tqdm

from benchmarks.measure import measure
from benchmarks.run import prepare, stage_cost, table, timed_epochs
from colorizer.device import available_device, processor
from colorizer.errors import one_line_errors
from colorizer.files import read_series, write_text
from colorizer.params import PARAMS_FILE
from colorizer.photos import find_photos
from experiments.identity import of_run
from experiments.models import MODELS_FILE, Changes, named_models
from experiments.rows import Row, column, read_rows, spread, write_rows

ABLATION_FILE = "ablation.md"
REPORT = "report_best"
CHECKED = (REPORT, "ours_small", "ours_best")
HELD_OUT_EVERY = 5
# The splits that networks of a data set are measured on, and what they are called.
WHOLE = {"val": "validation"}
REDUCED = {"val": "validation, a fifth held out", "test": "held out"}
# The report's best network; of two epochs the second counts. It ran for 40, the last 5 in vain.
REFERENCE, REFERENCE_EPOCHS = ("2", "16", "0", "2", "2"), 40
REFERENCE_HOLDS = 300  # seconds: then it is timed again, since machines are shared
MARGINS = (4, 6, 8, 12, 16, 24, 32)
KEYS = ("model", "seed", "measured_on", "code", "params")
MEASURES = ("epochs", "seconds", "reference_epoch", "margin_error", "mse", "psnr", "ssim")
COLUMNS = (*KEYS, "machine", *MEASURES, *(f"error_{margin}" for margin in MARGINS))


def hold_out(raw: Path, folder: Path) -> None:
    """Link a data set whose test split is what is held out of the training split of another."""
    photos = {split: find_photos(raw / split)[0] for split in ("train", "val")}
    held_out = photos["train"][::HELD_OUT_EVERY]
    kept = [path for path in photos["train"] if path not in held_out]
    for split, source, paths in (
        ("train", "train", kept),
        ("val", "val", photos["val"]),
        ("test", "train", held_out),
    ):
        for path in paths:
            link = folder / split / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((raw / source / path).resolve())


def write_params(changes: Changes, file: Path) -> None:
    """Write params.yaml with a model's changes."""
    sections = YAML().load(PARAMS_FILE)
    for key, value in changes.items():
        section, name = key.split(".")
        sections[section][name] = value
    YAML().dump(sections, file)


def reference_epoch(raw: Path) -> float:
    """Seconds of an epoch of the report's way of working, with its best network."""
    (seconds,), _ = timed_epochs(["reference", str(raw.resolve()), *REFERENCE])
    return seconds


def train_and_measure(
    folder: Path, changes: Changes, splits: Sequence[str]
) -> Iterator[dict[str, float]]:
    """Train on what is prepared in a folder; for each of the splits what was measured."""
    write_params(changes, folder / PARAMS_FILE)
    seconds = stage_cost("train", folder).seconds
    epochs = json.loads((folder / "train.json").read_text())["epochs"]
    for split in splits:
        outputs = ("predictions.npy", "evaluate.json", "curve.csv")
        measure(["-m", "stages.evaluate", "train", split, "model.safetensors", *outputs], folder)
        metrics = json.loads((folder / "evaluate.json").read_text())
        errors = read_series(folder / "curve.csv", ["network"])["network"]
        yield {
            "epochs": epochs,
            "seconds": round(seconds, 1),
            **{name: metrics[name] for name in ("margin_error", "mse", "psnr", "ssim")},
            **{f"error_{margin}": errors[margin] for margin in MARGINS},
        }


def select(rows: Sequence[Row], model: str, measured_on: str) -> list[Row]:
    """The rows of a model, in the order of their seeds."""
    wanted = [row for row in rows if (row["model"], row["measured_on"]) == (model, measured_on)]
    return sorted(wanted, key=lambda row: int(row["seed"]))


def tables(data: str, rows: Sequence[Row], models: dict[str, Changes]) -> Iterator[str]:
    """What the rows of a data set say, in Markdown."""
    seeds = sorted({int(row["seed"]) for row in rows})
    processors = sorted({row["machine"] for row in rows})
    yield (
        f"# From the report's best network to ours, on {data}\n\n"
        f"Mean ± standard deviation. Seeds: {', '.join(map(str, seeds))}. "
        f"Processors: {', '.join(processors)}."
    )
    measured = {model: select(rows, model, WHOLE["val"]) for model in models}
    # Timed again and again between these runs: one timing on a shared machine may be far off.
    timings = sorted({float(row["reference_epoch"]) for some in measured.values() for row in some})
    reference = REFERENCE_EPOCHS * statistics.median(timings)
    steps: list[list[str]] = []
    before: Changes = {}
    for model, changes in models.items():
        own = [f"{key} {value}" for key, value in changes.items() if before.get(key) != value]
        before = changes
        if some := measured[model]:
            times = [seconds / reference for seconds in column(some, "seconds")]
            steps.append(
                [
                    model,
                    "<br>".join(own),
                    f"**{spread(column(some, 'margin_error'), 4)}**",
                    spread(column(some, "mse"), 5),
                    spread(column(some, "psnr"), 2),
                    spread(column(some, "epochs"), 0),
                    spread(times, 2),
                ]
            )
    yield table(
        "Each model has the changes of all above it. Time is that of training, as a share of what "
        f"the report's {REFERENCE_EPOCHS} epochs of its best network take in its way of working: "
        f"{reference:.0f} s here. Between the runs such an epoch was timed {len(timings)} times: "
        f"median {statistics.median(timings):.2f} s, {timings[0]:.2f} to {timings[-1]:.2f}.",
        ["model", "changed", "12-margin error", "MSE", "PSNR, dB", "epochs", "time"],
        steps,
    )
    yield table(
        "The error at other margins:",
        ["model", *map(str, MARGINS)],
        [
            [model, *(spread(column(some, f"error_{margin}"), 4) for margin in MARGINS)]
            for model, some in measured.items()
            if some
        ],
    )
    checks = []
    for model in CHECKED:
        cells = []
        for measured_on in REDUCED.values():
            errors = column(select(rows, model, measured_on), "margin_error")
            report = column(select(rows, REPORT, measured_on), "margin_error")
            gains = [theirs - ours for theirs, ours in zip(report, errors, strict=False)]
            cells += [spread(errors, 4), spread(gains, 4)] if errors else ["", ""]
        checks.append([model, *cells])
    yield table(
        "Trained without a fifth of the training photographs, and measured on these too; gain is "
        f"over {REPORT}, seed by seed:",
        ["model", *(text for name in REDUCED.values() for text in (name, "gain"))],
        checks,
    )


def write_tables(results: Path, data: str, rows: Sequence[Row], models: dict[str, Changes]) -> None:
    """Write ablation.md."""
    write_text(results / ABLATION_FILE, "\n".join(tables(data, rows, models)) + "\n")


def main() -> None:
    """Train and measure what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="data set to learn from")
    parser.add_argument("results", type=Path, help="folder for runs.csv and ablation.md")
    parser.add_argument("seeds", type=int, nargs="+", help="each model is trained with each")
    given = parser.parse_args()
    models = named_models(MODELS_FILE)
    given.results.mkdir(parents=True, exist_ok=True)
    runs_file = given.results / "runs.csv"
    # What claims are made of comes first. Of each run: its changes, the splits that it is measured
    # on, and the keys of the row for each.
    runs = []
    others = tuple(name for name in models if name not in CHECKED)
    for splits, names in ((WHOLE, CHECKED), (REDUCED, CHECKED), (WHOLE, others)):
        for seed in given.seeds:
            for model in names:
                changes = models[model] | {"train.seed": seed}
                of = of_run(changes)
                keys = {split: (model, str(seed), name, *of) for split, name in splits.items()}
                runs.append((changes, splits, keys))
    wanted = {key for *_, keys in runs for key in keys.values()}
    rows = [row for row in read_rows(runs_file) if tuple(row[key] for key in KEYS) in wanted]
    done = {tuple(row[key] for key in KEYS) for row in rows}
    missing = [run for run in runs if not done >= {*run[2].values()}]
    if not missing:
        print(f"{runs_file}: all of {len(runs)} runs are there")
        write_tables(given.results, given.raw.name, rows, models)
        return
    machine = processor(available_device())
    with TemporaryDirectory() as folder:
        whole, reduced = Path(folder, "whole"), Path(folder, "reduced")
        hold_out(given.raw.resolve(), reduced / "raw")
        whole.mkdir()
        for place, raw in ((whole, given.raw.resolve()), (reduced, reduced / "raw")):
            shutil.copy(PARAMS_FILE, place)
            prepare(place, raw)
        done_before = len(runs) - len(missing)
        seconds, timed = 0.0, -math.inf
        for changes, splits, keys in tqdm(
            missing, initial=done_before, total=len(runs), desc="runs", unit="run"
        ):
            if time.monotonic() - timed > REFERENCE_HOLDS:
                seconds, timed = round(reference_epoch(given.raw), 2), time.monotonic()
            measured = train_and_measure(whole if splits is WHOLE else reduced, changes, [*keys])
            for key, values in zip(keys.values(), measured, strict=True):
                told = {"machine": machine, "reference_epoch": seconds}
                row = dict(zip(KEYS, key, strict=True)) | values | told
                rows.append({name: str(row[name]) for name in COLUMNS})
            write_rows(runs_file, COLUMNS, rows)
            write_tables(given.results, given.raw.name, rows, models)


if __name__ == "__main__":
    with one_line_errors():
        main()
