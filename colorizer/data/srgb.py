"""Images and samples of 8 and 16 bits to 8-bit sRGB; ICC profiles (ISO 15076-1) by LittleCMS."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from typing import Literal

import numpy as np
from PIL import Image, ImageCms

# A profile that moves no color by more than this many levels is sRGB up to rounding, whatever its
# name: its values stay as they are.
SRGB_TOLERANCE = 2

GRAY_MODES = {"1", "L", "LA", "La"}  # of Pillow
STRIP_HEIGHT = 256  # rows of samples that are converted at once, which bounds memory


@dataclass(frozen=True)
class Samples:
    """Pixels of 16 bits per channel, read in strips.

    `rows` gives uint16 (h, W, C) of some rows, with C = 1 or 3 channels of color and `has_alpha`
    one more. `transparent` is the one color without opacity, if any.
    """

    size: tuple[int, int]
    rows: Callable[[slice], np.ndarray]
    has_alpha: bool
    transparent: tuple[int, ...] | None
    is_gray: bool


def image_to_srgb(
    image: Image.Image, profile: bytes | None, mode: Literal["RGB", "L"]
) -> Image.Image:
    """Convert an image of 8 bits per channel to `mode`, with alpha if it has transparency.

    "L" is the luma of ITU-R BT.601. The image may be changed in place.
    """
    if image.mode == "La":
        image = image.convert("LA")
    is_gray, alpha = image.mode in GRAY_MODES, None
    if image.has_transparency_data:
        image = image.convert("LA" if is_gray else "RGBA")
        alpha = image.getchannel("A")
    if is_gray:
        image = image.convert("L")
        curve = gray_curve(profile)
        if curve is not None:
            image = image.point(curve.tolist())
    else:
        transform = rgb_transform(profile, "CMYK" if image.mode == "CMYK" else "RGB")
        if image.mode not in {"RGB", "CMYK"} and (transform or image.mode != "RGBA"):
            image = image.convert("RGB")
        if transform and image.mode == "CMYK":
            image = ImageCms.applyTransform(image, transform) or image
        elif transform:
            ImageCms.applyTransform(image, transform, inPlace=True)  # a copy takes memory
    if image.mode != mode:
        image = image.convert(mode)
    return _with_alpha(image, alpha)


def samples_to_srgb(
    samples: Samples, profile: bytes | None, mode: Literal["RGB", "L"]
) -> Image.Image:
    """Convert in strips to an image in `mode`, with alpha where the samples have some."""
    curve = gray_curve(profile) if samples.is_gray else None
    transform = None if samples.is_gray else rgb_transform(profile, "RGB")
    height = samples.size[1]
    decoded = Image.new(mode, samples.size)
    translucent = samples.has_alpha or samples.transparent is not None
    alpha = Image.new("L", samples.size) if translucent else None
    channels = 1 if samples.is_gray else 3
    for top in range(0, height, STRIP_HEIGHT):
        values = samples.rows(slice(top, min(top + STRIP_HEIGHT, height)))
        color = values[..., :channels]
        if samples.is_gray:
            strip = Image.fromarray(deep_gray_to_srgb(color[..., 0], curve))
        else:
            strip = Image.fromarray(deep_rgb_to_srgb(color, transform))
        decoded.paste(strip.convert(mode), (0, top))
        if alpha is not None:
            if samples.has_alpha:
                opacity = deep_gray_to_srgb(values[..., channels], None)
            else:
                is_opaque = (color != np.array(samples.transparent)).any(axis=-1)
                opacity = (is_opaque * 255).astype(np.uint8)
            alpha.paste(Image.fromarray(opacity), (0, top))
    return _with_alpha(decoded, alpha)


def rgb_transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The conversion of images of a mode, "RGB" or "CMYK", to sRGB.

    None where the values count as sRGB: without a profile, with an unusable one or one of another
    color space, and when it is sRGB.
    """
    transform = _transform(profile, mode, ImageCms.Flags.NONE)
    if transform and mode == "RGB":
        levels = np.linspace(0, 255, 9).astype(np.uint8)
        colors = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(9, 81, 3)
        return None if _is_close(_apply(colors, transform), colors) else transform
    return transform


def gray_curve(profile: bytes | None) -> np.ndarray | None:
    """The sRGB level, uint8 (256,), of each 8-bit gray value; None as for `rgb_transform`.

    The profile may be of gray or, as many programs embed, of RGB.
    """
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 256)
    # Without optimization: LittleCMS's is up to 10 levels off for gray with a linear profile.
    exact = ImageCms.Flags.NOOPTIMIZE
    if transform := _transform(profile, "L", exact):
        converted = _apply(ramp, transform)
    elif transform := _transform(profile, "RGB", exact):
        converted = _apply(np.repeat(ramp[..., None], 3, axis=-1), transform)
    else:
        return None
    curve = np.asarray(Image.fromarray(converted).convert("L"))[0]
    return None if _is_close(curve, ramp) else curve


def deep_gray_to_srgb(gray: np.ndarray, curve: np.ndarray | None) -> np.ndarray:
    """16-bit gray, uint16 (...), to 8-bit sRGB levels, with the curve of `gray_curve`."""
    if curve is None:
        curve = np.arange(256, dtype=np.uint8)
    levels = np.interp(np.arange(65536) / 257, np.arange(256), curve)
    converted: np.ndarray = np.rint(levels).astype(np.uint8)[gray]
    return converted


def deep_rgb_to_srgb(rgb: np.ndarray, transform: ImageCms.ImageCmsTransform | None) -> np.ndarray:
    """16-bit rgb, uint16 (H, W, 3), to 8-bit sRGB, with the conversion of `rgb_transform`.

    LittleCMS takes 8 bits from Pillow, so interpolates between the 8 neighbors that have 8 bits.
    """
    if transform is None:
        return deep_gray_to_srgb(rgb, None)
    below, above_share = rgb // 257, (rgb % 257 / 257).astype(np.float32)
    converted = np.zeros(rgb.shape, np.float32)
    for corner in product((0, 1), repeat=3):
        neighbor = np.minimum(below + np.array(corner, np.uint16), 255).astype(np.uint8)
        share = np.where(corner, above_share, 1 - above_share).prod(axis=-1, keepdims=True)
        converted += share * _apply(neighbor, transform)
    return np.rint(converted).astype(np.uint8)


def _transform(
    profile: bytes | None, mode: str, flags: ImageCms.Flags
) -> ImageCms.ImageCmsTransform | None:
    """The conversion of images of a mode to sRGB; None when the profile is of no such images."""
    if not profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(source, srgb, mode, "RGB", flags=flags)
    except (OSError, ImageCms.PyCMSError):
        return None


def _apply(values: np.ndarray, transform: ImageCms.ImageCmsTransform) -> np.ndarray:
    return np.asarray(ImageCms.applyTransform(Image.fromarray(values), transform))


def _is_close(converted: np.ndarray, values: np.ndarray) -> bool:
    return bool(np.abs(converted.astype(int) - values).max() <= SRGB_TOLERANCE)


def _with_alpha(image: Image.Image, alpha: Image.Image | None) -> Image.Image:
    if alpha is not None:
        image.putalpha(alpha)
    return image
