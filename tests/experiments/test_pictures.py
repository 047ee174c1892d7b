import sys
from pathlib import Path

import numpy as np
from PIL import Image

from colorizer.files import write_yaml
from colorizer.metrics.margin import margin_error_per_image
from experiments import pictures
from experiments.pictures import channel_errors, extremes


def test_the_error_of_an_image_is_the_share_of_its_values_outside_the_margin():
    target = np.zeros((2, 2, 2, 3), np.uint8)
    prediction = target.copy()
    prediction[1, 0, 0] = (12, 11, 255)
    assert margin_error_per_image(prediction, target, 12).tolist() == [0, 2 / 12]
    assert channel_errors(prediction, target, 12) == [1 / 8, 0, 1 / 8]


def test_the_extremes_are_the_worst_the_median_and_the_best():
    errors = np.array([0.5, 0.1, 0.9, 0.3, 0.7])
    assert errors[extremes(errors, 1)].tolist() == [0.9, 0.5, 0.1]


def test_the_figure_shows_both_predictions(make_split, params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_yaml(Path("params.yaml"), params)
    split = make_split(np.full((12, 16, 16, 3), 90, np.uint8))
    for name, level in (("first", 0), ("second", 200)):
        np.save(f"{name}.npy", np.full(split.rgb.shape, level, np.uint8))
    monkeypatch.setattr(sys, "argv", ["pictures", "split", "first.npy", "second.npy", "both.png"])
    pictures.main()
    drawn = np.array(Image.open("both.png").convert("RGB"))
    for level in (0, 90, 200):
        assert (drawn == level).all(axis=2).mean() > 0.05
    assert not list(Path().glob("*.partial"))
