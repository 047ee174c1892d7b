"""Layers for networks with few channels, where PyTorch's own are slow on a CPU.

They compute what torch.nn's of the same name do, and have its weights under its names.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from colorizer.ranks import ranks, total

# Numbers in a vector register of AVX-512. oneDNN gives each a channel of one pixel's outputs, so
# that 3 outputs would leave 13 idle; here those of pixels side by side fill it.
LANES = 16


MOMENTUM = 0.1  # of a batch norm's averages: PyTorch's default


class Conv2d(nn.Conv2d):
    """A convolution that keeps height and width, with `kernel_size` odd."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int) -> None:
        """Draw PyTorch's initial weights."""
        super().__init__(inputs, outputs, kernel_size, padding=kernel_size // 2)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, inputs, H, W), channels last in memory, to (N, outputs, H, W)."""
        pixels = _side_by_side(self.out_channels, pictures.shape[3])
        if pictures.device.type != "cpu" or (pixels == 1 and self.in_channels > 1):
            return super().forward(pictures)
        result: Tensor = _Convolution.apply(  # type: ignore[no-untyped-call]
            pictures, self.weight, self.bias
        )
        return result


class _Convolution(torch.autograd.Function):
    """convolution(pictures, weight) + bias, and its gradients, each in the form with full lanes."""

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(pictures, weight)
        return _convolution(pictures, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        pictures, weight = ctx.saved_tensors
        outputs, inputs, size, _ = weight.shape
        turned = weight.flip(2, 3).transpose(0, 1)  # the kernel from outputs back to inputs
        of_pictures = _convolution(gradient, turned, None) if ctx.needs_input_grad[0] else None
        if outputs >= inputs:
            of_weight, of_bias = _gradient_of_weight(pictures, gradient, size)
        else:  # the turned kernel's gradient has more lanes to fill
            of_turned, _ = _gradient_of_weight(gradient, pictures, size)
            of_weight = of_turned.transpose(0, 1).flip(2, 3)
            of_bias = _sums(_lines(gradient), outputs)
        return of_pictures, of_weight.contiguous(), of_bias


def _convolution(pictures: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    outputs, _, size, _ = weight.shape
    n, _, height, width = pictures.shape
    pixels = _side_by_side(outputs, width)
    # For each pixel a copy of the kernel in a wider one, (outputs, inputs, size, pixels, wide).
    copies = nn.functional.pad(weight, (pixels - 1, pixels - 1)).unfold(3, size + pixels - 1, 1)
    kernel = copies.flip(3).permute(3, 0, 2, 4, 1).flatten(0, 1).contiguous()
    result = nn.functional.conv2d(
        pictures,
        kernel.permute(0, 3, 1, 2),  # channels last in memory
        None if bias is None else bias.repeat(pixels),
        stride=(1, pixels),
        padding=size // 2,
    ).contiguous(memory_format=torch.channels_last)
    # From (n, pixels * outputs, height, width / pixels), which has the same order in memory.
    return _channels_last(result, (n, outputs, height, width))


def _gradient_of_weight(pictures: Tensor, gradient: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """With that of the bias."""
    n, outputs, height, width = gradient.shape
    inputs = pictures.shape[1]
    pixels = _side_by_side(outputs, width)
    wide = size + pixels - 1
    side_by_side = gradient.permute(0, 2, 3, 1).reshape(
        n, height, width // pixels, pixels * outputs
    )
    _, of_kernel, of_biases = torch.ops.aten.convolution_backward(
        side_by_side.permute(0, 3, 1, 2),
        pictures,
        # Only its shape matters, and that channels are last in memory.
        gradient.new_empty(pixels * outputs, size, wide, inputs).permute(0, 3, 1, 2),
        *([pixels * outputs], (1, pixels), (size // 2, size // 2), (1, 1), False, (0, 0), 1),
        (False, True, True),
    )
    copies = of_kernel.unflatten(0, (pixels, outputs))
    of_weight = sum(copies[k, ..., k : k + size] for k in range(pixels))
    return of_weight, of_biases.view(pixels, outputs).sum(dim=0)


def _side_by_side(outputs: int, width: int) -> int:
    """How many pixels' outputs fill the lanes, of numbers that divide a line of pixels.

    A line has at least two such groups: for one alone, of one channel, PyTorch 2.13 gives wrong
    sums.
    """
    most = max(1, min(LANES // outputs, width // 2))
    return max(pixels for pixels in range(1, most + 1) if width % pixels == 0)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation (Ioffe and Szegedy 2015) over the pictures of all ranks.

    PyTorch's is up to nine times slower on a CPU where channels, last in memory, fill no lanes, and
    normalises over several processes on GPUs only.
    """

    def __init__(self, channels: int, running_averages: bool) -> None:
        """Without running averages it normalises by the batch after training, too."""
        super().__init__(channels, track_running_stats=running_averages)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W), channels last in memory, to the same shape."""
        suits_pytorch = pictures.device.type != "cpu" or self.num_features % LANES == 0
        alone = ranks() == 1 and pictures[:, 0].numel() > 1  # of one value PyTorch has no variance
        if not self.training or (suits_pytorch and alone):
            return super().forward(pictures)
        normal, mean, variance, count = _Normalised.apply(  # type: ignore[no-untyped-call]
            pictures, self.weight, self.bias, self.eps
        )
        if self.track_running_stats:
            unbiased = variance * (count / (count - 1).clamp(min=1))
            with torch.no_grad():
                for name, value in (("running_mean", mean), ("running_var", unbiased)):
                    self.get_buffer(name).lerp_(value, MOMENTUM)
                self.get_buffer("num_batches_tracked").add_(1)
        result: Tensor = normal
        return result


class _Normalised(torch.autograd.Function):
    """(pictures - mean) / sqrt(variance + eps) * weight + bias; with mean, variance and count.

    Computed on lines of pixels: a value per channel, repeated for each pixel, meets a line in one
    stretch of memory.
    """

    @staticmethod
    def forward(
        ctx: Any, pictures: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        channels, width = len(weight), pictures.shape[3]
        lines = _lines(pictures)
        here = lines.new_tensor([len(lines) * width])
        sums, count = total(torch.cat([_sums(lines, channels), here])).split([channels, 1])
        mean = sums / count
        centred = lines - mean.repeat(width)
        variance = total(_sums(centred.square(), channels)) / count
        deviation = (variance + eps).sqrt()
        ctx.save_for_backward(centred, weight, deviation, count)
        ctx.mark_non_differentiable(mean, variance, count)
        result = torch.addcmul(bias.repeat(width), centred, (weight / deviation).repeat(width))
        return _channels_last(result, pictures.shape), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        centred, weight, deviation, count = ctx.saved_tensors
        channels, width = len(weight), gradient.shape[3]
        lines = _lines(gradient)
        of_bias = _sums(lines, channels)
        of_weight = _sums(lines * centred, channels) / deviation
        mean, slope = total(torch.stack([of_bias, of_weight])) / count
        # The gradient less its mean and its part along the normalised pictures.
        scale = weight / deviation
        of_lines = torch.addcmul((-mean * scale).repeat(width), lines, scale.repeat(width))
        of_lines.addcmul_(centred, (-slope * scale / deviation).repeat(width))
        return _channels_last(of_lines, gradient.shape), of_weight, of_bias, None


def _lines(pictures: Tensor) -> Tensor:
    """(N, C, H, W) to (N * H, W * C): a view, where channels are last in memory."""
    return pictures.permute(0, 2, 3, 1).flatten(2).flatten(0, 1)


def _channels_last(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Values that lie in memory pixel after pixel, as pictures of a shape.

    Changes the tensor itself: a view would keep what follows from working in place.
    """
    _, channels, height, width = shape
    line = width * channels
    return values.as_strided_(tuple(shape), (height * line, 1, line, channels))


def _sums(lines: Tensor, channels: int) -> Tensor:
    return lines.sum(dim=0).view(-1, channels).sum(dim=0)
