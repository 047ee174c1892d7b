import sys

import numpy as np
import pytest

from colorizer.models.model_file import TrainedModel, save_model
from experiments import color_casts
from experiments.color_casts import CASTS, count_casts
from tests.colorizer.models.conftest import build
from tests.conftest import REPOSITORY, draw_photos


def test_casts_are_counted_among_colorless_pixels_by_hand():
    targets = np.array(
        [
            [(10, 10, 10), (10, 12, 20), (200, 10, 10), (0, 0, 0)],  # the third has a color
            [(250, 250, 250), (250, 250, 250), (250, 240, 239), (250, 250, 230)],  # the fourth, too
        ],
        np.uint8,
    )[None]
    predictions = np.array(
        [
            [(10, 10, 30), (10, 10, -3), (0, 0, 99), (0, 30, 5)],  # blue, yellow, -, green
            [(250, 250, 238), (250, 230, 249), (258, 250, 250), (0, 0, 0)],  # yellow, magenta, none
        ],
        np.float32,
    )[None]
    gray = np.array([[10, 12, 67, 0], [250, 250, 240, 247]], np.uint8)[None]
    shares = count_casts(gray, predictions, targets, 9)
    for band, pixels, colorless, expected, unclamped in (
        ("black", 3 / 8, 2 / 3, {"blue": 1 / 2, "green": 1 / 2}, {"blue": 1 / 2, "green": 1 / 2}),
        ("white", 4 / 8, 2 / 4, {"yellow": 1 / 2, "magenta": 1 / 2}, {}),
    ):
        found = shares.loc[band]
        assert (found["pixels"], found["colorless"]) == (pixels, pytest.approx(colorless))
        assert {cast: found[cast] for cast in CASTS if found[cast]} == expected
        names = ("green", "blue", "cyan")
        wrapped = {cast: found[f"{cast}, unclamped"] for cast in names}
        assert {cast: share for cast, share in wrapped.items() if share} == unclamped
    # With a margin of 12 the second and the seventh pixel count, too: -3 wraps to 253, 258 to 2.
    shares = count_casts(gray, predictions, targets, 12)
    assert shares.loc["black", "yellow"] == 0
    assert shares.loc["black", "blue, unclamped"] == pytest.approx(2 / 3)
    assert shares.loc["white", "cyan"] == 0
    assert shares.loc["white", "cyan, unclamped"] == pytest.approx(1 / 3)
    assert shares.loc["dark"].isna().sum() == len(CASTS) + 3


def test_a_table_is_printed_for_each_network(make_split, tmp_path, monkeypatch, capsys):
    make_split(draw_photos(3, seed=1), "val")
    models = [tmp_path / f"{name}.safetensors" for name in ("first", "second")]
    for model in models:
        save_model(model, TrainedModel(build(), (16, 16), "tiny", 12))
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "argv", ["color_casts", str(tmp_path / "val"), *map(str, models)])
    color_casts.main()
    printed = capsys.readouterr().out
    assert "first, a cast is 12 levels or more:" in printed
    assert printed.count("| white, 224 to 255 |") == 2
