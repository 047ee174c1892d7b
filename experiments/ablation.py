"""Train the models of models.yaml with several seeds each, and tabulate the gain of every step.

A row of runs.csv is what was measured of one network, with the seconds that its training took and
the seconds of an epoch of the reference loop, timed at most five minutes before on the same
machine. Rows of the same code and params are not measured again, so an interrupted ablation
continues. ablation.md is made from the rows.

Some models are trained a second time without a fifth of the training photographs, and evaluated on
that fifth too: no decision was ever based on it.

With --recheck K no missing run is measured; K runs are drawn and measured again, as
`python -m experiments.recheck` does it for sweeps.
"""

import argparse
import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pandas as pd
from tqdm import tqdm

from colorizer.data.photos import find_photos
from colorizer.device import available_device, processor_name
from colorizer.errors import InputError, one_line_errors
from colorizer.files import read_yaml, write_yaml
from colorizer.metrics.series import read_series
from colorizer.params import PARAMS_FILE
from experiments.models import MODELS_FILE, named_models
from experiments.reporting.ablation_tables import (
    CHECKED,
    MARGINS,
    REDUCED,
    RUNS_FILE,
    WHOLE,
    write_tables,
)
from experiments.runs.identity import code_digest, params_digest
from experiments.runs.rechecks import BASELINE, ROWS, draw, record
from experiments.runs.results import read_table, write_table
from experiments.runs.sweeps import Changes
from experiments.runs.timing import reference_epochs, run_module

HELD_OUT_EVERY = 5
# The report's best network.
REFERENCE_NETWORK = (2, 16)
REFERENCE_VALID_SECONDS = 300  # then an epoch is timed again, since machines are shared
KEYS = ("model", "seed", "measured_on", "code", "params")
METRICS = ("margin_error", "mse", "psnr", "ssim")
# What a rerun on the same kind of processor repeats to the last digit.
REPEATED = ("epochs", *METRICS, *(f"error_{margin}" for margin in MARGINS))
COLUMNS = (*KEYS, "machine", "epochs", "seconds", "reference_epoch", *REPEATED[1:])


class TrainingRun(NamedTuple):
    """One training run: changes of params.yaml, and the splits that it is evaluated on."""

    model: str
    changes: Changes
    splits: dict[str, str]

    def keys(self, code: str) -> list[tuple[str, ...]]:
        """Keys of its rows, one for each split, for code with this digest."""
        params = params_digest(self.changes)
        seed = str(self.changes["train.seed"])
        return [(self.model, seed, name, code, params) for name in self.splits.values()]


def plan(models: Mapping[str, Changes], seeds: Sequence[int]) -> list[TrainingRun]:
    """All runs; those that claims are based on come first."""
    others = [name for name in models if name not in CHECKED]
    return [
        TrainingRun(model, models[model] | {"train.seed": seed}, splits)
        for splits, names in ((WHOLE, CHECKED), (REDUCED, CHECKED), (WHOLE, others))
        for seed in seeds
        for model in names
    ]


def hold_out(raw: Path, folder: Path) -> None:
    """Link a data set whose test split is every fifth training photograph of another."""
    photos = {split: find_photos(raw / split)[0] for split in ("train", "val")}
    held_out = photos["train"][::HELD_OUT_EVERY]
    remaining = [path for path in photos["train"] if path not in held_out]
    for split, source, paths in (
        ("train", "train", remaining),
        ("val", "val", photos["val"]),
        ("test", "train", held_out),
    ):
        for path in paths:
            link = folder / split / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((raw / source / path).resolve())


def write_params(changes: Changes, file: Path) -> None:
    """Write params.yaml with changes."""
    sections = read_yaml(PARAMS_FILE)
    for key, value in changes.items():
        section, name = key.split(".")
        sections[section][name] = value
    write_yaml(file, sections)


def reference_epoch(raw: Path) -> float:
    """Seconds of an epoch of the reference loop with the report's best network."""
    (seconds,) = reference_epochs(raw, *REFERENCE_NETWORK, epochs=2)
    return seconds


class Workplace:
    """Folders in which the data set is prepared, whole and without the held out fifth."""

    def __init__(self, raw: Path, folder: Path) -> None:
        """Prepare both."""
        self._whole, self._reduced = folder / "whole", folder / "reduced"
        hold_out(raw.resolve(), self._reduced / "raw")
        self._whole.mkdir()
        for place, source in ((self._whole, raw.resolve()), (self._reduced, self._reduced / "raw")):
            shutil.copy(PARAMS_FILE, place)
            outputs = ["train", "val", "test", "skipped.txt", "prepare.json"]
            run_module("stages.prepare", [str(source), *outputs], place)

    def train_and_evaluate(self, run: TrainingRun) -> Iterator[dict[str, float]]:
        """Train; for each split of the run, what was measured."""
        folder = self._whole if run.splits is WHOLE else self._reduced
        write_params(run.changes, folder / PARAMS_FILE)
        outputs = ["model.safetensors", "train.json", "history.csv"]
        seconds, _ = run_module("stages.train", ["train", "val", *outputs], folder)
        epochs = json.loads((folder / "train.json").read_text())["epochs"]
        for split in run.splits:
            outputs = ["predictions.npy", "evaluate.json", "curve.csv"]
            args = ["train", split, "model.safetensors", *outputs]
            run_module("stages.evaluate", args, folder)
            metrics = json.loads((folder / "evaluate.json").read_text())
            errors = read_series(folder / "curve.csv", ["network"])["network"]
            yield {
                "epochs": epochs,
                "seconds": round(seconds, 1),
                **{name: metrics[name] for name in METRICS},
                **{f"error_{margin}": float(errors[margin]) for margin in MARGINS},
            }


def measure_missing(
    raw: Path, runs: Sequence[TrainingRun], rows: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    """Measure the runs that have no rows; yield the rows of each run."""
    code = code_digest()
    present = {*_keys(rows)}
    missing = [run for run in runs if not present.issuperset(run.keys(code))]
    if not missing:
        return
    machine = processor_name(available_device())
    with TemporaryDirectory() as folder:
        workplace = Workplace(raw, Path(folder))
        reference, timed_at = 0.0, -math.inf
        for run in tqdm(
            missing, initial=len(runs) - len(missing), total=len(runs), desc="runs", unit="run"
        ):
            if time.monotonic() - timed_at > REFERENCE_VALID_SECONDS:
                reference, timed_at = round(reference_epoch(raw), 2), time.monotonic()
            context = {"machine": machine, "reference_epoch": reference}
            measured = workplace.train_and_evaluate(run)
            new_rows = [
                dict(zip(KEYS, key, strict=True)) | values | context
                for key, values in zip(run.keys(code), measured, strict=True)
            ]
            yield pd.DataFrame(new_rows, columns=[*COLUMNS]).astype(str)


def recheck(raw: Path, runs: Sequence[TrainingRun], expected: pd.DataFrame) -> None:
    """Measure runs again. Raises InputError unless all values are those of `expected`."""
    rows = expected.to_dict("records")
    expected_of = {_without_code(tuple(row[key] for key in KEYS)): row for row in rows}
    differences = []
    with TemporaryDirectory() as folder:
        workplace = Workplace(raw, Path(folder))
        for run in tqdm(runs, desc="recheck", unit="run"):
            measured = workplace.train_and_evaluate(run)
            for key, values in zip(run.keys(""), measured, strict=True):
                before = expected_of.get(_without_code(key), {})
                differences += [
                    f"{' '.join(key[:3])}: {name} is {values[name]}, expected {before.get(name)}"
                    for name in REPEATED
                    if str(values[name]) != before.get(name)
                ]
    if differences:
        raise InputError("\n  ".join(["reruns differ, and no row was changed:", *differences]))


def _keys(rows: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    return rows[[*KEYS]].itertuples(index=False, name=None)


def _without_code(key: tuple[str, ...]) -> tuple[str, ...]:
    model, seed, measured_on, _, params = key
    return model, seed, measured_on, params


def recheck_and_stamp(args: argparse.Namespace, runs: Sequence[TrainingRun]) -> pd.DataFrame:
    """Recheck drawn runs, record it, and return the rows with the digest of the current code."""
    rows = read_table(args.results / RUNS_FILE, COLUMNS)
    keys = {*map(_without_code, _keys(rows))}
    candidates = [run for run in runs if keys.issuperset(map(_without_code, run.keys("")))]
    if not candidates:
        raise InputError(f"{args.results / RUNS_FILE}: has no run of the current params")
    drawn = draw(candidates, args.recheck, args.recheck_seed)
    expected = read_table(args.baseline, COLUMNS) if args.baseline else rows
    recheck(args.raw, drawn, expected)
    stamped = {_without_code(key) for run in candidates for key in run.keys("")}
    compared_with = BASELINE if args.baseline else ROWS
    record(args.results, RUNS_FILE, args.recheck_seed, len(drawn), len(candidates), compared_with)
    is_stamped = [_without_code(key) in stamped for key in _keys(rows)]
    return rows.loc[is_stamped].assign(code=code_digest())


def main() -> None:
    """Measure what is missing, or recheck; then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="data set to train on")
    parser.add_argument("results", type=Path, help="folder for runs.csv and ablation.md")
    parser.add_argument("seeds", type=int, nargs="+", help="each model is trained with each")
    parser.add_argument("--recheck", type=int, metavar="K", help="rerun K runs on the current code")
    parser.add_argument("--recheck-seed", type=int, default=0, help="of the draw (%(default)s)")
    parser.add_argument("--baseline", type=Path, help="CSV file with rows to compare with instead")
    args = parser.parse_args()
    models = named_models(MODELS_FILE)
    runs = plan(models, args.seeds)
    args.results.mkdir(parents=True, exist_ok=True)
    file = args.results / RUNS_FILE
    if args.recheck:
        rows = recheck_and_stamp(args, runs)
        write_table(file, rows)
    else:
        keys = {key for run in runs for key in run.keys(code_digest())}
        rows = read_table(file, COLUMNS)
        rows = rows.loc[[key in keys for key in _keys(rows)]]
        for new_rows in measure_missing(args.raw, runs, rows):
            rows = pd.concat([rows, new_rows])
            write_table(file, rows)
            write_tables(args.results, args.raw.name, rows, models)
    write_tables(args.results, args.raw.name, rows, models)
    print(f"{file}: {len(rows)} rows of {len(runs)} runs")


if __name__ == "__main__":
    with one_line_errors():
        main()
