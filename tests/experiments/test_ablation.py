import csv
import json
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from experiments import ablation
from experiments.ablation import COLUMNS, hold_out, tables
from tests.conftest import REPOSITORY
from tests.stages.conftest import EVALUATION, PATHS, PREPARED

MODELS = """
report_best: {model.kernels: 3}
ours_best: {train.epochs: 2}
"""


def photos(folder: Path) -> set[str]:
    return {path.read_bytes() for path in folder.rglob("*.png")}


def test_what_is_held_out_is_no_longer_learnt(raw, tmp_path):
    hold_out(raw, tmp_path / "reduced")
    train, val, test = (photos(tmp_path / "reduced" / split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (9, 6, 3)  # of 12 photographs the 1st, 6th, 11th
    assert not train & test
    assert train | test == photos(raw / "train")
    assert val == photos(raw / "val")


@pytest.fixture
def work(raw, params, tmp_path, monkeypatch):
    """A place with the code and two models to compare."""
    for package in ("benchmarks", "colorizer", "stages"):
        (tmp_path / package).symlink_to(REPOSITORY / package)
    (tmp_path / "dvc.yaml").symlink_to(REPOSITORY / "dvc.yaml")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/models.yaml").write_text(MODELS)
    YAML().dump(params, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ablation, "CHECKED", ("report_best", "ours_best"))
    monkeypatch.setattr(ablation, "reference_epoch", lambda _: 1.5)  # to save the time

    def run() -> list[dict[str, str]]:
        monkeypatch.setattr(sys, "argv", ["ablation", str(raw), "results", "5"])
        ablation.main()
        with Path("results/runs.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return run


def test_rows_hold_what_the_stages_measure_and_are_not_measured_twice(
    work, raw, params, run_stage, tmp_path
):
    rows = work()
    assert [(row["model"], row["measured_on"]) for row in rows] == [
        ("report_best", "validation"),
        ("ours_best", "validation"),
        ("report_best", "validation, a fifth held out"),
        ("report_best", "held out"),
        ("ours_best", "validation, a fifth held out"),
        ("ours_best", "held out"),
    ]
    assert [row["epochs"] for row in rows[:2]] == ["3", "2"]

    params["model"]["kernels"] = 3
    params["train"]["seed"] = 5
    for data, measured in ((raw, rows[0]), (tmp_path / "reduced", rows[3])):
        if data != raw:
            hold_out(raw, data)
        run_stage("prepare", data.as_posix(), *PREPARED)
        run_stage("train", *PATHS["train"])
        train, val, *outputs = PATHS["evaluate"]
        split = val if data == raw else PREPARED[2]
        run_stage("evaluate", train, split, *outputs)
        metrics = json.loads(Path(EVALUATION).read_text())
        for name in ("margin_error", "mse", "psnr", "ssim"):
            assert float(measured[name]) == metrics[name]
        assert float(measured["error_12"]) == pytest.approx(metrics["margin_error"], rel=1e-5)

    params["model"]["kernels"] = 4
    params["train"]["seed"] = 483
    YAML().dump(params, Path("params.yaml"))
    Path("experiments/models.yaml").write_text(MODELS.replace("epochs: 2", "epochs: 1"))
    again = work()
    assert again[:3] == [rows[0], *rows[2:4]]
    assert [row["epochs"] for row in again[3:]] == ["1"] * 3


def test_the_way_the_report_worked_is_timed(raw):
    assert 0 < ablation.reference_epoch(raw) < 60


def row(model: str, seed: int, measured_on: str, error: float, seconds: float) -> dict[str, str]:
    values = dict.fromkeys(COLUMNS, "0")
    return values | {
        "model": model,
        "seed": str(seed),
        "measured_on": measured_on,
        "machine": "x86_64 AVX2",
        "margin_error": str(error),
        "seconds": str(seconds),
        "reference_epoch": "10",
    }


def test_the_tables_show_means_deviations_and_gains():
    errors = {"report_best": (0.23, 0.22, 0.24), "ours_best": (0.19, 0.19, 0.19)}
    rows = [
        row(model, seed, measured_on, error, seconds=100 if model == "report_best" else 400)
        for model, values in errors.items()
        for measured_on in ("validation", "held out")
        for seed, error in enumerate(values)
    ]
    models = {
        "report_best": {"model.kernels": 16},
        "ours_best": {"model.kernels": 16, "train.loss": "margin"},
    }
    header, steps, _, checks = tables("faces", rows, models)
    assert header.startswith("# From the report's best network to ours, on faces\n")
    assert header.endswith("Seeds: 0, 1, 2. Processors: x86_64 AVX2.")
    report, ours = steps.splitlines()[-2:]
    # Deviation of 0.22, 0.23 and 0.24: sqrt(0.0002 / 2). 100 s of 40 epochs of 10 s: 0.25.
    assert report.startswith("| report_best | model.kernels 16 | **0.2300 ± 0.0100** |")
    assert report.endswith("| 0.25 ± 0.00 |")
    assert ours.startswith("| ours_best | train.loss margin | **0.1900 ± 0.0000** |")
    assert ours.endswith("| 1.00 ± 0.00 |")
    assert checks.splitlines()[-1].endswith("| 0.1900 ± 0.0000 | 0.0400 ± 0.0100 |")
