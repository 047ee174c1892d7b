"""Train the models of models.yaml with several seeds each, and tabulate the gain of every step.

A row of runs.csv is what was measured of a network on a split, with the seconds that its training
took, and the seconds of an epoch of the reference loop, timed at most five minutes before on the
same machine. Rows of the same code and params are not measured again, so an interrupted ablation
continues. ablation.md and ablation.png are made from the rows.

Some models are trained a second time without a fifth of the training photographs, and evaluated on
that fifth too: no decision was ever based on it.

With --recheck K no missing run is measured; K runs are drawn and measured again, as
`python -m experiments.recheck` does it for sweeps.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from tqdm import tqdm

from colorizer.data.photos import find_photos
from colorizer.device import available_device, bfloat16_unit, processor_name
from colorizer.errors import InputError, one_line_errors
from colorizer.files import write_yaml
from colorizer.git_variables import drop_git_variables
from colorizer.metrics.series import read_series
from colorizer.params import PARAMS_FILE
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
from experiments.runs.sweeps import MODELS_FILE, Changes, changed_params, named_models

HELD_OUT_EVERY = 5
# Conv layers, kernels and batch norm of the report's best network; threads, which the reference
# loop leaves to PyTorch.
REFERENCE_NETWORK = ("2", "16", "0", "1")
REFERENCE_VALID_SECONDS = 300  # then an epoch is timed again, since machines are shared
KEYS = ["model", "seed", "measured_on", "params"]  # of a row, apart from its code
METRICS = ("margin_error", "mse", "psnr", "ssim")
# What a rerun on the same kind of processor repeats to the last digit.
REPEATED = ("epochs", *METRICS, *(f"error_{margin}" for margin in MARGINS))
COLUMNS = [
    *("model", "seed", "measured_on", "code", "params"),
    *("machine", "epochs", "seconds", "reference_epoch", *REPEATED[1:]),
]


def plan(models: Mapping[str, Changes], seeds: Sequence[int]) -> list[pd.DataFrame]:
    """All runs; those that claims are based on come first.

    A run has a row for each split that its network is evaluated on: KEYS, and split.
    """
    others = [name for name in models if name not in CHECKED]
    return [
        pd.DataFrame(
            {
                "model": model,
                "seed": str(seed),
                "measured_on": splits.values(),
                "params": params_digest(models[model] | {"train.seed": seed}),
                "split": splits.keys(),
            }
        )
        for splits, names in ((WHOLE, CHECKED), (REDUCED, CHECKED), (WHOLE, others))
        for seed in seeds
        for model in names
    ]


def is_planned(rows: pd.DataFrame, runs: Sequence[pd.DataFrame]) -> pd.Series:
    """Whether each row is of one of the runs, with the params that it has now."""
    return rows[KEYS].apply(tuple, axis=1).isin(pd.concat(runs)[KEYS].apply(tuple, axis=1))


def has_rows(run: pd.DataFrame, rows: pd.DataFrame) -> bool:
    """Whether there is a row for each split of a run."""
    return len(run.merge(rows[KEYS])) == len(run)


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


def run_module(module: str, args: list[str], folder: Path) -> tuple[float, str]:
    """Run a Python module of this project in a folder; seconds, and what it printed.

    Raises CalledProcessError when it fails.
    """
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", module, *args],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.perf_counter() - start, process.stdout


def reference_epoch(raw: Path) -> float:
    """Seconds of the second epoch of the reference loop, with the report's best network.

    The reference loop is the report's way of training: see benchmarks/reference.py.
    """
    args = ["reference", str(raw.resolve()), *REFERENCE_NETWORK, "2"]
    _, output = run_module("benchmarks.epoch", args, Path.cwd())
    _, seconds = json.loads(output)["seconds"]
    return float(seconds)


class Workplace:
    """Folders in which the data set is prepared, whole and without the held out fifth."""

    def __init__(self, raw: Path, models: Mapping[str, Changes], folder: Path) -> None:
        """Prepare both."""
        self._models, self._whole, self._reduced = models, folder / "whole", folder / "reduced"
        hold_out(raw.resolve(), self._reduced / "raw")
        self._whole.mkdir()
        for place, source in ((self._whole, raw.resolve()), (self._reduced, self._reduced / "raw")):
            shutil.copy(PARAMS_FILE, place)
            outputs = ["train", "val", "test", "skipped.txt", "prepare.json"]
            run_module("stages.prepare", [str(source), *outputs], place)

    def measure(self, run: pd.DataFrame) -> pd.DataFrame:
        """Train and evaluate; the rows of the run with what was measured, as text."""
        folder = self._whole if {*run["measured_on"]} == {*WHOLE.values()} else self._reduced
        seed = {"train.seed": int(run["seed"].iloc[0])}
        changes = self._models[run["model"].iloc[0]] | seed
        write_yaml(folder / PARAMS_FILE, changed_params(changes))
        outputs = ["model.safetensors", "train.json", "history.csv"]
        seconds, _ = run_module("stages.train", ["train", "val", *outputs], folder)
        epochs = json.loads((folder / "train.json").read_text())["epochs"]
        measured = []
        for split in run["split"]:
            outputs = ["predictions.npy", "evaluate.json", "curve.csv"]
            args = ["train", split, "model.safetensors", *outputs]
            run_module("stages.evaluate", args, folder)
            metrics = json.loads((folder / "evaluate.json").read_text())
            errors = read_series(folder / "curve.csv", ["network"])["network"]
            measured.append(
                {"epochs": epochs, "seconds": round(seconds, 1)}
                | {name: metrics[name] for name in METRICS}
                | {f"error_{margin}": float(errors[margin]) for margin in MARGINS}
            )
        return run.join(pd.DataFrame(measured).astype(str))


def machine(changes: Changes) -> str:
    """The kind of processor that the results of a model with these changes depend on."""
    device = available_device()
    unit = f" ({bfloat16_unit(device)})" if changes.get("train.precision") == "bfloat16" else ""
    return processor_name(device) + unit


def measure_missing(
    raw: Path, models: Mapping[str, Changes], runs: Sequence[pd.DataFrame], rows: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    """Measure the runs that have no rows; yield the rows of each run."""
    missing = [run for run in runs if not has_rows(run, rows)]
    if not missing:
        return
    with TemporaryDirectory() as folder:
        workplace = Workplace(raw, models, Path(folder))
        reference, timed_at = 0.0, -math.inf
        for run in tqdm(
            missing, initial=len(runs) - len(missing), total=len(runs), desc="runs", unit="run"
        ):
            if time.monotonic() - timed_at > REFERENCE_VALID_SECONDS:
                reference, timed_at = round(reference_epoch(raw), 2), time.monotonic()
            measured = workplace.measure(run).assign(
                code=code_digest(),
                machine=machine(models[run["model"].iloc[0]]),
                reference_epoch=str(reference),
            )
            yield measured[COLUMNS]


def recheck(
    args: argparse.Namespace,
    models: Mapping[str, Changes],
    runs: Sequence[pd.DataFrame],
    rows: pd.DataFrame,
) -> pd.DataFrame:
    """Measure drawn runs again, record it, and return the rows, those of `runs` with this code.

    Raises InputError when a value differs.
    """
    candidates = [run for run in runs if has_rows(run, rows)]
    if not candidates:
        raise InputError(f"{args.results / RUNS_FILE}: has no run of the current params")
    drawn = draw(candidates, args.recheck, args.recheck_seed)
    with TemporaryDirectory() as folder:
        workplace = Workplace(args.raw, models, Path(folder))
        measured = [workplace.measure(run) for run in tqdm(drawn, desc="recheck", unit="run")]
    expected = read_table(args.baseline, COLUMNS) if args.baseline else rows
    compared = pd.concat(measured).merge(expected, how="left", on=KEYS, suffixes=("", " expected"))
    differences = [
        f"{row['model']} {row['seed']} {row['measured_on']}: "
        f"{name} is {row[name]}, expected {row[f'{name} expected']}"
        for _, row in compared.iterrows()
        for name in REPEATED
        if row[name] != row[f"{name} expected"]
    ]
    if differences:
        raise InputError("\n  ".join(["reruns differ, and no row was changed:", *differences]))
    compared_with = BASELINE if args.baseline else ROWS
    counts = len(drawn), len(candidates)
    record(args.results, RUNS_FILE, args.recheck_seed, *counts, compared_with)
    return rows.assign(code=rows["code"].mask(is_planned(rows, candidates), code_digest()))


def main() -> None:
    """Measure what is missing, or recheck; then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="folder of the data set, such as data/raw/faces")
    parser.add_argument(
        "results", type=Path, help="folder for runs.csv, ablation.md and ablation.png"
    )
    parser.add_argument("seeds", type=int, nargs="+", help="every model is trained with every seed")
    parser.add_argument(
        "--recheck", type=int, metavar="K", help="rerun K random runs; measure no new ones"
    )
    parser.add_argument(
        "--recheck-seed", type=int, default=0, help="seed of that draw (%(default)s)"
    )
    parser.add_argument("--baseline", type=Path, help="CSV file to compare with, not RESULTS")
    args = parser.parse_args()
    drop_git_variables()
    models = named_models(MODELS_FILE)
    args.results.mkdir(parents=True, exist_ok=True)
    file = args.results / RUNS_FILE
    rows = read_table(file, COLUMNS)
    runs = plan(models, sorted({*args.seeds, *rows["seed"].astype(int)}))  # with earlier seeds

    def write(rows: pd.DataFrame) -> None:
        valid = rows[(rows["code"] == code_digest()) & is_planned(rows, runs)]
        write_table(file, rows)
        write_tables(args.results, args.raw.name, valid, models)
        print(f"{file}: {len(valid)} of {len(rows)} rows are valid")

    if args.recheck:
        write(recheck(args, models, runs, rows))
        return
    valid = rows[rows["code"] == code_digest()]
    for new_rows in measure_missing(args.raw, models, plan(models, args.seeds), valid):
        # Rows of earlier code or params stay until they are measured again.
        rows = pd.concat([rows, new_rows]).drop_duplicates(KEYS[:3], keep="last")
        write(rows)
    write(rows)


if __name__ == "__main__":
    with one_line_errors():
        main()
