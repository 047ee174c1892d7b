import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from colorizer.errors import InputError
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.models.model_file import TrainedModel, load_model, load_network, save_model
from tests.colorizer.models.conftest import BASELINE, MARGIN, UNET, build


def write(path: Path, weights: dict[str, torch.Tensor], **facts: Any) -> None:
    """A model file with any metadata."""
    save_file(weights, path, metadata={"colorizer": json.dumps(facts)})


def with_batch_norm(changes: dict[str, Any]) -> st.SearchStrategy[ModelParams]:
    """Params with any batch norm that the network can have."""
    places = {"none"}
    if changes["network"] == "plain":
        places |= {"all"}
    if changes["network"] == "unet" or changes["conv_layers"] > 1:
        places |= {"hidden"}
    return st.sampled_from(sorted(places)).map(
        lambda place: ModelParams(**BASELINE | changes | {"batch_norm": place})
    )


@given(
    st.fixed_dictionaries(
        {
            "network": st.sampled_from(["plain", "unet"]),
            "color_space": st.sampled_from(["rgb", "lab", "ycbcr"]),
            "conv_layers": st.integers(1, 4),
            "kernels": st.integers(1, 9),
            "kernel_size": st.sampled_from([1, 3, 5]),
            "tanh": st.booleans(),
        }
    ).flatmap(with_batch_norm)
)
def test_a_network_round_trips_through_its_file(tmp_path_factory, params):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    network = Colorizer(params, MARGIN).eval()
    save_model(path, TrainedModel(network, (64, 80), "tiny", 12))
    loaded = load_network(path).eval()
    assert loaded.params == params
    assert load_model(path).image_size == (64, 80)
    gray = torch.rand(1, 1, 6, 6)
    torch.testing.assert_close(loaded(gray), network(gray), rtol=0, atol=0)


def test_a_file_says_what_its_network_was_trained_on(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, TrainedModel(build(), (64, 80), "faces", 5001))
    assert load_model(path).training == "trained on faces: 5001 photographs of 80x64 pixels"
    weights = load_file(path)
    for facts in ({}, {"data": "faces"}, {"data": 3, "photos": 5001}):  # earlier versions
        write(path, weights, model=BASELINE, image_size=[64, 80], **facts)
        unknown = "trained on photographs of 80x64 pixels, the file does not say which"
        assert load_model(path).training == unknown


@pytest.mark.parametrize("margin", [1, 30, 255])
def test_the_margin_round_trips_through_the_file(tmp_path, margin):
    path = tmp_path / "model.safetensors"
    params = ModelParams(**BASELINE | UNET | {"chroma_bins": 33, "chroma_range": 0.8})
    network = Colorizer(params, margin).eval()
    save_model(path, TrainedModel(network, (80, 80), "tiny", 12))
    loaded = load_network(path).eval()
    assert loaded.margin == margin
    gray = torch.rand(2, 1, 16, 24) * 2 - 1
    torch.testing.assert_close(loaded(gray), network(gray), rtol=0, atol=0)


def test_the_same_network_gives_the_same_bytes(tmp_path):
    written = set()
    for _ in range(9):  # an arbitrary order may be the same by chance
        torch.manual_seed(1)
        save_model(
            tmp_path / "model",
            TrainedModel(build(conv_layers=4, batch_norm="hidden"), (80, 80), "tiny", 12),
        )
        written.add((tmp_path / "model").read_bytes())
    assert len(written) == 1


def test_a_missing_and_a_broken_file_are_input_errors(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read as a model"):
        load_network(path)
    save_model(path, TrainedModel(build(), (80, 80), "tiny", 12))
    whole = path.read_bytes()
    for broken in (b"", b"text", whole[:-1], whole[:50]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"model\.safetensors: cannot be read as a model"):
            load_network(path)


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r": is a folder; should be a model file"):
        load_network(tmp_path)
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for a writer
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(InputError, match=rf"^{path}: is no regular file"):
            load_network(path)


def test_a_file_of_another_kind_is_an_input_error(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="has no network configuration"):
        load_network(path)
    save_model(path, TrainedModel(build(), (80, 80), "tiny", 12))
    weights = load_file(path)
    write(path, weights, model=BASELINE | {"kernels": 9}, image_size=[80, 80])
    with pytest.raises(InputError, match="the weights do not fit"):
        load_network(path)
    write(path, weights, model=BASELINE | {"kernels": -1}, image_size=[80, 80])
    with pytest.raises(InputError, match=r"model\.kernels is -1"):
        load_network(path)
    for size in (None, 80, "80", [0, 80], [8]):
        write(path, weights, model=BASELINE, image_size=size)
        with pytest.raises(InputError, match="does not say what size of images"):
            load_model(path)
    for others in ({}, {"model": 3}):
        write(path, weights, **others)
        with pytest.raises(InputError, match="has no network configuration"):
            load_network(path)


@pytest.mark.parametrize("margin", [0, -1, 256, 12.0, "12", True, None, [12], float("nan")])
def test_a_margin_that_is_not_a_number_of_levels_is_an_input_error(tmp_path, margin):
    path = tmp_path / "model.safetensors"
    write(path, build().state_dict(), model=BASELINE, margin=margin, image_size=[80, 80])
    with pytest.raises(InputError, match="has no network configuration"):
        load_network(path)


# The configuration of a network with the names in files of earlier versions, and its new names.
OLD_UNET = {
    "network": "unet",
    "color_space": "ycbcr",
    "conv_layers": 2,
    "kernels": 4,
    "kernel_size": 3,
    "batch_norm": True,
    "running_averages": True,
    "tanh": False,
    "dropout": 0.0,
    "halvings": 2,
    "doublings": 1,
    "squares": 2,
    "positions": True,
    "bins": 33,
    "reach": 0.8,
}
NEW_UNET = {
    "network": "unet",
    "color_space": "ycbcr",
    "conv_layers": 2,
    "kernels": 4,
    "kernel_size": 3,
    "batch_norm": "hidden",
    "track_running_stats": True,
    "tanh": False,
    "dropout": 0.0,
    "depth": 2,
    "patch_size": 2,
    "output_stride": 4,
    "coord_channels": True,
    "chroma_bins": 33,
    "chroma_range": 0.8,
    "eval_batch_size": 32,
}
# Modules that were renamed: the new prefix of their weights and the old one.
RENAMED_MODULES = {
    "body.stem.": "body.enter.",
    "body.reduce.": "body.narrow.",
    "body.head.": "body.leave.",
}


def with_old_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    old_weights = {}
    for name, tensor in weights.items():
        module = next((new for new in RENAMED_MODULES if name.startswith(new)), "")
        old_weights[RENAMED_MODULES.get(module, "") + name.removeprefix(module)] = tensor
    return old_weights


def test_a_file_of_an_earlier_version_gives_the_same_network(tmp_path):
    path = tmp_path / "model.safetensors"
    params = ModelParams(**NEW_UNET)
    torch.manual_seed(2)
    network = Colorizer(params, MARGIN)
    network(torch.rand(2, 1, 16, 24) * 2 - 1)  # running statistics other than the initial ones
    network.eval()
    weights = with_old_names(network.state_dict())
    for prefix in RENAMED_MODULES.values():
        assert any(name.startswith(prefix) for name in weights)
    assert not any(name.startswith(prefix) for name in weights for prefix in RENAMED_MODULES)
    write(path, weights, model=OLD_UNET, learnt_size=[16, 24])

    loaded = load_network(path).eval()
    assert loaded.params == params
    assert loaded.margin == 12
    assert load_model(path).image_size == (16, 24)
    gray = torch.rand(3, 1, 16, 24) * 2 - 1
    assert torch.equal(loaded(gray), network(gray))
    assert loaded(gray).std() > 0


def test_a_plain_network_of_an_earlier_version_gives_the_same_network(tmp_path):
    path = tmp_path / "model.safetensors"
    network = build(batch_norm="hidden", eval_batch_size=32).eval()
    neutral = {"halvings": 0, "doublings": 0, "squares": 1, "positions": False}
    bins = {"bins": 0, "reach": 1.0}
    old = OLD_UNET | {"network": "plain", "color_space": "rgb", "kernels": 8} | neutral | bins
    write(path, network.state_dict(), model=old, learnt_size=[80, 80])
    loaded = load_network(path).eval()
    assert loaded.params == network.params
    gray = torch.rand(1, 1, 9, 7) * 2 - 1
    assert torch.equal(loaded(gray), network(gray))


@pytest.mark.parametrize("track_running_stats", [True, False])
def test_a_file_with_batch_norm_true_loads_as_the_network_that_it_was(
    tmp_path, track_running_stats
):
    path = tmp_path / "model.safetensors"
    changes = {"batch_norm": True, "track_running_stats": track_running_stats}
    without_the_new_key = {
        key: value for key, value in BASELINE.items() if key != "eval_batch_size"
    }
    for conv_layers, expected in ((1, "none"), (2, "hidden")):
        network = build(
            conv_layers=conv_layers,
            batch_norm=expected,
            track_running_stats=track_running_stats or conv_layers == 1,
            eval_batch_size=32,
        )
        old = without_the_new_key | changes | {"conv_layers": conv_layers}
        write(path, network.state_dict(), model=old, margin=MARGIN, image_size=[80, 80])
        assert load_network(path).params == network.params
