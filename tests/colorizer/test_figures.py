import os
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from colorizer.figures import error_figure, history_figure, image_figure, margin_figure, write_png
from tests.conftest import REPOSITORY

IMAGES = list(np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8))


def draw(name: str):
    match name:
        case "history":
            return history_figure([1, 2, 3], {"validation": [0.3, 0.2, 0.25]}, "share", 2)
        case "diverged":
            return history_figure([1], {"validation": [1.0]}, "share", 0)
        case "margin":
            return margin_figure([0, 1], {"network": [1.0, 0.5], "gray": [1.0, 0.9]}, 12)
        case "images":
            rows = {"gray": [image[..., 0] for image in IMAGES], "target": IMAGES}
            return image_figure("title", rows, ["a", "b"])
        case "errors":
            return error_figure("title", IMAGES, IMAGES[::-1], 12, ["a", "b"])


@pytest.mark.parametrize("name", ["history", "diverged", "margin", "images", "errors"])
def test_a_figure_has_the_same_bytes_each_time_and_no_software_metadata(tmp_path, name):
    for file in ("a.png", "b.png"):
        write_png(tmp_path / file, draw(name), 50)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert set(image.info) <= {"dpi"}


def test_the_chosen_epoch_is_marked():
    figure = draw("history")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["chosen epoch 2", "validation, 0.2000 there"]
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [line.get_xydata().tolist() for line in marks] == [[[2, 0.2]]]


def test_the_title_says_that_a_run_diverged():
    assert "diverged" in draw("diverged").axes[0].get_title()


@pytest.mark.parametrize("name", ["history", "margin"])
def test_axes_are_labeled(name):
    axes = draw(name).axes[0]
    assert axes.get_xlabel()
    assert axes.get_ylabel()


def test_images_are_shown_unchanged():
    cells = draw("images").axes
    shown = [cell.images[0].get_array() for cell in cells]
    np.testing.assert_array_equal(shown[0], IMAGES[0][..., 0])
    np.testing.assert_array_equal(shown[3], IMAGES[1])
    assert cells[0].images[0].get_clim() == (0, 255)


def test_the_error_map_shows_the_worst_channel():
    worst = np.abs(IMAGES[0].astype(int) - IMAGES[1].astype(int)).max(axis=-1)
    np.testing.assert_array_equal(draw("errors").axes[4].images[0].get_array(), worst)


def test_each_method_of_the_margin_curve_has_its_own_words_color_and_line():
    names = ("network", "gray", "table_median", "table_mode")
    axes = margin_figure([0, 1], {name: [1.0, 0.5] for name in names}, 12).axes[0]
    curves = [line for line in axes.lines if line.get_label() != "margin 12"]
    assert [line.get_label() for line in curves] == [
        "network",
        "gray copied",
        "table, median color of each gray level",
        "table, most values within the margin",
    ]
    assert len({line.get_color() for line in curves}) == 4
    assert len({line.get_linestyle() for line in curves}) == 4


def test_each_line_of_a_caption_is_shortened_by_itself():
    figure = error_figure("title", IMAGES, IMAGES, 12, ["x" * 40 + "\n5% of values", "b"])
    assert figure.axes[4].get_xlabel() == "xxxxxxxxxx...xxxxxxxxx\n5% of values"


def test_captions_are_not_formulas_and_are_shortened(tmp_path):
    names = ["a$_$b", "IMG_20240101_123456789_portrait_of_somebody"]
    figure = image_figure("title", {"target": IMAGES}, names)
    write_png(tmp_path / "x.png", figure, 50)
    assert [cell.get_xlabel() for cell in figure.axes] == ["a$_$b", "IMG_202401..._somebody"]


def test_a_figure_that_cannot_be_drawn_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"earlier")
    broken = Figure()
    broken.suptitle(r"$\unknown$")
    with pytest.raises(ValueError, match="unknown"):
        write_png(path, broken, 50)
    assert path.read_bytes() == b"earlier"
    assert [*tmp_path.iterdir()] == [path]


def modules_with_matplotlib() -> list[str]:
    return [
        path.relative_to(REPOSITORY).with_suffix("").as_posix().replace("/", ".")
        for folder in ("colorizer", "stages", "experiments")
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
        if re.search(r"^(import|from) matplotlib\b", path.read_text("utf-8"), re.MULTILINE)
    ]


@pytest.mark.parametrize("module", modules_with_matplotlib())
def test_the_backend_of_a_notebook_need_not_be_installed(module):
    """Each in a new process, since matplotlib reads the variable when it is first imported."""
    command = [sys.executable, "-c", f"import {module}"]
    environment = os.environ | {"MPLBACKEND": "not_installed"}
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True)
