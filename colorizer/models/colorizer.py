"""A network from gray images to rgb images."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from colorizer.models.chroma_bins import bin_probabilities, decode_chroma
from colorizer.models.color_spaces import OUT_CHANNELS, network_input, rgb_to_chroma, to_rgb
from colorizer.models.config import ModelParams
from colorizer.models.plain import PlainStack
from colorizer.models.unet import UNet, pad_to_multiple

# Bounds the memory of one forward pass: 32 images of 80x80 take 2.5 MB per 3 channels. Larger
# batches are no faster on a CPU, since they do not fit its caches.
EVAL_BATCH_SIZE = 32


class Colorizer(nn.Module):
    """A network from gray (N, 1, H, W) to rgb (N, 3, H, W), float32 on [-1, 1].

    `params` is its configuration. `margin`, in levels, matters with chroma bins only: the decoded
    chroma is the one that is most probably within it.
    """

    def __init__(self, params: ModelParams, margin: int) -> None:
        """Draw PyTorch's default initial weights from its global generator."""
        super().__init__()
        self.params = params
        self.margin = margin
        architecture = {"plain": PlainStack, "unet": UNet}[params.network]
        out_channels = OUT_CHANNELS[params.color_space] * (params.chroma_bins or 1)
        self.body = architecture(params, out_channels)

    def forward(self, gray: Tensor) -> Tensor:
        """Rgb; with chroma bins in training mode their logits, (N, 2 * chroma_bins, h, w)."""
        output: Tensor = self.body(network_input(self.params.color_space, gray))
        if not self.params.chroma_bins:
            return self.to_rgb(output, gray)
        return output if self.training else self.to_rgb(bin_probabilities(output), gray)

    @torch.inference_mode()
    def predict(self, gray: Tensor, flip_tta: bool) -> Tensor:
        """Rgb of gray images, uint8 (N, H, W), as float32 (N, H, W, 3) in levels.

        In 0..255 unless the network leaves that range; neither rounded nor clamped; on the
        network's device. `flip_tta` averages the predictions for the image and its mirror image.
        Uses the mode, training or evaluation, that the network is in.
        """
        images = normalize(gray.to(next(self.parameters()).device).unsqueeze(-1))
        output: Tensor = self(images)
        if flip_tta:
            output = (output + self(images.flip(3)).flip(3)) / 2
        return output.add_(1).mul_(127.5).permute(0, 2, 3, 1)

    def chroma_target(self, rgb: Tensor) -> Tensor:
        """Chroma that a network with chroma bins is trained to predict for rgb: (N, 2, h, w).

        Cb and Cr of `rgb`, (N, 3, H, W) on [-1, 1], averaged over the output stride.
        """
        chroma = rgb_to_chroma(pad_to_multiple(rgb, self.params))
        return functional.avg_pool2d(chroma, self.params.output_stride)

    def to_rgb(self, output: Tensor, gray: Tensor) -> Tensor:
        """Rgb of the body's output, or of bin probabilities, upsampled to the size of `gray`."""
        *_, height, width = gray.shape
        if self.params.chroma_bins:
            output = decode_chroma(output, self.params.chroma_range, self.margin)
        if (stride := self.params.output_stride) > 1:
            output = functional.interpolate(output, scale_factor=stride, mode="bilinear")
        return to_rgb(self.params.color_space, output[..., :height, :width], gray)


def normalize(images: Tensor) -> Tensor:
    """Levels 0..255 to [-1, 1]: uint8 (N, H, W, C) to float32 (N, C, H, W), in channels_last."""
    return images.float().div_(127.5).sub_(1).permute(0, 3, 1, 2)
