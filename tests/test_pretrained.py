"""The weights that come with the repository are of the recipes of models.yaml, and worth having."""

from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from colorizer.data.color import luma
from colorizer.files import read_yaml
from colorizer.inference.colorize import colorize
from colorizer.models.model_file import load_model
from experiments.runs import named_models
from tests.conftest import REPOSITORY

FILES = {"ours_best": Path("pretrained/faces.safetensors")}
FILES["report_best"] = Path("pretrained/report_best.safetensors")


@pytest.mark.parametrize("name", FILES)
def test_weights_are_of_the_recipe_of_their_model(name, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    params = read_yaml(Path("params.yaml"))
    for key, value in named_models()[name].items():
        section, _, parameter = key.partition(".")
        params[section][parameter] = value
    network, image_size, data, photos, train = load_model(FILES[name])
    assert network.params.model_dump() == params["model"]
    assert train == params["train"]
    assert (network.margin, image_size) == (12, (80, 80))
    assert (data, photos) == ("faces", 5001)


def test_a_portrait_gets_better_colors_than_without_a_network_or_by_the_report_s_best():
    target = astronaut()[20:200, 130:310]
    gray = luma(target)
    images = {"input unchanged": np.dstack([gray] * 3)}
    images["lookup table"] = np.load(REPOSITORY / "pretrained/lookup_table.npy")[gray]
    for name, path in FILES.items():
        network, image_size, *_ = load_model(REPOSITORY / path)
        images[name] = colorize(network, gray, image_size)
    errors = {name: (abs(rgb.astype(int) - target) >= 12).mean() for name, rgb in images.items()}
    assert min(errors, key=errors.get) == "ours_best", errors
