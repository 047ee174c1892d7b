"""A network from gray images to rgb images."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from colorizer.distributed import shard
from colorizer.models.chroma_bins import bin_probabilities, decode_chroma
from colorizer.models.color_spaces import OUT_CHANNELS, lightness_of, rgb_to_chroma, to_rgb
from colorizer.models.plain import PlainStack
from colorizer.models.unet import UNet, pad_to_multiple
from colorizer.params import ModelParams


class Colorizer(nn.Module):
    """A network from lightness (N, 1, H, W) to rgb (N, 3, H, W), float32 on [-1, 1].

    Lightness is gray, or for lab L*: see `lightness`. `params` is the configuration. `margin`,
    in levels, matters with chroma bins only: the decoded chroma is the one that is most probably
    within it.
    """

    def __init__(self, params: ModelParams, margin: int) -> None:
        """Draw PyTorch's default initial weights from its global generator."""
        super().__init__()
        self.params = params
        self.margin = margin
        architecture = {"plain": PlainStack, "unet": UNet}[params.network]
        out_channels = OUT_CHANNELS[params.color_space] * (params.chroma_bins or 1)
        self.body = architecture(params, out_channels)

    def forward(self, lightness: Tensor) -> Tensor:
        """Rgb; in training mode what the loss is on.

        That is a* and b*, (N, 2, H, W), for lab, and the logits of chroma bins, (N, 2 * bins, h,
        w).
        """
        output: Tensor = self.body(lightness).float()
        # Autocast is for the body: colors need more than the 8 bits of bfloat16.
        with torch.autocast(output.device.type, enabled=False):
            if not self.params.chroma_bins:
                output = self._upsample(output, lightness)
            if self.training and (self.params.chroma_bins or self.params.color_space == "lab"):
                return output
            return self.to_rgb(output, lightness)

    def lightness(self, gray: Tensor) -> Tensor:
        """What the network sees of gray, (N, 1, H, W) on [-1, 1]."""
        return lightness_of(self.params.color_space, gray)

    @torch.inference_mode()
    def predict(self, gray: Tensor, flip_tta: bool) -> Tensor:
        """Rgb of gray images, uint8 (N, H, W), as float32 (N, H, W, 3) in levels.

        In 0..255 unless the network leaves that range; neither rounded nor clamped; on the
        network's device. `flip_tta` averages the predictions for the image and its mirror image.
        The network should be in evaluation mode.
        """
        images = normalize(gray.to(next(self.parameters()).device).unsqueeze(-1))
        lightness = self.lightness(images)
        output: Tensor = self(lightness)
        if flip_tta:
            output = (output + self(lightness.flip(3)).flip(3)) / 2
        return output.add_(1).mul_(127.5).permute(0, 2, 3, 1)

    def chroma_target(self, rgb: Tensor) -> Tensor:
        """Chroma that a network with chroma bins is trained to predict for rgb: (N, 2, h, w).

        Cb and Cr of `rgb`, (N, 3, H, W) on [-1, 1], averaged over the output stride.
        """
        padded = pad_to_multiple(rgb, self.params)
        return rgb_to_chroma(functional.avg_pool2d(padded, self.params.output_stride))

    def to_rgb(self, output: Tensor, lightness: Tensor) -> Tensor:
        """Rgb of what `forward` gives in training mode, or of chroma that needs no upsampling."""
        if self.params.chroma_bins:
            probabilities = bin_probabilities(output)
            chroma = decode_chroma(probabilities, self.params.chroma_range, self.margin)
            output = self._upsample(chroma, lightness)
        return to_rgb(self.params.color_space, output, lightness)

    def _upsample(self, output: Tensor, lightness: Tensor) -> Tensor:
        """Resize from the output stride to the size of `lightness`."""
        *_, height, width = lightness.shape
        if (stride := self.params.output_stride) > 1:
            output = functional.interpolate(output, scale_factor=stride, mode="bilinear")
        return output[..., :height, :width]


def predict_rows(
    network: Colorizer, gray: Tensor, rows: Tensor, flip_tta: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield rows of gray, uint8 (N, H, W), and their prediction: see `Colorizer.predict`.

    In batches of model.eval_batch_size and in evaluation mode. Each rank takes its shard of every
    batch.
    """
    network.eval()
    for batch in rows.split(network.params.eval_batch_size):
        yield shard(batch), network.predict(gray[shard(batch).to(gray.device)], flip_tta)


def to_uint8(prediction: Tensor) -> np.ndarray:
    """Round predictions in levels to a uint8 array of the same shape.

    Values outside 0..255 are clamped, NaN becomes 0.
    """
    finite = prediction.nan_to_num(nan=0, posinf=255, neginf=0)
    images: np.ndarray = finite.round().clamp(0, 255).byte().cpu().numpy()
    return images


def normalize(images: Tensor) -> Tensor:
    """Levels 0..255 to [-1, 1]: uint8 (N, H, W, C) to float32 (N, C, H, W), in channels_last."""
    return images.float().div_(127.5).sub_(1).permute(0, 3, 1, 2)
