import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from colorizer.data.splits import open_split
from colorizer.errors import InputError
from colorizer.models.model_file import load_model, load_network
from colorizer.training.trainer import Epoch, Trainer
from colorizer.training.validation import SplitTensors, validate
from tests.conftest import PHOTOS, SIZE, UNET_WITH_BINS
from tests.stages.conftest import HISTORY, METRICS, MODEL, VAL, metrics, series


def test_writes_model_metrics_and_history(run, capsys):
    run("train")
    reported, history = metrics(METRICS), series(HISTORY)
    assert list(reported) == [
        "epochs",
        "best_epoch",
        "train_mse",
        "val_mse",
        "val_margin_error",
        "diverged",
    ]
    assert [row["epoch"] for row in history] == [1, 2, 3]
    best = min(history, key=lambda row: row["val_margin_error"])
    assert reported["best_epoch"] == best["epoch"]
    for name in ("train_mse", "val_mse", "val_margin_error"):
        assert reported[name] == pytest.approx(best[name], abs=1e-6)
    assert (reported["epochs"], reported["diverged"]) == (3, 0)
    assert "best epoch" in capsys.readouterr().out


def test_the_reloaded_model_has_the_validation_error_that_training_reported(run, params):
    params["model"] |= {"batch_norm": "all", "track_running_stats": False}
    run("train")
    validation = SplitTensors.of(open_split(Path(VAL)), torch.device("cpu"))
    mse, margin_error = validate(load_network(Path(MODEL)), validation, 12)
    assert metrics(METRICS)["val_margin_error"] == round(margin_error, 6)
    assert metrics(METRICS)["val_mse"] == round(mse, 6)


def test_the_model_file_says_what_it_was_trained_on_and_nothing_of_the_machine(run, params):
    params["data"]["name"] = "rosegarden"
    run("train")
    assert load_model(Path(MODEL)).training == (
        f"trained on rosegarden: {PHOTOS['train']} photographs of {SIZE}x{SIZE} pixels"
    )
    with safe_open(MODEL, framework="np") as file:
        facts = json.loads(file.metadata()["colorizer"])
    model = facts.pop("model")
    expected = {"data": "rosegarden", "photos": PHOTOS["train"], "image_size": [SIZE, SIZE]}
    assert facts == expected | {"margin": params["metric"]["margin"]}
    assert model == params["model"]


def test_writes_the_same_bytes_each_time(run):
    contents = []
    for _ in range(2):
        run("train")
        contents.append([Path(path).read_bytes() for path in (MODEL, METRICS, HISTORY)])
    assert contents[0] == contents[1]


def test_the_history_grows_with_each_epoch(run, monkeypatch):
    lengths = []
    run_epoch = Trainer.run_epoch

    def counted(self: Trainer) -> Epoch:
        lengths.append(len(series(HISTORY)) if Path(HISTORY).exists() else 0)
        return run_epoch(self)

    monkeypatch.setattr(Trainer, "run_epoch", counted)
    run("train")
    assert lengths == [0, 1, 2]


def test_the_seed_draws_the_initial_weights(run, params):
    params["train"] |= {"learning_rate": 1e-12, "epochs": 1}
    models = set()
    for seed in (1, 2, 2):
        params["train"]["seed"] = seed
        run("train")
        models.add(Path(MODEL).read_bytes())
    assert len(models) == 2


def test_the_number_of_threads_is_that_of_params_yaml(run, params):
    for threads in (2, 1):
        params["train"]["threads"] = threads
        run("train")
        assert torch.get_num_threads() == threads


def test_the_margin_decides_what_counts_as_an_error(run, params):
    errors = []
    for margin in (1, 100):
        params["metric"]["margin"] = margin
        run("train")
        errors.append(metrics(METRICS)["val_margin_error"])
    assert errors[0] > errors[1]


def test_a_diverged_run_is_reported(run, params, capsys):
    params["train"] |= {"learning_rate": 1e6, "epochs": 9}
    run("train")
    reported = metrics(METRICS)
    assert (reported["diverged"], reported["val_margin_error"], reported["best_epoch"]) == (1, 1, 0)
    assert reported["epochs"] == len(series(HISTORY)) < 9
    assert "diverged in epoch" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "loss", "printed"),
    [
        (UNET_WITH_BINS, "margin", "train.loss is margin and model.chroma_bins is 33"),
        ({}, "cross_entropy", "train.loss is cross_entropy and model.chroma_bins is 0"),
    ],
)
def test_the_loss_must_fit_the_output_of_the_network(run_stage, params, model, loss, printed):
    params["model"] |= model
    params["train"]["loss"] = loss
    expected = (
        rf"params\.yaml: {printed}; cross_entropy should go with chroma_bins 2 or more, "
        "another loss with 0"
    )
    with pytest.raises(InputError, match=expected):
        run_stage("train", "no/train", "no/val", MODEL, METRICS, HISTORY)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("model", "kernals", 16), ("train", "learning_rate", -1), ("metric", "margin", 300)],
)
def test_bad_params_are_named_before_data_is_touched(run_stage, params, section, key, value):
    params[section][key] = value
    with pytest.raises(InputError, match=rf"params\.yaml: {section}\.{key} is"):
        run_stage("train", "no/train", "no/val", MODEL, METRICS, HISTORY)
    assert [path.name for path in Path().iterdir()] == ["params.yaml"]
