"""The stages one after the other, on the tiny data set."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TRAIN, VAL, TEST = "data/prepared/train", "data/prepared/val", "data/prepared/test"
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
    """Run a stage of the pipeline; the data is prepared already."""
    run_stage("prepare", str(raw), TRAIN, VAL, TEST)
    return lambda stage: run_stage(stage, *PATHS[stage])


def metrics(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text())


def series(path: str) -> list[dict[str, float]]:
    with Path(path).open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
