from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages.plot import curve_figures, validation_figures
from stages.plot import test_figure as draw_test
from tests.conftest import draw_photos
from tests.stages.conftest import FIGURES, PATHS

NAMES = {
    "training_mse",
    "validation_mse",
    "both_mse",
    "margin_error",
    "margin_curve",
    "examples_1",
    "examples_2",
    "errors_1",
    "errors_2",
    "test",
}


@pytest.fixture
def draw(run):
    def run_stages() -> dict[str, bytes]:
        for stage in PATHS:
            run(stage)
        return {path.stem: path.read_bytes() for path in Path(FIGURES).iterdir()}

    return run_stages


def test_draws_the_figures_of_the_report_with_the_same_bytes_each_time(draw, run):
    first = draw()
    assert set(first) == NAMES
    for name in first:
        with Image.open(Path(FIGURES, f"{name}.png")) as image:
            assert min(image.size) > 100
    run("plot")
    assert {path.stem: path.read_bytes() for path in Path(FIGURES).iterdir()} == first


def test_the_matplotlib_settings_of_the_user_have_no_effect(draw, run):
    first = draw()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        run("plot")
    assert {path.stem: path.read_bytes() for path in Path(FIGURES).iterdir()} == first


def test_a_diverged_run_can_be_drawn(draw, params):
    params["train"] |= {"learning_rate": 1e6, "epochs": 9}
    assert set(draw()) == NAMES


def test_few_photographs_are_enough(draw, params):
    params["plot"]["pictures"] = 20
    assert set(draw()) == NAMES


def lines(figure) -> dict[str, list[float]]:
    drawn = {}
    for line in figure.axes[0].lines:
        if not line.get_label().startswith("_"):
            drawn[line.get_label().split(",")[0]] = list(line.get_ydata())
    return drawn


def test_each_curve_shows_its_own_errors():
    history = pd.DataFrame(
        {
            "epoch": [1.0, 2.0],
            "train_mse": [0.4, 0.3],
            "val_mse": [0.6, 0.5],
            "val_margin_error": [0.9, 0.8],
        }
    )
    curve = pd.DataFrame({"margin": [0.0, 1.0], "network": [1.0, 0.7], "gray": [1.0, 0.75]})
    figures = curve_figures(history, curve, best_epoch=2, margin=12)
    drawn = {name: lines(figure) for name, figure in figures.items()}
    assert drawn["training_mse"]["training"] == [0.4, 0.3]
    assert "validation" not in drawn["training_mse"]
    assert drawn["validation_mse"]["validation"] == [0.6, 0.5]
    assert drawn["both_mse"]["training"] == [0.4, 0.3]
    assert drawn["both_mse"]["validation"] == [0.6, 0.5]
    assert drawn["margin_error"]["validation"] == [0.9, 0.8]
    assert drawn["margin_curve"]["network"] == [1.0, 0.7]
    assert drawn["margin_curve"]["gray copied"] == [1.0, 0.75]
    assert "margin" not in drawn["margin_curve"]


def test_the_maps_of_errors_name_their_photographs_and_the_shares(make_split):
    validation = make_split(draw_photos(3, seed=2), "val")
    predictions = validation.rgb.copy()
    predictions[2, :8, :, 0] ^= 128  # one of three channels in half of the pixels: 128 levels off
    figures = validation_figures(validation, predictions, [np.array([2, 0])], 12)
    labels = [cell.get_xlabel() for cell in figures["errors_1"].axes[4:6]]
    assert labels == ["2\n17% of values\n50% of pixels", "0\n0% of values\n0% of pixels"]


def test_predictions_are_drawn_below_their_photographs(make_split):
    test = make_split(draw_photos(4, seed=2), "test")
    names = [test.names[3], test.names[1]]  # the photographs that were predicted, in this order
    predictions = np.stack([test.rgb[3], test.rgb[1]])
    figure = draw_test(test, predictions, names, np.array([1, 0]))
    shown = [cell.images[0].get_array() for cell in figure.axes]
    for image, expected in zip(
        shown, [test.gray[1], test.gray[3], test.rgb[1], test.rgb[3]], strict=True
    ):
        np.testing.assert_array_equal(image, expected)


def test_the_seed_chooses_the_photographs(draw, run, params):
    first = draw()
    params["plot"]["seed"] = 2
    run("plot")
    second = {path.stem: path.read_bytes() for path in Path(FIGURES).iterdir()}
    assert {name for name in NAMES if first[name] != second[name]} >= {"examples_1", "errors_1"}
    assert second["margin_error"] == first["margin_error"]
