"""Conv2d and BatchNorm2d that are faster than torch.nn's on CPUs when there are few channels.

They compute what the torch.nn layers that they derive from do, with the same state dicts.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from colorizer.params import ModelParams

# float32 values in an AVX-512 register. oneDNN gives each output channel of one pixel a lane, so
# that 3 channels would leave 13 lanes idle; here the channels of adjacent pixels fill them.
LANES = 16


class SameConv2d(nn.Conv2d):
    """A convolution with stride 1 that keeps height and width; `kernel_size` is odd."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        """Draw PyTorch's default initial weights."""
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, images: Tensor) -> Tensor:
        """(N, in_channels, H, W), channels last in memory, to (N, out_channels, H, W)."""
        pixels = _pixels_per_group(self.out_channels, images.shape[3])
        if images.device.type != "cpu" or (pixels == 1 and self.in_channels > 1):
            return super().forward(images)
        result: Tensor = _GroupedPixelsConv.apply(  # type: ignore[no-untyped-call]
            images, self.weight, self.bias
        )
        return result


class _GroupedPixelsConv(torch.autograd.Function):
    """conv2d(images, weight) + bias and its gradients, each computed for groups of pixels.

    In float32 with autocast, too: with few channels bfloat16 would not be faster.
    """

    @staticmethod
    @torch.amp.custom_fwd(  # type: ignore[untyped-decorator]
        device_type="cpu", cast_inputs=torch.float32
    )
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(images, weight)
        return _conv2d(images, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        images, weight = ctx.saved_tensors
        out_channels, in_channels, kernel_size, _ = weight.shape
        transposed = weight.flip(2, 3).transpose(0, 1)
        images_grad = _conv2d(gradient, transposed, None) if ctx.needs_input_grad[0] else None
        if out_channels >= in_channels:
            weight_grad, bias_grad = _weight_gradient(images, gradient, kernel_size)
        else:  # the gradient of the transposed kernel has more channels to fill the lanes with
            transposed_grad, _ = _weight_gradient(gradient, images, kernel_size)
            weight_grad = transposed_grad.transpose(0, 1).flip(2, 3)
            bias_grad = _sum_per_channel(_as_lines(gradient), out_channels)
        return images_grad, weight_grad.contiguous(), bias_grad


def _conv2d(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    out_channels, _, kernel_size, _ = weight.shape
    n, _, height, width = images.shape
    pixels = _pixels_per_group(out_channels, width)
    # For each pixel of a group a copy of the kernel, shifted within a wider one:
    # (out_channels, in_channels, kernel_size, pixels, kernel_size + pixels - 1).
    copies = nn.functional.pad(weight, (pixels - 1, pixels - 1)).unfold(
        3, kernel_size + pixels - 1, 1
    )
    kernel = copies.flip(3).permute(3, 0, 2, 4, 1).flatten(0, 1).contiguous()
    result = nn.functional.conv2d(
        images,
        kernel.permute(0, 3, 1, 2),  # channels last in memory
        None if bias is None else bias.repeat(pixels),
        stride=(1, pixels),
        padding=kernel_size // 2,
    ).contiguous(memory_format=torch.channels_last)
    # (n, pixels * out_channels, height, width / pixels) has the same order in memory.
    return _as_channels_last(result, (n, out_channels, height, width))


def _weight_gradient(images: Tensor, gradient: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """Gradients of weight and bias."""
    n, out_channels, height, width = gradient.shape
    in_channels = images.shape[1]
    pixels = _pixels_per_group(out_channels, width)
    wide = kernel_size + pixels - 1
    grouped = gradient.permute(0, 2, 3, 1).reshape(
        n, height, width // pixels, pixels * out_channels
    )
    _, kernel_grad, biases_grad = torch.ops.aten.convolution_backward(
        grouped.permute(0, 3, 1, 2),
        images,
        # Stands for the kernel: only its shape and memory format matter.
        gradient.new_empty(pixels * out_channels, kernel_size, wide, in_channels).permute(
            0, 3, 1, 2
        ),
        [pixels * out_channels],
        (1, pixels),
        (kernel_size // 2, kernel_size // 2),
        (1, 1),
        False,
        (0, 0),
        1,
        (False, True, True),
    )
    copies = kernel_grad.unflatten(0, (pixels, out_channels))
    weight_grad = sum(copies[k, ..., k : k + kernel_size] for k in range(pixels))
    return weight_grad, biases_grad.view(pixels, out_channels).sum(dim=0)


def _pixels_per_group(out_channels: int, width: int) -> int:
    """How many adjacent pixels fill the lanes: a divisor of `width`.

    A line has at least two groups: for a single one, with one channel, PyTorch 2.13 computes wrong
    sums.
    """
    most = max(1, min(LANES // out_channels, width // 2))
    return max(pixels for pixels in range(1, most + 1) if width % pixels == 0)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalization (Ioffe and Szegedy 2015)."""

    def __init__(self, num_features: int, *, track_running_stats: bool) -> None:
        """Without running statistics, evaluation mode normalizes by the batch too."""
        super().__init__(num_features, track_running_stats=track_running_stats)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W), channels last in memory, to the same shape."""
        by_batch = self.training or not self.track_running_stats
        suits_pytorch = images.device.type != "cpu" or self.num_features % LANES == 0
        # PyTorch refuses to normalize a single value, such as a coarse pixel of one photograph.
        if not by_batch or (suits_pytorch and images[:, 0].numel() > 1):
            return super().forward(images)
        normalized, mean, variance = _BatchNorm.apply(  # type: ignore[no-untyped-call]
            images.float(), self.weight, self.bias, self.eps
        )
        if self.track_running_stats:
            count = images[:, 0].numel()
            unbiased = variance * (count / max(count - 1, 1))
            with torch.no_grad():
                for name, value in (("running_mean", mean), ("running_var", unbiased)):
                    self.get_buffer(name).lerp_(value, self.momentum or 0.0)
                self.get_buffer("num_batches_tracked").add_(1)
        result: Tensor = normalized
        return result


class _BatchNorm(torch.autograd.Function):
    """(images - mean) / sqrt(variance + eps) * weight + bias, with mean and variance.

    Computed on lines of pixels: the values of the channels, repeated for each pixel of a line, are
    contiguous in memory as the line is.
    """

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        channels, width = len(weight), images.shape[3]
        lines = _as_lines(images)
        count = len(lines) * width
        mean = _sum_per_channel(lines, channels) / count
        centered = lines - mean.repeat(width)
        variance = _sum_per_channel(centered.square(), channels) / count
        deviation = (variance + eps).sqrt()
        ctx.save_for_backward(centered, weight, deviation)
        ctx.mark_non_differentiable(mean, variance)
        result = torch.addcmul(bias.repeat(width), centered, (weight / deviation).repeat(width))
        return _as_channels_last(result, images.shape), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        centered, weight, deviation = ctx.saved_tensors
        channels, width = len(weight), gradient.shape[3]
        lines = _as_lines(gradient)
        bias_grad = _sum_per_channel(lines, channels)
        weight_grad = _sum_per_channel(lines * centered, channels) / deviation
        mean, slope = torch.stack([bias_grad, weight_grad]) / (len(lines) * width)
        # The gradient without its mean and without its part along the normalized images.
        scale = weight / deviation
        lines_grad = torch.addcmul((-mean * scale).repeat(width), lines, scale.repeat(width))
        lines_grad.addcmul_(centered, (-slope * scale / deviation).repeat(width))
        return _as_channels_last(lines_grad, gradient.shape), weight_grad, bias_grad, None


def conv_layer(in_channels: int, out_channels: int, params: ModelParams) -> list[nn.Module]:
    """Convolution => [batch norm] => [dropout]; a ReLU is to follow."""
    layers: list[nn.Module] = [SameConv2d(in_channels, out_channels, params.kernel_size)]
    if params.batch_norm != "none":
        layers.append(BatchNorm2d(out_channels, track_running_stats=params.track_running_stats))
    if params.dropout:
        layers.append(nn.Dropout2d(params.dropout))
    return layers


def _as_lines(images: Tensor) -> Tensor:
    """(N, C, H, W) to (N * H, W * C): a view when channels are last in memory."""
    return images.permute(0, 2, 3, 1).flatten(2).flatten(0, 1)


def _as_channels_last(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Values that lie in memory pixel after pixel, as a tensor of `shape`, (N, C, H, W).

    Changes the tensor in place: a view would keep later operations from working in place.
    """
    _, channels, height, width = shape
    line = width * channels
    return values.as_strided_(tuple(shape), (height * line, 1, line, channels))


def _sum_per_channel(lines: Tensor, channels: int) -> Tensor:
    return lines.sum(dim=0).view(-1, channels).sum(dim=0)
