import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut, coffee

from colorizer.data.color import luma
from colorizer.files import write_yaml
from colorizer.inference.colorize import colorize
from colorizer.models.model_file import TrainedModel, save_model
from experiments.analysis import images
from tests.colorizer.models.conftest import build
from tests.conftest import draw_photos, small_params


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Run a command in a folder of its own: titles of its figures, and their images, by name."""
    monkeypatch.chdir(tmp_path)
    write_yaml(Path("params.yaml"), small_params())
    figures = {}

    def write_png(path, figure, **_):
        drawn = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
        captions = [text for axes in figure.axes if (text := axes.get_xlabel())]
        figures[path.as_posix()] = figure.get_suptitle(), drawn, captions

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["images", *words])
        images.main()
        return figures

    monkeypatch.setattr(images, "write_png", write_png)
    return run


def test_a_portrait_is_drawn_by_a_lookup_table_and_as_each_network_colorizes_it(draw, capsys):
    network = build()
    save_model(Path("a_network"), TrainedModel(network, (16, 16), "tiny", 12, {}))
    table = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 7)], -1).astype(np.uint8)
    np.save("table.npy", table)
    title, drawn, captions = draw("portrait", "p.png", "table.npy", "a_network")["p.png"]
    face = astronaut()[20:200, 130:310]
    gray = luma(face)
    by_table = np.stack([gray, 255 - gray, np.full_like(gray, 7)], axis=-1)
    images = [np.dstack([gray] * 3), by_table, colorize(network, gray, (16, 16))]
    for found, expected in zip(drawn, (*images, face), strict=True):
        np.testing.assert_array_equal(found, expected)
    errors = [(np.abs(image.astype(int) - face) >= 12).mean() for image in images]
    names = ["gray", "lookup table", "a network"]
    expected = [f"{name}: {error:.3f}" for name, error in zip(names, errors, strict=True)]
    assert captions == [*expected, "original"]
    assert f"a network: {errors[-1]:.4f}\n" in capsys.readouterr().out
    assert title == "12-margin errors"


def test_subjects_are_drawn_gray_colorized_and_as_they_are(draw):
    save_model(Path("model"), TrainedModel(build(), (16, 16), "tiny", 12, {}))
    _, drawn, captions = draw("subjects", "s.png", "model")["s.png"]
    np.testing.assert_array_equal(drawn[2], luma(coffee()))
    np.testing.assert_array_equal(drawn[8], coffee())
    error = (np.abs(drawn[5].astype(int) - coffee()) >= 12).mean()
    assert captions[2] == f"cup: {error:.3f}"


def test_rows_are_spread_from_the_worst_to_the_best_of_the_last_predictions(
    draw, make_split, capsys
):
    """The rows of `ranks` are wrong in the red of the second predictions, as many as each says."""
    split = make_split(draw_photos(16, seed=1, size=20))
    ranks = [*np.random.default_rng(0).permutation(16)]
    second = split.rgb.copy()
    for photo, rank in zip(second, ranks, strict=True):
        photo[:rank, :, 0] ^= 128
    np.save("first.npy", split.rgb ^ 64)
    np.save("second.npy", second)
    _, drawn, captions = draw("rows", "rows.png", "split", "first.npy", "second.npy")["rows.png"]
    chosen = [ranks.index(rank) for rank in (15, 11, 7, 4, 0)]  # 0, 3.75, 7.5, 11.25 and 15 down
    for row, source in enumerate((split.gray, split.rgb ^ 64, second, split.rgb)):
        for column, index in enumerate(chosen):
            np.testing.assert_array_equal(drawn[row * 5 + column], source[index])
    assert captions[0] == f"first: 1.00\nsecond: {15 / 20 / 3:.2f}"
    red = np.mean(ranks) / 20
    text = f"12-margin error {red / 3:.4f}, of red {red:.4f}, green 0.0000, blue 0.0000"
    assert f"second, as images: {text}\n" in capsys.readouterr().out


def test_rows_are_tiles_of_median_error_of_each_photograph_or_do_not_depend_on_errors():
    names = ["a_1.png", "b_1.png", "a_2.png", "b_2.png", "a_3.png", "b_3.png"]
    errors = np.array([0.1, 0.2, 0.9, 0.4, 0.5, 0.3])
    assert images.chosen_rows("tiles", errors, names) == [4, 5]
    chosen = images.chosen_rows("random", errors, names)
    assert len({*chosen} & {*range(6)}) == 5
    assert images.chosen_rows("random", errors[::-1], names) == chosen
