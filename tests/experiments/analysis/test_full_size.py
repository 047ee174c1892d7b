import sys

import numpy as np
import pytest
import torch
from skimage.data import chelsea

from colorizer.data.color import luma
from colorizer.inference.colorize import colorize
from colorizer.models.model_file import TrainedModel, save_model
from experiments.analysis import full_size
from tests.colorizer.models.conftest import UNET, build
from tests.conftest import draw_photos


def test_all_methods_agree_on_a_constant_chroma():
    gray, network = luma(draw_photos(1, seed=1, size=40)[0]), build(color_space="ycbcr")
    with torch.no_grad():
        network.body[-1].weight.zero_()
        network.body[-1].bias.copy_(torch.tensor([0.25, 0]))
    images = full_size.methods(network, gray, (16, 16))
    assert len(images) == 3
    for name, image in images.items():
        assert np.abs(image.astype(int) - images["full size"]).max() <= 1, name
    blue = images["full size"][..., 2].astype(float) - gray
    assert blue.max() == pytest.approx(0.25 * 127.5 * 1.772, abs=1)
    assert "full size" not in full_size.methods(build(**UNET), gray, (16, 16))


def test_the_guided_filter_of_the_command_is_measured_and_drawn(tmp_path, monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(full_size, "PHOTOS", {"cat": chelsea})
    monkeypatch.setattr(full_size, "image_figure", lambda *words: drawn.append(words))
    monkeypatch.setattr(full_size, "write_png", lambda *_, **__: None)
    network, path = build(color_space="ycbcr"), tmp_path / "few.safetensors"
    save_model(path, TrainedModel(network, (16, 16), "tiny", 12, {}))
    monkeypatch.setattr(sys, "argv", ["full_size", str(path), "few.png"])
    full_size.main()
    colorized = colorize(network, luma(chelsea()), (16, 16))
    error = (np.abs(colorized.astype(int) - chelsea()) >= 12).mean()
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "guided filter" in line)
    assert row.split("|")[2:4] == [f" {error:.4f} "] * 2  # of the cat, and the mean
    ((title, crops, captions),) = drawn
    assert (title, captions) == ("few", ["cat"])
    assert [*crops] == ["gray", "guided filter", "bilinear", "full size", "target"]
    np.testing.assert_array_equal(crops["guided filter"], [colorized[full_size.CROP]])
