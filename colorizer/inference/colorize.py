"""Photographs of any size, colorized by a network that was trained on small images."""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from colorizer.data.photos import over_white, tone
from colorizer.models.color_spaces import rgb_to_chroma, to_rgb
from colorizer.models.colorizer import Colorizer, normalize, to_uint8

# Longest side of the reduced photograph, as a multiple of the side that the network was trained on.
MAX_ELONGATION = 4
# Of the guided filter: its radius in pixels of the reduced photograph, and the variance of gray
# below which there is no edge. Chosen by eye with python -m experiments.analysis.full_size: larger
# windows have about 1% fewer errors there, but small things, such as an eye, take the color around
# them.
RADIUS, EPSILON = 2, 0.01
STRIP_PIXELS = 2**19  # pixels that are colorized at once, which bounds memory: 100 bytes for each


def colorize(network: Colorizer, gray: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Colorize a photograph and keep its own luma: uint8 (H, W) to (H, W, 3).

    The network predicts the chroma of the photograph reduced to `image_size`, the height and width
    that it was trained on, and of its mirror image. A guided filter (He et al. 2013; on reduced
    images, He and Sun 2015) brings that chroma up along the edges of the photograph, as slope *
    gray + offset. Where rgb would leave 0..255 the chroma is reduced, so that luma is kept up to
    rounding.
    """
    return apply_chroma(gray, chroma_coefficients(network, gray, image_size))


def chroma_coefficients(
    network: Colorizer, gray: np.ndarray, image_size: tuple[int, int]
) -> Tensor:
    """Slopes and offsets, (1, 4, h, w), of the chroma that `colorize` gives gray, uint8 (H, W)."""
    reduced = reduce_photo(gray, image_size)
    chroma = predict_chroma(network, reduced)
    return guided_filter(normalize(reduced.unsqueeze(-1)), chroma, RADIUS, EPSILON)


def colorize_image(
    image: Image.Image,
    network: Colorizer,
    image_size: tuple[int, int],
    saturation: float,
    beside: bool,
) -> Image.Image:
    """Colorize a photograph as `colorize` does, in mode L, LA, RGB or RGBA: to RGB or RGBA.

    `saturation` is a factor on chroma: 1 is as the network predicts, 0 is gray. Of a photograph
    with transparency, the network is given what is seen over white; the luma below its alpha is
    kept, and so that of the picture over any background.

    With `beside`, gray stands on its left and the original on its right. An original that is gray
    or toned, such as sepia, is left out: it does not show the true colors.
    """
    seen = over_white(image)
    has_color = beside and seen.mode == "RGB" and tone(seen) == "color"
    coefficients = saturation * chroma_coefficients(
        network, np.asarray(seen.convert("L")), image_size
    )
    del seen  # before more memory is taken
    panels = 1 + beside + has_color
    width, height = image.size
    gray = np.asarray(image if image.mode == "L" else image.convert("L"))
    has_alpha = image.mode.endswith("A")
    row = Image.new("RGBA" if has_alpha else "RGB", (panels * width, height))
    if has_color:
        row.paste(image, (2 * width, 0))
    if beside:
        row.paste(Image.fromarray(gray), (0, 0))
    for rows, strip in color_strips(gray, coefficients):
        row.paste(Image.fromarray(strip), (beside * width, rows.start))
    if has_alpha:
        alpha = Image.new("L", row.size)
        for number in range(panels):
            alpha.paste(image.getchannel("A"), (number * width, 0))
        row.putalpha(alpha)
    return row


def reduce_photo(gray: np.ndarray, image_size: tuple[int, int]) -> Tensor:
    """Resize gray, uint8 (H, W), to what a network should see: uint8 (1, h, w).

    Keeps the proportions. Both sides are at least those of `image_size`, except for very elongated
    photographs.
    """
    height, width = gray.shape
    scales = [trained / side for trained, side in zip(image_size, gray.shape, strict=True)]
    scale = min(max(scales), MAX_ELONGATION * min(scales))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    resized = Image.fromarray(gray).resize(size, Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(resized)).unsqueeze(0)


def predict_chroma(network: Colorizer, gray: Tensor) -> Tensor:
    """Cb and Cr (1, 2, h, w) on [-1, 1] that a network predicts for gray, uint8 (1, h, w)."""
    prediction = network.eval().predict(gray, flip_tta=True)
    return rgb_to_chroma(prediction.cpu().permute(0, 3, 1, 2) / 127.5 - 1)


def guided_filter(gray: Tensor, chroma: Tensor, radius: int, epsilon: float) -> Tensor:
    """Slopes and offsets with which chroma (N, 2, h, w) follows gray (N, 1, h, w): (N, 4, h, w).

    Fits a line by least squares in the window around each pixel, (2 radius + 1)^2 pixels; a
    variance of gray that is small against `epsilon` flattens it. Then averages the lines of all
    windows that contain a pixel.
    """

    def window_mean(images: Tensor) -> Tensor:
        side = 2 * radius + 1
        return functional.avg_pool2d(images, side, 1, radius, count_include_pad=False)

    mean_gray, mean_chroma = window_mean(gray), window_mean(chroma)
    variance = window_mean(gray * gray) - mean_gray * mean_gray
    slope = (window_mean(gray * chroma) - mean_gray * mean_chroma) / (variance + epsilon)
    return window_mean(torch.cat([slope, mean_chroma - slope * mean_gray], dim=1))


def apply_chroma(gray: np.ndarray, coefficients: Tensor) -> np.ndarray:
    """Rgb, uint8 (H, W, 3), of gray, uint8 (H, W), and slopes and offsets (1, 4, h, w)."""
    rgb = np.empty((*gray.shape, 3), np.uint8)
    for rows, strip in color_strips(gray, coefficients):
        rgb[rows] = strip
    return rgb


def color_strips(gray: np.ndarray, coefficients: Tensor) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the rgb of `apply_chroma` in strips, which take little memory: rows and their rgb."""
    strip_height = max(1, STRIP_PIXELS // gray.shape[1])
    for top in range(0, len(gray), strip_height):
        rows = slice(top, min(top + strip_height, len(gray)))
        strip = normalize(torch.from_numpy(gray[None, rows, :, None].copy()))
        slopes, offsets = _upsample(coefficients, gray.shape, rows).chunk(2, dim=1)
        colors = with_luma(slopes * strip + offsets, strip)
        yield rows, to_uint8(((colors + 1) * 127.5).permute(0, 2, 3, 1))[0]


def with_luma(chroma: Tensor, gray: Tensor) -> Tensor:
    """Rgb (N, 3, H, W) with the luma of gray; chroma is reduced where rgb would leave [-1, 1]."""
    rgb = to_rgb("ycbcr", chroma, gray)
    difference = rgb - gray
    room = torch.where(difference > 0, 1 - gray, 1 + gray)
    share = (room / difference.abs().clamp(min=1e-6)).amin(dim=1, keepdim=True).clamp(max=1)
    return gray + share * difference


def _upsample(planes: Tensor, size: tuple[int, ...], rows: slice) -> Tensor:
    """Some rows of planes, (1, C, h, w), resized bilinearly to (H, W): (1, C, rows, W)."""
    height, width = size
    scale = planes.shape[2] / height
    box = (0, rows.start * scale, planes.shape[3], rows.stop * scale)
    strip_size = width, rows.stop - rows.start
    # By Pillow, whose resize takes a box and looks beyond it, so that strips meet without a seam.
    images = [Image.fromarray(plane.numpy()) for plane in planes[0]]
    bilinear = Image.Resampling.BILINEAR
    resized = [np.asarray(image.resize(strip_size, bilinear, box)) for image in images]
    return torch.from_numpy(np.stack(resized)).unsqueeze(0)
