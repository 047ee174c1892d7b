"""Rows of sweeps, and a small repository whose runs are rechecked and collected."""

import csv
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from colorizer.files import read_yaml
from experiments.collect import collect
from experiments.reporting.statistics import Results
from experiments.runs.sweeps import SWEEPS_FILE, Run, read_sweeps
from tests.conftest import REPOSITORY

KERNELS_8 = "seeds/conv2_kernels8"
SEEDS = (483, 484, 485)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return read_sweeps(REPOSITORY / SWEEPS_FILE, "faces")


Row = dict[str, str]


def row(place: str, seed: int, error: float, **others: str) -> Row:
    sweep, _, point = place.partition("/")
    return {
        "name": f"faces-{sweep}-{point}-{seed}",
        "sweep": sweep,
        "point": point,
        "seed": str(seed),
        "params": f"of {place} {seed}",
        "commit": "abcdef0123",
        "machine": "x86_64",
        "started": "",
        "finished": "",
        "epochs": "12",
        "best_epoch": "7",
        "diverged": "0",
        "train_mse": "0.01",
        "val_mse": "0.02",
        "margin_error": str(error),
        "mse": "0.02",
        "psnr": "23",
        "ssim": "0.9",
        "gain_over_table": "0.01",
        "table_margin_error": "0.2347",
        "gray_margin_error": "0.7362",
        "first_margin_error": "0.8",
        **others,
    }


def rows_of(place: str, *errors: float) -> list[Row]:
    return [row(place, seed, error) for seed, error in zip(SEEDS, errors, strict=False)]


def results_of(runs: list[Run], *rows: Row) -> Results:
    columns = row(KERNELS_8, 0, 0.0)
    return Results.of(pd.DataFrame(rows, columns=[*columns], dtype=str), runs)


def histories(*names: str) -> pd.DataFrame:
    """Two epochs for each name, as text."""
    columns = ("train_mse", "val_mse", "val_margin_error")
    return pd.DataFrame(
        {"name": name, "epoch": str(epoch), **dict.fromkeys(columns, str(1 / epoch))}
        for name in names
        for epoch in (1, 2)
    )


BASE = rows_of(KERNELS_8, 0.25, 0.25, 0.25)

SWEEPS = """
few:
  seeds: [1, 2]
  runs:
    plain: {}
    wide: {model.kernels: 4}
"""
PIPELINE = """
stages:
  prepare:
    deps: [shared.py, prepare.py, 'data/raw/${data.name}']
    params: [data, prepare]
    outs: [data/prepared]
  train:
    deps: [shared.py, room, train.py, data/prepared]
    params: [metric, model, train]
    outs: [model, metrics/train.json: {cache: false}]
  evaluate:
    deps: [evaluate.py, data/prepared, model]
    params: [evaluate, metric]
    outs: [metrics/evaluate.json: {cache: false}]
  plot:
    deps: [plot.py]
    params: [plot]
"""
PARAMS = """
data: {name: sample}
prepare: {image_size: 80}
metric: {margin: 12}
model: {kernels: 8, dropout: 0.0}
train: {seed: 483, threads: 2, learning_rate: 0.1}
evaluate: {threads: 2}
plot: {dpi: 100}
"""
CODE = ("shared.py", "prepare.py", "train.py", "evaluate.py", "room/layers.py", "room/deep/nets.py")
RUN = "photos-few-wide-2"
METRICS = {"epochs": 9, "best_epoch": 4, "train_mse": 0.01, "val_mse": 0.02, "diverged": 0}
EVALUATION = {"mse": 0.02, "psnr": 23.5, "ssim": 0.9, "gain_over_table": 0.1}
HISTORY = """\
epoch,train_mse,val_mse,val_margin_error,learning_rate
1,0.5,0.4,0.3,0.1
2,0.1,0.2,0.25,0.1
"""
CURVE = "margin,network,gray\n0,1,1\n12,0.25,0.5\n"
MESSAGE = "started 2026-11-23T18:55:00+00:00 on x86_64 AVX512"


def git(*arguments: str, **environment: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    ended = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | environment
    )
    return ended.stdout.strip()


def load(path: str) -> Any:
    return read_yaml(Path(path))


def lock(kernels: int, seed: int, raw: str) -> dict[str, Any]:
    """The dvc.lock of a run on the data set photos, with the files on disk."""
    params = load("params.yaml")
    params["data"]["name"] = "photos"
    params["model"]["kernels"] = kernels
    params["train"] |= {"seed": seed, "threads": 1}
    params["evaluate"]["threads"] = 1

    def locked(path: str) -> dict[str, str]:
        if path.endswith(".py"):
            return {"path": path, "md5": hashlib.md5(Path(path).read_bytes()).hexdigest()}
        return {"path": path.replace("${data.name}", "photos"), "md5": raw}

    return {
        "stages": {
            name: {
                "deps": [locked(path) for path in stage["deps"]],
                "params": {"params.yaml": {name: params[name] for name in stage["params"]}},
            }
            for name, stage in load("dvc.yaml")["stages"].items()
        }
    }


def write(files: dict[str, str]) -> None:
    for path, text in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)


def experiment(
    kernels: int,
    seed: int,
    raw: str = "d1.dir",
    message: str = MESSAGE,
    error: float = 0.25,
    history: str = HISTORY,
    curve: str = CURVE,
) -> str:
    """Commit the outputs of a run, a day and five minutes after it was started; the commit."""
    evaluation = EVALUATION | {"margin_error": error, "table_mode": {"margin_error": 0.35}}
    evaluation["gray"] = {"margin_error": 0.6}
    write(
        {
            "metrics/train.json": json.dumps(METRICS),
            "metrics/evaluate.json": json.dumps(evaluation),
            "plots/history.csv": history,
            "plots/margin_curve.csv": curve,
            "dvc.lock": json.dumps(lock(kernels, seed, raw)),
        }
    )
    git("add", "-A", "metrics", "plots", "dvc.lock")
    git("commit", "-qm", message, GIT_COMMITTER_DATE="2026-11-24T19:00:00+00:00")
    revision = git("rev-parse", "HEAD")
    git("reset", "-q", "--hard", "HEAD~1")
    return revision


def publish(finished: dict[str, str]) -> None:
    """Make these commits, by name, the only experiments of the current commit, as DVC does."""
    head = git("rev-parse", "HEAD")
    for ref in git("for-each-ref", "--format=%(refname)", "refs/exps").splitlines():
        git("update-ref", "-d", ref)
    for name, commit in finished.items():
        git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", commit)


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A small repository whose runs can be collected; the current folder."""
    monkeypatch.chdir(tmp_path)
    code = {path: f"path = {path!r}\n" for path in CODE}
    write({"dvc.yaml": PIPELINE, "params.yaml": PARAMS, str(SWEEPS_FILE): SWEEPS, **code})
    write({"plot.py": "# plot\n", ".gitignore": "results\n"})
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "baseline")
    return tmp_path


@pytest.fixture
def collected() -> Callable[..., dict[str, list[dict[str, str]]]]:
    """Collect experiments, commits by name, after a sweep with some failed runs; all rows."""

    def run(
        finished: dict[str, str], failed: Sequence[str] = ()
    ) -> dict[str, list[dict[str, str]]]:
        publish(finished)
        collect("photos", Path("results"), {*failed}, discard=False)
        rows: dict[str, list[dict[str, str]]] = {}
        for path in Path("results").rglob("*.csv"):
            with path.open(newline="") as file:
                table = path.relative_to("results").parts[0].removesuffix(".csv")
                rows.setdefault(table, []).extend(csv.DictReader(file))
        return rows

    return run
