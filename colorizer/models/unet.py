"""A U-Net whose output may be coarser than its input."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from colorizer.models.layers import conv_layer
from colorizer.params import ModelParams


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015) with an output stride.

    Patches of `patch_size` x `patch_size` pixels enter as channels (the inverse of sub-pixel
    convolution, Shi et al. 2016), optionally with two coordinate channels (CoordConv, Liu et al.
    2018). Each of `depth` down blocks halves the resolution and doubles the kernels; each up block
    does the opposite and also sees the features of its resolution from the way down. A block has
    `conv_layers` convolutions. With an `output_stride` above `patch_size` there are fewer up
    blocks: enough for chroma, which varies more smoothly than luma.

    Shapes: (N, 1, H, W) to (N, out_channels, h, w), float32, where h and w are H and W, padded to a
    multiple of patch_size * 2**depth, divided by output_stride.
    """

    def __init__(self, params: ModelParams, out_channels: int) -> None:
        """Draw PyTorch's default initial weights from its global generator."""
        super().__init__()
        self.params = params
        widths = [params.kernels * 2**level for level in range(params.depth + 1)]
        top = params.depth - params.up_blocks  # the level that the up blocks end on
        self.stem = _block(params.patch_size**2 + 2 * params.coord_channels, widths[0], params)
        self.down = nn.ModuleList(_block(width, 2 * width, params) for width in widths[:-1])
        self.reduce = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for width in widths[top:-1])
        self.up = nn.ModuleList(_block(2 * width, width, params) for width in widths[top:-1])
        self.head = nn.Conv2d(widths[top], out_channels, 1)

    def forward(self, gray: Tensor) -> Tensor:
        """Pad, cut into patches, go down, go up."""
        x = pixel_unshuffle(pad_to_multiple(gray, self.params), self.params.patch_size)
        if self.params.coord_channels:
            x = torch.cat([x, _coordinates(x)], dim=1)
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        skips = []
        for down in self.down:
            skips.append(x)
            # max(relu(x)) = relu(max(x)), which is faster on the smaller tensor.
            x = down(functional.max_pool2d(x, 2).relu_())
        for reduce, up in zip(reversed(self.reduce), reversed(self.up), strict=True):
            upsampled = functional.interpolate(reduce(x.relu()), scale_factor=2)
            x = up(torch.cat([skips.pop().relu(), upsampled], dim=1))
        output: Tensor = self.head(x.relu())
        return output.tanh() if self.params.tanh else output


def pad_to_multiple(images: Tensor, params: ModelParams) -> Tensor:
    """Repeat the lower and right border until H and W are multiples of patch_size * 2**depth.

    (N, C, H, W) to (N, C, H', W').
    """
    multiple = params.patch_size * 2**params.depth
    if multiple == 1:
        return images
    # No branch on the size: an export to ONNX traces this once for all sizes.
    *_, height, width = images.shape
    return functional.pad(images, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def pixel_unshuffle(images: Tensor, patch_size: int) -> Tensor:
    """The pixels of each patch as channels: (N, 1, H, W) to (N, patch_size**2, H / p, W / p).

    PyTorch's function of this name refuses a batch of 0 images, which a process of a distributed
    run can have.
    """
    n, _, height, width = images.shape
    patches = images.reshape(n, height // patch_size, patch_size, width // patch_size, patch_size)
    return patches.permute(0, 2, 4, 1, 3).flatten(1, 2)


def _block(in_channels: int, out_channels: int, params: ModelParams) -> nn.Sequential:
    """`conv_layers` times `conv_layer`, with ReLU between them and none after the last."""
    layers = conv_layer(in_channels, out_channels, params)
    for _ in range(params.conv_layers - 1):
        layers += [nn.ReLU(inplace=True), *conv_layer(out_channels, out_channels, params)]
    return nn.Sequential(*layers)


def _coordinates(features: Tensor) -> Tensor:
    """Column and row of each pixel's center on [-1, 1]: (N, C, H, W) to (N, 2, H, W)."""
    n, _, height, width = features.shape
    rows, columns = (
        (torch.arange(size, dtype=torch.float32, device=features.device) * 2 + 1) / size - 1
        for size in (height, width)
    )
    grid = columns.expand(height, width), rows.unsqueeze(1).expand(height, width)
    return torch.stack(grid).expand(n, 2, height, width)
