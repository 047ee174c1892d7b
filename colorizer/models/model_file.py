"""Model files: weights with the configuration that rebuilds their network, as safetensors."""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from colorizer.errors import InputError
from colorizer.models.colorizer import Colorizer
from colorizer.params import ModelParams, Section, validated

MODEL_FILE = Path("models/colorizer.safetensors")  # where the pipeline writes it: see dvc.yaml
PRETRAINED_FILE = Path("pretrained/faces.safetensors")  # in the repository: see MODEL_CARD.md

# The one key of the file's metadata: safetensors writes several keys in any order.
METADATA = "colorizer"


class Facts(Section):
    """What a model file says of its network."""

    model: ModelParams
    train: dict[str, bool | int | float | str]  # as TrainParams, also of an earlier version
    margin: int = Field(ge=1, le=255)  # levels
    image_size: list[int] = Field(min_length=2, max_length=2)  # height and width in pixels
    data: str  # name of the data set
    photos: int  # number of training photographs


class TrainedModel(NamedTuple):
    """A network, and what it was trained on."""

    network: Colorizer
    image_size: tuple[int, int]  # height and width of the photographs, in pixels
    data: str  # name of the data set
    photos: int  # number of photographs
    train: dict[str, bool | int | float | str]  # the section train of params.yaml

    @property
    def training(self) -> str:
        """What the network was trained on, as part of a sentence."""
        height, width = self.image_size
        return f"trained on {self.data}: {self.photos} photographs of {width}x{height} pixels"


def save_model(path: Path, model: TrainedModel) -> None:
    """Write weights, configuration and training data: the same bytes for the same model."""
    network = model.network
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    facts = {
        "model": network.params.model_dump(),
        "train": model.train,
        "margin": network.margin,
        "image_size": model.image_size,
        "data": model.data,
        "photos": model.photos,
    }
    # Not safetensors' save_file, whose errors do not say that the disk is full.
    path.write_bytes(save(weights, {METADATA: json.dumps(facts)}))


def load_model(path: Path) -> TrainedModel:
    """Rebuild a network on the CPU from a model file alone, with what it was trained on.

    Weights become float32; the file may have them in half precision. Raises InputError for a file
    that is missing, damaged, or not from `save_model`.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})[METADATA])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for name, tensor in weights.items():
            if tensor.is_floating_point():  # not the number of batches of batch norm
                weights[name] = tensor.float()
        facts = validated(metadata, Facts, str(path))
        with torch.device("meta"):  # takes no memory, however large the configuration says it is
            network = Colorizer(facts.model, facts.margin)
        network.load_state_dict(weights, assign=True)
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a model ({error})") from None
    except KeyError:
        raise InputError(f"{path}: has no network configuration; not from this project") from None
    except RuntimeError:
        raise InputError(f"{path}: the weights do not fit the network configuration") from None
    height, width = facts.image_size
    return TrainedModel(network, (height, width), facts.data, facts.photos, facts.train)
