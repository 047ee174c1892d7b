"""The networks: from the gray of a picture to its rgb, both on [-1, 1]."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

from colorizer.chroma_bins import likeliest, probabilities_of
from colorizer.color_spaces import OUTPUTS, ColorSpace, chroma_of, network_input, rgb_of
from colorizer.errors import InputError
from colorizer.layers import BatchNorm2d, Conv2d
from colorizer.params import Section, validated

# Keys in a model file: of its metadata, one alone, since safetensors writes several in any order;
# and of the JSON there.
CONFIGURATION, MODEL, LEARNT_SIZE = "colorizer", "model", "learnt_size"


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
    running_averages: bool
    tanh: bool
    dropout: float = Field(ge=0, le=0.9)
    halvings: int = Field(ge=0, le=8)
    doublings: int = Field(ge=0, le=8)
    squares: int = Field(ge=1, le=16)
    positions: bool
    bins: int = Field(ge=0, le=256)
    reach: float = Field(ge=0.05, le=1)

    @field_validator("running_averages")
    @classmethod
    def _of_batch_norm(cls, kept: bool, info: ValidationInfo) -> bool:
        if not kept and info.data.get("batch_norm") is False:
            raise ValueError("there is no batch norm; should be true, or batch_norm be true")
        return kept

    @property
    def coarseness(self) -> int:
        """Pixels: sides of the squares that share a chroma, before they are blended."""
        return self.squares << (self.halvings - self.doublings)

    @field_validator("halvings", "doublings", "squares", "positions")
    @classmethod
    def _of_unet(cls, value: int, info: ValidationInfo) -> int:
        none = {"squares": 1, "positions": False}.get(str(info.field_name), 0)
        if value != none and info.data.get("network") == "plain":
            should = str(none).lower()
            raise ValueError(f"network plain has none; should be {should}, or network be unet")
        return value

    @field_validator("doublings")
    @classmethod
    def _of_halvings(cls, doublings: int, info: ValidationInfo) -> int:
        halvings = info.data.get("halvings", doublings)
        if doublings > halvings:
            raise ValueError(f"halvings is {halvings}; should be that or less")
        if doublings < halvings:
            cls._refuse_rgb(halvings, info)
        return doublings

    @field_validator("squares")
    @classmethod
    def _of_pixels(cls, squares: int, info: ValidationInfo) -> int:
        if squares > 1:
            cls._refuse_rgb(1, info)
        return squares

    @classmethod
    def _refuse_rgb(cls, fine: int, info: ValidationInfo) -> None:
        if info.data.get("color_space") == "rgb":
            raise ValueError(
                f"color_space is rgb, which would lose detail; should be {fine}, or color_space be "
                "ycbcr or lab"
            )

    @field_validator("bins")
    @classmethod
    def _of_chroma(cls, bins: int, info: ValidationInfo) -> int:
        if bins == 1:
            raise ValueError("should be 0, for none, or from 2")
        if bins and info.data.get("color_space") != "ycbcr":
            raise ValueError("color_space should then be ycbcr, whose chroma they divide")
        if bins and info.data.get("tanh"):
            raise ValueError("tanh should then be false, since what comes out are probabilities")
        return bins

    @field_validator("reach")
    @classmethod
    def _of_bins(cls, reach: float, info: ValidationInfo) -> float:
        if reach != 1 and info.data.get("bins") == 0:
            raise ValueError("there are no bins; should be 1.0, or bins from 2")
        return reach


class ConvStack(nn.Sequential):
    """(_layer => ReLU) * (conv_layers - 1) => convolution => [tanh].

    The report's network: (N, 1, H, W) to (N, outputs, H, W), float32, of any height and width.
    Every convolution but the last has `kernels` outputs, so one conv layer is a single convolution
    and `kernels` does not matter.
    """

    def __init__(self, params: ModelParams, outputs: int) -> None:
        """Build the network with PyTorch's initial weights, drawn from its global generator."""
        layers: list[nn.Module] = []
        channels = 1
        for _ in range(params.conv_layers - 1):
            layers += [*_layer(channels, params.kernels, params), nn.ReLU(inplace=True)]
            channels = params.kernels
        layers.append(Conv2d(channels, outputs, params.kernel_size))
        if params.tanh:
            layers.append(nn.Tanh())
        super().__init__(*layers)


class UNet(nn.Module):
    """An encoder and a decoder with skips (Ronneberger et al. 2015), at its ends coarse if need be.

    The pixels of a square with sides of `squares` go in as channels (the opposite of sub-pixel
    convolution, Shi et al. 2016). Then blocks of `conv_layers` convolutions. Going down, `halvings`
    times, each side is halved and kernels are doubled; going up, `doublings` times, the opposite,
    and what was there at this size on the way down is seen again. With fewer doublings than
    halvings the outputs are coarser: enough for chroma, which is smoother than luma.
    (N, 1, H, W) to (N, outputs, h, w), float32, where h and w are H and W, rounded up to what can
    be cut and halved so often, over the coarseness.
    """

    def __init__(self, params: ModelParams, outputs: int) -> None:
        """Build the network with PyTorch's initial weights, drawn from its global generator."""
        super().__init__()
        self.params = params
        widths = [params.kernels * 2**level for level in range(params.halvings + 1)]
        coarsest = params.halvings - params.doublings
        self.enter = _block(params.squares**2 + 2 * params.positions, widths[0], params)
        self.down = nn.ModuleList(_block(a, 2 * a, params) for a in widths[:-1])
        self.narrow = nn.ModuleList(nn.Conv2d(2 * a, a, 1) for a in widths[coarsest:-1])
        self.up = nn.ModuleList(_block(2 * a, a, params) for a in widths[coarsest:-1])
        self.leave = nn.Conv2d(widths[coarsest], outputs, 1)

    def forward(self, gray: Tensor) -> Tensor:
        """Repeat the border until all fits, cut into squares, go down, go up."""
        x = squares_as_channels(padded(gray, self.params), self.params.squares)
        if self.params.positions:
            x = torch.cat([x, _positions(x)], dim=1)
        x = self.enter(x.contiguous(memory_format=torch.channels_last))
        skips = []
        for down in self.down:
            skips.append(x)
            # What is largest stays so: ReLU can wait for the smaller picture, for speed.
            x = down(functional.max_pool2d(x, 2).relu_())
        for narrow, up in zip(reversed(self.narrow), reversed(self.up), strict=True):
            brought_up = functional.interpolate(narrow(x.relu()), scale_factor=2)
            x = up(torch.cat([skips.pop().relu(), brought_up], dim=1))
        output: Tensor = self.leave(x.relu())
        return output.tanh() if self.params.tanh else output


class Colorizer(nn.Module):
    """A network from the gray of pictures to their rgb, float32 on [-1, 1].

    gray (N, 1, H, W) to rgb (N, 3, H, W); `params` says which network, in which color space.
    """

    def __init__(self, params: ModelParams) -> None:
        """Build the network with PyTorch's initial weights, drawn from its global generator."""
        super().__init__()
        self.params = params
        kind = {"plain": ConvStack, "unet": UNet}[params.network]
        self.body = kind(params, OUTPUTS[params.color_space] * (params.bins or 1))

    def forward(self, gray: Tensor) -> Tensor:
        """Rgb; with bins, while training, their logits (n, 2 * bins, h, w) to learn from."""
        output: Tensor = self.body(network_input(self.params.color_space, gray))
        if not self.params.bins:
            return self.rgb(output, gray)
        return output if self.training else self.rgb(probabilities_of(output), gray)

    def chroma(self, rgb: Tensor) -> Tensor:
        """The chroma that the body of a network with bins should put out for rgb: (n, 2, h, w)."""
        chroma = chroma_of(padded(rgb, self.params))
        return functional.avg_pool2d(chroma, self.params.coarseness)

    def rgb(self, output: Tensor, gray: Tensor) -> Tensor:
        """The rgb that follows from what the body puts out, brought up to the size of the gray."""
        *_, height, width = gray.shape
        if self.params.bins:
            output = likeliest(output, self.params.reach)
        if (scale := self.params.coarseness) > 1:
            output = functional.interpolate(output, scale_factor=scale, mode="bilinear")
        return rgb_of(self.params.color_space, output[..., :height, :width], gray)


def padded(pictures: Tensor, params: ModelParams) -> Tensor:
    """Repeat the lower and the right border until both sides are squares that can be halved."""
    step = params.squares * 2**params.halvings
    if step == 1:
        return pictures
    *_, height, width = pictures.shape  # whatever they are: an export to ONNX follows them
    return functional.pad(pictures, (0, -width % step, 0, -height % step), mode="replicate")


def squares_as_channels(pictures: Tensor, side: int) -> Tensor:
    """The pixels of squares as channels: (n, 1, H, W) to (n, side * side, H / side, W / side).

    As PyTorch's pixel_unshuffle, but of no pictures, too, which a rank may have.
    """
    n, _, height, width = pictures.shape
    squares = pictures.reshape(n, height // side, side, width // side, side)
    return squares.permute(0, 2, 4, 1, 3).flatten(1, 2)


def _layer(inputs: int, outputs: int, params: ModelParams) -> list[nn.Module]:
    """Convolution => [batch norm] => [dropout], before a ReLU."""
    return [
        Conv2d(inputs, outputs, params.kernel_size),
        *([BatchNorm2d(outputs, params.running_averages)] if params.batch_norm else []),
        *([nn.Dropout2d(params.dropout)] if params.dropout else []),
    ]


def _block(inputs: int, outputs: int, params: ModelParams) -> nn.Sequential:
    """_layer * conv_layers, with ReLU between them and not after the last."""
    layers = _layer(inputs, outputs, params)
    for _ in range(params.conv_layers - 1):
        layers += [nn.ReLU(inplace=True), *_layer(outputs, outputs, params)]
    return nn.Sequential(*layers)


def _positions(pictures: Tensor) -> Tensor:
    """Two channels with the column and the row of each pixel's middle, between -1 and 1."""
    n, _, height, width = pictures.shape
    rows, columns = (
        (torch.arange(size, dtype=torch.float32, device=pictures.device) * 2 + 1) / size - 1
        for size in (height, width)
    )
    places = columns.expand(height, width), rows.unsqueeze(1).expand(height, width)
    return torch.stack(places).expand(n, 2, height, width)


def scaled(levels: Tensor) -> Tensor:
    """Pictures as networks see them: 0..255 to [-1, 1], channels first but last in memory.

    uint8 (n, H, W, C) to float32 (n, C, H, W), on the same device.
    """
    return levels.float().div_(127.5).sub_(1).permute(0, 3, 1, 2)


def save_network(path: Path, network: Colorizer, learnt_size: tuple[int, int]) -> None:
    """Write weights and configuration as safetensors, the same bytes for the same network.

    `learnt_size` is the height and width, in pixels, of the pictures that it learnt from.
    """
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    configuration = {MODEL: network.params.model_dump(), LEARNT_SIZE: learnt_size}
    # Not safetensors' own writing, whose errors do not say that the disk is full.
    path.write_bytes(save(weights, {CONFIGURATION: json.dumps(configuration)}))


def read_learnt_size(path: Path) -> tuple[int, int]:
    """Height and width of the pictures that the network in a model file learnt from, in pixels.

    Raises InputError as `load_network` does.
    """
    with _opened(path) as (configuration, _):
        size = configuration.get(LEARNT_SIZE) or ()
    try:
        height, width = map(int, size)
        if height < 1 or width < 1:
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(f"{path}: does not say what size of pictures it learnt from") from None
    return height, width


def load_network(path: Path) -> Colorizer:
    """Rebuild a network from a model file alone, on the CPU.

    Raises InputError for a file that is missing, damaged, or not from `save_network`.
    """
    with _opened(path) as (configuration, file):
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    params = validated(configuration[MODEL], ModelParams, f"{path}: {MODEL}")
    try:
        with torch.device("meta"):  # takes no memory, however large it says that it is
            network = Colorizer(params)
        network.load_state_dict(weights, assign=True)
    except RuntimeError:
        raise InputError(f"{path}: the weights do not fit the network configuration") from None
    return network


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    """The configuration in a model file, and the file, whose weights are read when asked for."""
    try:
        with safe_open(path, framework="pt") as file:
            yield _configuration(path, file.metadata() or {}), file
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as a model ({error})") from None


def _configuration(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        configuration = dict(json.loads(metadata[CONFIGURATION]))
        return configuration | {MODEL: dict(configuration[MODEL])}
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: has no network configuration; not from this project") from None
