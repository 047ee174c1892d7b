"""The stages one after the other, on a tiny data set."""

import csv
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from colorizer.files import write_yaml
from tests.conftest import RAW, small_params, write_raw
from tests.stages.forks import Server

PREPARED = (
    "data/prepared/train",
    "data/prepared/val",
    "data/prepared/test",
    "data/prepared/skipped.txt",
    "metrics/prepare.json",
)
TRAIN, VAL, TEST, SKIPPED, COUNTS = PREPARED
MODEL, METRICS, HISTORY = "models/model.safetensors", "metrics/train.json", "plots/history.csv"
COLORED_VAL, EVALUATION, CURVE = "data/val.npy", "metrics/evaluate.json", "plots/curve.csv"
COLORED_TEST, NAMES, FIGURES = "data/test.npy", "data/test_images.txt", "plots/images"

PATHS = {
    "train": (TRAIN, VAL, MODEL, METRICS, HISTORY),
    "evaluate": (TRAIN, VAL, MODEL, COLORED_VAL, EVALUATION, CURVE),
    "predict_test": (TEST, MODEL, COLORED_TEST, NAMES),
    "plot": (VAL, COLORED_VAL, TEST, COLORED_TEST, NAMES, METRICS, HISTORY, CURVE, FIGURES),
}


@pytest.fixture
def run(run_stage: Callable[..., None], raw: Path) -> Callable[[str], None]:
    """Run a stage of the pipeline on prepared data."""
    run_stage("prepare", raw.relative_to(Path.cwd()).as_posix(), *PREPARED)
    return lambda stage: run_stage(stage, *PATHS[stage])


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all stages but that of the sample have run."""
    folder = tmp_path_factory.mktemp("built")
    write_raw(folder / RAW)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        write_yaml(Path("params.yaml"), small_params())
        for stage, paths in {"prepare": (RAW, *PREPARED), **PATHS}.items():
            monkeypatch.setattr(sys, "argv", [stage, *paths])
            import_module(f"stages.{stage}").main()
    return folder


@pytest.fixture
def built(built_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder to work in; its photographs, relative to it."""
    shutil.copytree(built_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path(RAW)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A process that stages are forked from."""
    with Server() as server:
        yield server


def metrics(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text())


def series(path: str) -> list[dict[str, float]]:
    with Path(path).open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
