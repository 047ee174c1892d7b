"""The networks: from the gray of a picture to its rgb, both on [-1, 1]."""

import json
import os
import platform
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import AfterValidator, Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from colorizer.errors import InputError
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

        def convolution(inputs: int, outputs: int) -> nn.Conv2d:
            return nn.Conv2d(inputs, outputs, params.kernel_size, padding="same")

        layers: list[nn.Module] = []
        channels = 1
        for _ in range(params.conv_layers - 1):
            layers.append(convolution(channels, params.kernels))
            if params.batch_norm:
                layers.append(nn.BatchNorm2d(params.kernels))
            layers.append(nn.ReLU())
            channels = params.kernels
        layers.append(convolution(channels, 3))
        if params.tanh:
            layers.append(nn.Tanh())
        super().__init__(*layers)
        self.params = params
        # Pixel after pixel in memory, as the arrays on disk are: no batch needs to be rearranged.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def scaled(levels: np.ndarray, network: nn.Module) -> Tensor:
    """0..255 to [-1, 1], on the network's device: uint8 array to float32 tensor of its shape."""
    device = next(network.parameters()).device
    return torch.from_numpy(levels).to(device).float().div_(127.5).sub_(1)


def available_device() -> torch.device:
    """The first CUDA device, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def processor(device: torch.device) -> str:
    """The kind of processor, as far as floating point goes: on another, sums round otherwise."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    kind = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    return f"{kind}, oneDNN up to {limit}" if limit else kind


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
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
