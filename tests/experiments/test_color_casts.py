import sys

import numpy as np
import pytest

from experiments import color_casts
from experiments.color_casts import count_casts
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
            [(10, 10, 30), (10, 10, 10), (0, 0, 99), (0, 30, 5)],  # blue, none, -, green
            [(250, 250, 238), (250, 230, 249), (250, 250, 250), (0, 0, 0)],  # yellow, magenta, none
        ],
        np.uint8,
    )[None]
    gray = np.array([[10, 12, 67, 0], [250, 250, 240, 247]], np.uint8)[None]
    shares = count_casts(gray, predictions, targets, 12).fillna(-1)
    casts = ["red", "green", "blue", "cyan", "magenta", "yellow"]
    assert shares.loc["black"].tolist() == pytest.approx(
        [3 / 8, 1, 2 / 3, 0, 1 / 2, 1 / 2, 0, 0, 0]
    )
    assert shares.loc["white"].tolist() == pytest.approx(
        [4 / 8, 3 / 4, 2 / 3, 0, 0, 0, 0, 1 / 2, 1 / 2]
    )
    assert shares.loc["dark"].tolist() == [1 / 8, 0, *[-1] * 7]
    assert [*shares.columns] == ["pixels", "colorless", "cast", *casts]


def test_a_table_is_printed_for_each_network(make_split, tmp_path, monkeypatch, capsys):
    split = make_split(draw_photos(3, seed=1), "val")
    for name in ("first", "second"):
        np.save(tmp_path / f"{name}.npy", split.rgb)
    monkeypatch.chdir(REPOSITORY)
    paths = (tmp_path / "val", *(tmp_path / f"{name}.npy" for name in ("first", "second")))
    monkeypatch.setattr(sys, "argv", ["color_casts", *map(str, paths)])
    color_casts.main()
    printed = capsys.readouterr().out
    assert "first, a cast is 12 levels or more:" in printed
    assert printed.count("| white, 224 to 255 |") == 2
