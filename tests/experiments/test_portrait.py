import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from colorizer.files import write_yaml
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.models.model_file import TrainedModel, save_model
from experiments import portrait
from tests.conftest import small_params


def test_gray_prediction_and_original_are_drawn_side_by_side(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = small_params()
    write_yaml(Path("params.yaml"), params)
    network = Colorizer(ModelParams(**params["model"] | {"color_space": "ycbcr"}), 12)
    for weights in network.parameters():
        torch.nn.init.zeros_(weights)
    save_model(Path("none.safetensors"), TrainedModel(network, (16, 16), "tiny", 12))
    monkeypatch.setattr(sys, "argv", ["portrait", "none.safetensors", "portrait.png"])
    portrait.main()
    drawn = np.array(Image.open("portrait.png").convert("RGB")).astype(int)
    gray, colorized, original = np.array_split(drawn, 3, axis=1)
    for image in (gray, colorized):
        assert np.ptp(image, axis=2).max() <= 2  # the prediction has no color, up to rounding
        assert image.std() > 30  # it is not blank
    assert np.ptp(original, axis=2).max() > 30
    assert not list(Path().glob("*.partial"))
