"""Model files: weights with the configuration that rebuilds their network, as safetensors."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from colorizer.errors import InputError
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.params import validated

# The one key of the file's metadata: safetensors writes several keys in any order.
METADATA = "colorizer"
# Keys of the JSON under it.
CONFIGURATION, MARGIN, IMAGE_SIZE = "model", "margin", "image_size"
DATA, PHOTOS = "data", "photos"

# Names in files of earlier versions, the margin that those decoded chroma bins for, and the number
# of images that they evaluated together.
OLD_PARAMS = {
    "running_averages": "track_running_stats",
    "halvings": "depth",
    "squares": "patch_size",
    "positions": "coord_channels",
    "bins": "chroma_bins",
    "reach": "chroma_range",
}
OLD_MODULES = {
    "body.enter.": "body.stem.",
    "body.narrow.": "body.reduce.",
    "body.leave.": "body.head.",
}
OLD_IMAGE_SIZE = "learnt_size"
OLD_MARGIN = 12
OLD_EVAL_BATCH_SIZE = 32


class TrainedModel(NamedTuple):
    """A network, and what it was trained on."""

    network: Colorizer
    image_size: tuple[int, int]  # height and width of the photographs, in pixels
    data: str | None  # name of the data set; None for files of earlier versions
    photos: int | None  # number of photographs; None as well

    @property
    def training(self) -> str:
        """What the network was trained on, as part of a sentence."""
        height, width = self.image_size
        size = f"of {width}x{height} pixels"
        if self.data is None or self.photos is None:
            return f"trained on photographs {size}, the file does not say which"
        return f"trained on {self.data}: {self.photos} photographs {size}"


def save_model(path: Path, model: TrainedModel) -> None:
    """Write weights, configuration and training data: the same bytes for the same model."""
    network = model.network
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    facts = {
        CONFIGURATION: network.params.model_dump(),
        MARGIN: network.margin,
        IMAGE_SIZE: model.image_size,
        DATA: model.data,
        PHOTOS: model.photos,
    }
    # Not safetensors' save_file, whose errors do not say that the disk is full.
    path.write_bytes(save(weights, {METADATA: json.dumps(facts)}))


def load_model(path: Path) -> TrainedModel:
    """Rebuild a network on the CPU from a model file alone, with what it was trained on.

    Raises InputError for a file that is missing, damaged, or not from `save_model`.
    """
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file"
        raise InputError(f"{path}: is {kind}; should be a model file, with the suffix .safetensors")
    try:
        with safe_open(path, framework="pt") as file:
            facts = _facts(path, file.metadata() or {})
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as a model ({error})") from None
    params = validated(facts[CONFIGURATION], ModelParams, f"{path}: {CONFIGURATION}")
    try:
        with torch.device("meta"):  # takes no memory, however large the configuration says it is
            network = Colorizer(params, facts[MARGIN])
        network.load_state_dict(_with_new_names(weights), assign=True)
    except RuntimeError:
        raise InputError(f"{path}: the weights do not fit the network configuration") from None
    try:
        height, width = map(int, facts.get(IMAGE_SIZE) or ())
        if height < 1 or width < 1:
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(f"{path}: does not say what size of images it was trained on") from None
    data, photos = facts.get(DATA), facts.get(PHOTOS)
    return TrainedModel(
        network,
        (height, width),
        data if isinstance(data, str) else None,
        photos if isinstance(photos, int) else None,
    )


def load_network(path: Path) -> Colorizer:
    """The network of a model file, by `load_model`, which says what is raised."""
    return load_model(path).network


def _facts(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        facts = dict(json.loads(metadata[METADATA]))
        facts[CONFIGURATION] = _with_new_params(dict(facts[CONFIGURATION]))
        if OLD_IMAGE_SIZE in facts:
            facts[IMAGE_SIZE] = facts[OLD_IMAGE_SIZE]
        margin = facts.setdefault(MARGIN, OLD_MARGIN)
        if type(margin) is not int or not 1 <= margin <= 255:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: has no network configuration; not from this project") from None
    return facts


def _with_new_params(params: dict[str, Any]) -> dict[str, Any]:
    if "doublings" in params:
        halvings_left = params["halvings"] - params.pop("doublings")
        if not 0 <= halvings_left <= 8:
            raise ValueError
        params["output_stride"] = params["squares"] * 2**halvings_left
    params = {OLD_PARAMS.get(name, name): value for name, value in params.items()}
    if isinstance(params["batch_norm"], bool):
        has_hidden_layer = params["network"] == "unet" or params["conv_layers"] > 1
        has_norm = params["batch_norm"] and has_hidden_layer
        params["batch_norm"] = "hidden" if has_norm else "none"
        params["track_running_stats"] = params["track_running_stats"] or not has_norm
        params["eval_batch_size"] = OLD_EVAL_BATCH_SIZE
    return params


def _with_new_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in weights.items():
        for old, new in OLD_MODULES.items():
            name = name.replace(old, new) if name.startswith(old) else name
        renamed[name] = tensor
    return renamed
