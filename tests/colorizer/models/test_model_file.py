import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from colorizer.errors import InputError
from colorizer.models.model_file import TrainedModel, load_model, save_model
from tests.colorizer.models.conftest import BASELINE, UNET, build

FACTS = {"model": BASELINE, "margin": 12, "image_size": [64, 80], "data": "faces", "photos": 5001}
FACTS["train"] = {"loss": "mse", "epochs": 3, "learning_rate": 0.1, "horizontal_flip": False}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", TrainedModel(build(), (64, 80), "faces", 5001, {}))
    return tmp_path / "model"


@pytest.mark.parametrize("changes", [{}, UNET, UNET | {"chroma_bins": 33, "chroma_range": 0.8}])
def test_a_model_round_trips_through_its_file(path, changes):
    network = build(**changes | {"batch_norm": "hidden"})
    network(torch.rand(2, 1, 8, 8))  # running statistics other than the initial ones
    network.eval().margin = 30
    save_model(path, TrainedModel(network, (64, 80), "tiny", 12, FACTS["train"]))
    loaded = load_model(path)
    assert loaded[1:] == ((64, 80), "tiny", 12, FACTS["train"])
    assert loaded.training == "trained on tiny: 12 photographs of 80x64 pixels"
    assert (loaded.network.params, loaded.network.margin) == (network.params, 30)
    gray = torch.rand(1, 1, 6, 6)
    torch.testing.assert_close(loaded.network.eval()(gray), network(gray), rtol=0, atol=0)


def test_the_same_network_gives_the_same_bytes(path):
    whole = path.read_bytes()
    for _ in range(9):  # an arbitrary order may be the same by chance
        save_model(path, TrainedModel(build(), (64, 80), "faces", 5001, {}))
        assert path.read_bytes() == whole


def test_a_missing_or_damaged_file_is_named(path):
    whole = path.read_bytes()
    for content in (b"", b"text", whole[:50], whole[:-1], None):
        path.write_bytes(content) if content is not None else path.unlink()
        with pytest.raises(InputError, match=f"^{path}: cannot be read as a model"):
            load_model(path)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (None, "has no network configuration"),
        ({}, "margin: Field required"),
        (FACTS | {"margin": 0}, "margin is 0: "),
        (FACTS | {"image_size": [8]}, r"image_size is \[8\]: "),
        (FACTS | {"model": BASELINE | {"kernels": -1}}, r"model\.kernels is -1: "),
        (FACTS | {"model": BASELINE | {"kernels": 9}}, "the weights do not fit"),
    ],
)
def test_a_file_of_another_kind_is_refused(path, facts, message):
    metadata = {"other": ""} if facts is None else {"colorizer": json.dumps(facts)}
    save_file(load_file(path), path, metadata)
    with pytest.raises(InputError, match=f"^{path}: .*{message}"):
        load_model(path)
