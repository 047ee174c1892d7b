"""The networks: from the gray of a picture to its rgb, both on [-1, 1]."""

import json
from pathlib import Path
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from colorizer.errors import InputError
from colorizer.layers import BatchNorm2d, Conv2d
from colorizer.params import Section, validated

CONFIGURATION = "network"  # key of the model file's metadata


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError("should be odd, so that a pixel has as many neighbours on each side")
    return size


class ModelParams(Section):
    """Section `model` of params.yaml, and the configuration in a model file."""

    conv_layers: int = Field(ge=1, le=64)
    kernels: int = Field(ge=1, le=4096)
    kernel_size: Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]
    batch_norm: bool
    tanh: bool


class ConvStack(nn.Sequential):
    """(convolution => [batch norm] => ReLU) * (conv_layers - 1) => convolution => [tanh].

    The report's network: gray (N, 1, H, W) to rgb (N, 3, H, W), float32 on [-1, 1], of any
    height and width. Every convolution but the last has `kernels` outputs, so one conv layer
    is a single 1 -> 3 convolution and `kernels` does not matter.
    """

    def __init__(self, params: ModelParams) -> None:
        """Build the network with PyTorch's initial weights, drawn from its global generator."""
        layers: list[nn.Module] = []
        channels = 1
        for _ in range(params.conv_layers - 1):
            layers.append(Conv2d(channels, params.kernels, params.kernel_size))
            if params.batch_norm:
                layers.append(BatchNorm2d(params.kernels))
            layers.append(nn.ReLU(inplace=True))
            channels = params.kernels
        layers.append(Conv2d(channels, 3, params.kernel_size))
        if params.tanh:
            layers.append(nn.Tanh())
        super().__init__(*layers)
        self.params = params


def scaled(levels: Tensor) -> Tensor:
    """Pictures as networks see them: 0..255 to [-1, 1], channels first but last in memory.

    uint8 (n, H, W, C) to float32 (n, C, H, W), on the same device.
    """
    return levels.float().div_(127.5).sub_(1).permute(0, 3, 1, 2)


def save_network(path: Path, network: ConvStack) -> None:
    """Write weights and configuration as safetensors, the same bytes for the same network."""
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    # Not safetensors' own writing, whose errors do not say that the disk is full.
    path.write_bytes(save(weights, {CONFIGURATION: network.params.model_dump_json()}))


def load_network(path: Path) -> ConvStack:
    """Rebuild a network from a model file alone, on the CPU.

    Raises InputError for a file that is missing, damaged, or not from `save_network`.
    """
    try:
        with safe_open(path, framework="pt") as file:
            configuration = dict(json.loads((file.metadata() or {})[CONFIGURATION]))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as a model ({error})") from None
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: has no network configuration; not from this project") from None
    params = validated(configuration, ModelParams, f"{path}: {CONFIGURATION}")
    try:
        with torch.device("meta"):  # takes no memory, however large it says that it is
            network = ConvStack(params)
        network.load_state_dict(weights, assign=True)
    except RuntimeError:
        raise InputError(f"{path}: the weights do not fit the network configuration") from None
    return network
