import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from colorizer.data.splits import open_split
from tests.conftest import RAW, REPOSITORY, contents
from tests.stages.conftest import metrics

FIGURES, PREDICTIONS = Path("plots/images"), Path("data/predictions")
CURVES = {f"{name}.png" for name in ("training_mse", "validation_mse", "both_mse", "margin_error")}
IMAGES = {"examples_1.png", "examples_2.png", "errors_1.png", "errors_2.png", "test.png"}
NAMES = CURVES | IMAGES | {"margin_curve.png"}


@pytest.mark.usefixtures("built")
def test_the_same_bytes_each_time_whatever_the_settings_of_the_user():
    first = contents(FIGURES)
    assert {*first} == NAMES
    Path("matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\n")
    backend = "module://matplotlib_inline.backend_inline"  # as in Jupyter, and missing here
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "MPLBACKEND": backend}
    subprocess.run([sys.executable, "-m", "stages.plot"], env=environment, check=True)
    assert contents(FIGURES) == first


@pytest.mark.usefixtures("built")
def test_the_seed_chooses_the_photographs(run_stage, params):
    first = contents(FIGURES)
    params["plot"]["seed"] = 2
    run_stage("plot")
    second = contents(FIGURES)
    assert {name for name in NAMES if first[name] != second[name]} >= {"examples_1.png", "test.png"}
    assert {name for name in CURVES if first[name] != second[name]} == set()


@pytest.mark.usefixtures("built")
def test_test_photographs_are_drawn_above_their_predictions(run_stage, params, monkeypatch):
    params["plot"]["pictures"], drawn = 20, {}  # more than there are
    monkeypatch.setattr(
        "stages.plot.write_png", lambda path, *args: drawn.update({path.stem: args})
    )
    run_stage("plot")
    assert {f"{name}.png" for name in drawn} == NAMES
    figure, dpi = drawn["test"]
    assert dpi == 50
    test = open_split(Path("data/prepared/test"))
    predictions = np.load(PREDICTIONS / "estimations_test.npy")
    names = (PREDICTIONS / "test_images.txt").read_text().splitlines()
    for gray, prediction in np.reshape(figure.axes, (2, -1)).T:
        name = f"{RAW}/test/images/{prediction.get_xlabel()}.png"
        for cell, image in (
            (gray, test.gray[test.names.index(name)]),
            (prediction, predictions[names.index(name)]),
        ):
            np.testing.assert_array_equal(cell.images[0].get_array(), image)


@pytest.mark.usefixtures("built")
def test_a_diverged_run_is_reported_and_drawn_in_black(run_stage, params, capsys):
    params["train"] |= {"learning_rate": 1e6, "epochs": 9}
    for stage in ("train", "evaluate", "predict_test", "plot"):
        run_stage(stage)
    assert "diverged in epoch" in capsys.readouterr().out
    assert metrics("metrics/train.json")["diverged"] == 1
    assert metrics("metrics/evaluate.json")["margin_error"] == 1
    assert {*contents(FIGURES)} == NAMES
    assert not np.load(PREDICTIONS / "estimations_test.npy").any()
