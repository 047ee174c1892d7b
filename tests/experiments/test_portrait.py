import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from ruamel.yaml import YAML

from colorizer.network import Colorizer, ModelParams, save_network
from experiments import portrait
from tests.conftest import small_params


def test_a_network_without_colors_leaves_them_to_the_truth(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = small_params()
    YAML().dump(params, Path("params.yaml"))
    network = Colorizer(ModelParams(**params["model"] | {"color_space": "ycbcr"}))
    for weights in network.parameters():
        torch.nn.init.zeros_(weights)
    save_network(Path("none.safetensors"), network, (16, 16))
    monkeypatch.setattr(sys, "argv", ["portrait", "none.safetensors", "portrait.png"])
    portrait.main()
    drawn = np.array(Image.open("portrait.png").convert("RGB")).astype(int)
    gray, colorized, truth = np.array_split(drawn, 3, axis=1)
    for picture in (gray, colorized):
        assert np.ptp(picture, axis=2).max() <= 2  # the luma keeps within rounding
        assert picture.std() > 30  # there is a picture
    assert np.ptp(truth, axis=2).max() > 30
    assert not list(Path().glob("*.partial"))
