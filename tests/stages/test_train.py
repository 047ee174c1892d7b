from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from colorizer.data.splits import open_split
from colorizer.models.colorizer import predict_rows
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


@pytest.mark.usefixtures("built")
def test_the_model_file_has_the_errors_and_the_facts_that_training_reported():
    model, validation = load_model(Path(OUTPUTS[0])), open_split(Path("data/prepared/val"))
    gray, target = torch.from_numpy(validation.gray), torch.from_numpy(validation.rgb)
    batches = predict_rows(model.network, gray, torch.arange(6), flip_tta=False)
    off = torch.cat([prediction for _, prediction in batches]) - target
    assert metrics(OUTPUTS[1])["val_margin_error"] == round(
        (off.abs() >= 12).double().mean().item(), 6
    )
    assert metrics(OUTPUTS[1])["val_mse"] == pytest.approx(
        off.square().mean().item() / 127.5**2, abs=1e-6
    )
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


@pytest.mark.usefixtures("built")
def test_a_diverged_run_is_reported(run_stage, params, capsys):
    params["train"] |= {"learning_rate": 1e6, "epochs": 9}
    run_stage("train")
    reported = metrics("metrics/train.json")
    assert (reported["diverged"], reported["val_margin_error"], reported["best_epoch"]) == (1, 1, 0)
    assert reported["epochs"] == len(series("plots/history.csv")) < 9
    assert "diverged in epoch" in capsys.readouterr().out
