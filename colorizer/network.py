"""The networks: from the gray of a picture to its rgb, both on [-1, 1]."""

import json
from itertools import chain, pairwise
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from colorizer.color_spaces import OUTPUTS, ColorSpace, network_input, rgb_of
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

    network: Literal["plain", "unet"]
    color_space: ColorSpace
    conv_layers: int = Field(ge=1, le=64)
    kernels: int = Field(ge=1, le=4096)
    kernel_size: Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]
    batch_norm: bool
    tanh: bool
    dropout: float = Field(ge=0, le=0.9)
    halvings: int = Field(ge=0, le=8)
    reduction: int = Field(ge=1, le=16)
    positions: bool

    @field_validator("halvings", "reduction", "positions")
    @classmethod
    def _of_unet(cls, value: int, info: ValidationInfo) -> int:
        if value > (info.field_name == "reduction") and info.data.get("network") == "plain":
            raise ValueError(
                "network is plain, which has none; should be as in params.yaml, or unet"
            )
        return value

    @field_validator("reduction")
    @classmethod
    def _of_chroma(cls, value: int, info: ValidationInfo) -> int:
        if value > 1 and info.data.get("color_space") == "rgb":
            raise ValueError(
                "color_space is rgb, which would lose detail; should be 1, or lab or ycbcr"
            )
        return value


class ConvStack(nn.Sequential):
    """_layer * (conv_layers - 1) => convolution => [tanh].

    The report's network: (N, 1, H, W) to (N, outputs, H, W), float32, of any height and width.
    Every convolution but the last has `kernels` outputs, so one conv layer is a single convolution
    and `kernels` does not matter.
    """

    def __init__(self, params: ModelParams, outputs: int) -> None:
        """Build the network with PyTorch's initial weights, drawn from its global generator."""
        layers: list[nn.Module] = []
        channels = 1
        for _ in range(params.conv_layers - 1):
            layers += _layer(channels, params.kernels, params)
            channels = params.kernels
        layers.append(Conv2d(channels, outputs, params.kernel_size))
        if params.tanh:
            layers.append(nn.Tanh())
        super().__init__(*layers)


class UNet(nn.Module):
    """An encoder and a decoder with skips (Ronneberger et al. 2015), on pixels side by side.

    Squares of reduction x reduction pixels become the channels of one, without loss; from there
    the picture is halved `halvings` times and brought up again. What is predicted for a square
    is brought to its pixels bilinearly: enough for chroma, which the eye and a margin both take
    coarsely. (N, 1, H, W) to (N, outputs, H, W), float32, of any height and width.
    """

    def __init__(self, params: ModelParams, outputs: int) -> None:
        """Build the network with PyTorch's initial weights, drawn from its global generator."""
        super().__init__()
        self.params = params
        widths = [params.kernels * 2**level for level in range(params.halvings + 1)]
        inputs = params.reduction**2 + 2 * params.positions
        self.enter = _block(inputs, widths[0], params)
        self.down = nn.ModuleList(_block(a, b, params) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_block(a + b, a, params) for a, b in pairwise(widths))
        self.leave = nn.Conv2d(widths[0], outputs, 1)

    def forward(self, gray: Tensor) -> Tensor:
        """Pad to what can be halved, go down and up, cut to the size of the picture."""
        *_, height, width = gray.shape
        step = self.params.reduction * 2**self.params.halvings
        padding = (0, -width % step, 0, -height % step)
        squares = functional.pixel_unshuffle(
            functional.pad(gray, padding, mode="replicate"), self.params.reduction
        )
        if self.params.positions:
            squares = torch.cat([squares, _positions(squares)], dim=1)
        x = self.enter(squares.contiguous(memory_format=torch.channels_last))
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(functional.max_pool2d(x, 2))
        for up in reversed(self.up):
            x = up(torch.cat([skips.pop(), functional.interpolate(x, scale_factor=2)], dim=1))
        output = functional.interpolate(
            self.leave(x), scale_factor=self.params.reduction, mode="bilinear"
        )
        if self.params.tanh:
            output = output.tanh()
        return output[..., :height, :width]


class Colorizer(nn.Module):
    """A network from the gray of pictures to their rgb, float32 on [-1, 1].

    gray (N, 1, H, W) to rgb (N, 3, H, W); `params` says which network, in which color space.
    """

    def __init__(self, params: ModelParams) -> None:
        """Build the network with PyTorch's initial weights, drawn from its global generator."""
        super().__init__()
        self.params = params
        kind = {"plain": ConvStack, "unet": UNet}[params.network]
        self.body = kind(params, OUTPUTS[params.color_space])

    def forward(self, gray: Tensor) -> Tensor:
        """See, predict, and give the rgb that follows."""
        space = self.params.color_space
        return rgb_of(space, self.body(network_input(space, gray)), gray)


def _layer(inputs: int, outputs: int, params: ModelParams) -> list[nn.Module]:
    """Convolution => [batch norm] => ReLU => [dropout]."""
    return [
        Conv2d(inputs, outputs, params.kernel_size),
        *([BatchNorm2d(outputs)] if params.batch_norm else []),
        nn.ReLU(inplace=True),
        *([nn.Dropout2d(params.dropout)] if params.dropout else []),
    ]


def _block(inputs: int, outputs: int, params: ModelParams) -> nn.Sequential:
    """_layer * conv_layers."""
    widths = [inputs] + [outputs] * params.conv_layers
    return nn.Sequential(*chain.from_iterable(_layer(a, b, params) for a, b in pairwise(widths)))


def _positions(pictures: Tensor) -> Tensor:
    """Two channels with the column and the row of each pixel, from -1 to 1."""
    n, _, height, width = pictures.shape
    rows, columns = (
        torch.linspace(-1, 1, size, device=pictures.device) for size in (height, width)
    )
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy")).expand(n, 2, height, width)


def scaled(levels: Tensor) -> Tensor:
    """Pictures as networks see them: 0..255 to [-1, 1], channels first but last in memory.

    uint8 (n, H, W, C) to float32 (n, C, H, W), on the same device.
    """
    return levels.float().div_(127.5).sub_(1).permute(0, 3, 1, 2)


def save_network(path: Path, network: Colorizer) -> None:
    """Write weights and configuration as safetensors, the same bytes for the same network."""
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    # Not safetensors' own writing, whose errors do not say that the disk is full.
    path.write_bytes(save(weights, {CONFIGURATION: network.params.model_dump_json()}))


def load_network(path: Path) -> Colorizer:
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
            network = Colorizer(params)
        network.load_state_dict(weights, assign=True)
    except RuntimeError:
        raise InputError(f"{path}: the weights do not fit the network configuration") from None
    return network
