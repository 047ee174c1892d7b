import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from colorizer.figures import (
    curve_figures,
    error_figure,
    image_figure,
    validation_figures,
    write_png,
)
from tests.conftest import draw_photos

IMAGES = [*np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)]
HISTORY = pd.DataFrame(
    [(1, 0.4, 0.6, 0.9), (2, 0.3, 0.5, 0.7), (3, 0.2, 0.5, 0.8)],
    columns=["epoch", "train_mse", "val_mse", "val_margin_error"],
)
METHODS = ("network", "gray", "table_median", "table_mode")
CURVE = pd.DataFrame({"margin": [0, 1]} | {name: [1.0, 0.5] for name in METHODS})


def curves(figure: Figure) -> dict[str, list[float]]:
    lines = [line for line in figure.axes[0].lines if line.get_marker() != "o"]
    return {line.get_label(): list(line.get_ydata()) for line in lines}


def test_each_curve_shows_its_own_errors_and_the_chosen_epoch():
    figures = curve_figures(HISTORY, CURVE, 2, 12)
    drawn = {name: curves(figure) for name, figure in figures.items()}
    chosen = {"chosen epoch 2": [0, 1]}
    train = {"training, 0.3000 there": [0.4, 0.3, 0.2]}
    val = {"validation, 0.5000 there": [0.6, 0.5, 0.5]}
    assert drawn["training_mse"] == chosen | train
    assert drawn["validation_mse"] == chosen | val
    assert drawn["both_mse"] == chosen | train | val
    assert drawn["margin_error"] == chosen | {"validation, 0.7000 there": [0.9, 0.7, 0.8]}
    (mark,) = [line for line in figures["margin_error"].axes[0].lines if line.get_marker() == "o"]
    assert mark.get_xydata().tolist() == [[2, 0.7]]


def test_the_methods_of_the_margin_curve_differ_without_color_too():
    axes = curve_figures(HISTORY, CURVE, 2, 12)["margin_curve"].axes[0]
    margin, *methods = axes.lines
    assert margin.get_xdata()[0] == 12
    assert [line.get_xydata().tolist() for line in methods] == [[[0, 1], [1, 0.5]]] * 4
    assert len({line.get_linestyle() for line in methods}) == 4
    assert methods[1].get_label() == "input unchanged"


def test_the_title_says_that_a_run_diverged():
    figure = curve_figures(HISTORY, CURVE, 0, 12)["margin_error"]
    assert "diverged" in figure.axes[0].get_title()


def test_validation_images_errors_and_shares_by_hand(make_split):
    validation = make_split(draw_photos(3, seed=2), "val")
    predictions = validation.rgb.copy()
    predictions[2, :8, :, 0] ^= 128  # one of three channels in half of the pixels: 128 levels off
    figures = validation_figures(validation, predictions, np.array([2, 0]), 1, 12)
    examples, errors = figures["examples_1"].axes, figures["errors_1"].axes
    for cells, images in ((examples[:2], validation.gray), (examples[4:6], validation.rgb)):
        for cell, row in zip(cells, (2, 0), strict=True):
            np.testing.assert_array_equal(cell.images[0].get_array(), images[row])
    np.testing.assert_array_equal(examples[2].images[0].get_array(), predictions[2])
    assert examples[0].images[0].get_clim() == (0, 255)
    expected = np.repeat([128, 0], 8)[:, None].repeat(16, axis=1)
    np.testing.assert_array_equal(errors[4].images[0].get_array(), expected)
    captions = [cell.get_xlabel() for cell in errors[4:6]]
    assert captions == ["2\n17% of values\n50% of pixels", "0\n0% of values\n0% of pixels"]


def test_captions_are_no_formulas_and_each_line_is_shortened(tmp_path):
    names = ["a$_$b", "IMG_20240101_123456789_portrait_of_somebody\n5% of values"]
    figure = image_figure("title", {"target": IMAGES}, names)
    write_png(tmp_path / "x.png", figure, 50)  # where a formula would be an error
    shown = [cell.get_xlabel() for cell in figure.axes]
    assert shown == ["a$_$b", "IMG_202401..._somebody\n5% of values"]


def test_a_png_has_the_same_bytes_each_time_and_names_no_software(tmp_path):
    for name in ("a.png", "b.png"):
        figure = error_figure("title", IMAGES, IMAGES[::-1], 12, ["a", "b"])
        write_png(tmp_path / name, figure, 50)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert {*image.info} == {"dpi"}
        assert image.width == pytest.approx(50 * figure.get_figwidth(), abs=1)
