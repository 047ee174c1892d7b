from pathlib import Path

import pytest
from safetensors.torch import load_file

from colorizer.models.model_file import load_model
from tests.stages.conftest import metrics, series

OUTPUTS = ("models/colorizer.safetensors", "metrics/train.json", "plots/history.csv")


@pytest.mark.usefixtures("built")
def test_the_metrics_are_those_of_the_best_epoch_in_the_history():
    reported, history = metrics("metrics/train.json"), series("plots/history.csv")
    best = min(history, key=lambda row: row["val_margin_error"])
    errors = {name: best[name] for name in ("train_mse", "val_mse", "val_margin_error")}
    expected = {"epochs": 3, "best_epoch": best["epoch"], **errors, "diverged": 0}
    assert [*reported] == [*expected]
    assert reported == pytest.approx(expected, abs=1e-6)
    assert [row["epoch"] for row in history] == [1, 2, 3]
    model = load_model(Path(OUTPUTS[0]))
    assert model.training == "trained on tiny: 12 photographs of 16x16 pixels"


@pytest.mark.usefixtures("built")
def test_the_same_bytes_each_time(run_stage):
    before = [Path(path).read_bytes() for path in OUTPUTS]
    run_stage("train")
    assert [Path(path).read_bytes() for path in OUTPUTS] == before


@pytest.mark.usefixtures("built")
def test_the_seed_draws_the_initial_weights(run_stage, params):
    weights = []
    for seed in (1, 2):
        params["train"] |= {"seed": seed, "learning_rate": 1e-12}  # so that they stay
        run_stage("train")
        weights += load_file(OUTPUTS[0]).values()
    assert (weights[0] - weights[len(weights) // 2]).abs().max() > 0.01


@pytest.mark.usefixtures("built")
def test_the_margin_decides_what_counts_as_an_error(run_stage, params):
    before = metrics("metrics/train.json")
    params["metric"]["margin"] = 100
    run_stage("train")
    assert metrics("metrics/train.json")["val_margin_error"] < before["val_margin_error"]
