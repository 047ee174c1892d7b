"""Image files that Pillow alone reads wrongly, not at all, or for minutes."""

import inspect
import io
import math
import re
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import EpsImagePlugin, Image, ImageCms, PngImagePlugin
from PIL.PngImagePlugin import PngInfo

from colorizer.data import decoding
from colorizer.data.photos import MAX_MEGAPIXELS, count_kinds, decode_photo, find_photos
from colorizer.data.photos import read_photo as read_limited
from colorizer.errors import InputError
from tests.broken import png
from tests.icc import gray_profile, rgb_profile, srgb_levels

RANDOM = np.random.default_rng(0)
DEEP = RANDOM.integers(0, 65536, (40, 30, 4), dtype=np.uint16)
EIGHT = RANDOM.integers(0, 256, (40, 30, 4), dtype=np.uint8)
COLORS = {"rgb": 3, "cmyk": 4, "gray": 1}
PHOTOMETRIC = {"rgb": "rgb", "cmyk": "separated", "gray": "minisblack"}


def read_photo(path: Path, mode: str) -> Image.Image:
    return read_limited(path, mode, MAX_MEGAPIXELS).image


def write_tiff(path: Path, colors: str, values: np.ndarray, **options: object) -> None:
    """A TIFF by tifffile; `values` (H, W) or (H, W, C)."""
    if options.get("planarconfig") == "separate":
        values = np.moveaxis(values, -1, 0)
    tifffile.imwrite(path, values, photometric=PHOTOMETRIC.get(colors, colors), **options)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as raised:
        read_photo(path, "RGB")
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def as_rgb(colors: str, values: np.ndarray) -> np.ndarray:
    """Levels 0..255 of rgb of values on [0, 1], with inks as in Pillow."""
    if colors == "cmyk":
        return 255 * (1 - values[..., :3]) * (1 - values[..., 3:4])
    return 255 * np.broadcast_to(values[..., :3], (*values.shape[:2], 3))


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize(("values", "white"), [(EIGHT, 255), (DEEP, 65535)], ids=["8", "16"])
@pytest.mark.parametrize("colors", ["rgb", "rgba", "cmyk"])
def test_tiff_of_colors_in_any_layout_is_read(
    tmp_path, colors, values, white, tile, planarconfig, byteorder, compression
):
    channels = 3 if colors == "rgb" else 4
    options = {"extrasamples": ["unassalpha"]} if colors == "rgba" else {}
    options |= {"planarconfig": planarconfig, "byteorder": byteorder, "tile": tile}
    options |= {"compression": compression}
    write_tiff(tmp_path / "x.tif", colors.removesuffix("a"), values[..., :channels], **options)
    image = read_photo(tmp_path / "x.tif", "RGB")
    expected = as_rgb(colors, values[..., :channels] / white)
    # Pillow keeps the high byte of 16 bits: up to 1 level less, and inks are multiplied.
    assert np.abs(np.asarray(image.convert("RGB")) - expected).max() <= (2 if channels == 4 else 1)
    if colors == "rgba":
        assert np.abs(np.asarray(image.getchannel("A")) - 255 * (values[..., 3] / white)).max() <= 1


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize("alpha", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize(("values", "white"), [(EIGHT, 255), (DEEP, 65535)], ids=["8", "16"])
def test_tiff_of_gray_with_alpha_is_read(
    tmp_path, values, white, alpha, planarconfig, byteorder, compression
):
    gray, opacity = values[..., 0], values[..., 1]
    if alpha == "assocalpha":  # stored premultiplied, so never above the opacity
        gray = np.minimum(gray, opacity)
    options = {"planarconfig": planarconfig, "byteorder": byteorder, "compression": compression}
    stored = np.stack([gray, opacity], axis=-1)
    write_tiff(tmp_path / "x.tif", "gray", stored, extrasamples=[alpha], **options)
    image = read_photo(tmp_path / "x.tif", "L")
    assert image.mode == "LA"
    assert np.abs(np.asarray(image.getchannel("A")) - 255 * (opacity / white)).max() <= 1
    straight = gray / white
    if alpha == "assocalpha":
        straight = gray / np.maximum(opacity, 1)
    visible = opacity > white / 10
    difference = np.abs(np.asarray(image.getchannel("L")) - 255 * straight)
    assert difference[visible].max() <= 1


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("values", [EIGHT, DEEP], ids=["8", "16"])
def test_tiff_with_white_as_zero_is_inverted(tmp_path, values, byteorder, compression):
    gray, white = values[..., 0], np.iinfo(values.dtype).max
    options = {"byteorder": byteorder, "compression": compression}
    write_tiff(tmp_path / "x.tif", "miniswhite", gray, **options)
    image = read_photo(tmp_path / "x.tif", "L")
    assert np.abs(np.asarray(image) - 255 * (1 - gray / white)).max() <= 1


def test_tiff_of_12_bits_has_4095_as_white(tmp_path):
    gray = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
    high, low = gray.reshape(-1, 2).T
    packed = np.stack([high >> 4, (high & 15) << 4 | low >> 8, low & 255], axis=-1)
    tags = {256: 16, 257: 16, 258: 12, 259: 1, 262: 1, 273: 8 + 2 + 12 * 9 + 4, 277: 1}
    tags |= {278: 16, 279: packed.size}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    content = b"II*\0" + struct.pack("<I", 8) + directory + packed.astype(np.uint8).tobytes()
    (tmp_path / "x.tif").write_bytes(content)
    image = read_photo(tmp_path / "x.tif", "L")
    assert np.abs(np.asarray(image) - gray / 4095 * 255).max() <= 1


@pytest.mark.parametrize("white", [255, 65535])
def test_the_color_map_of_a_tiff_is_of_8_or_16_bits(tmp_path, white):
    """65535 is by the standard; some programs write 255."""
    colors = RANDOM.integers(0, 256, (3, 256), dtype=np.uint16)
    index = EIGHT[..., 0]
    colormap = (colors * (white // 255)).astype(np.uint16)
    write_tiff(tmp_path / "x.tif", "palette", index, colormap=colormap)
    image = read_photo(tmp_path / "x.tif", "RGB")
    np.testing.assert_array_equal(image, np.moveaxis(colors[:, index], 0, -1))


@pytest.mark.parametrize(
    ("values", "options", "kind"),
    [
        (EIGHT[..., :3].astype(np.float32), {}, "a TIFF of 32-bit float RGB"),
        (EIGHT[..., 0].astype(np.float64), {}, "a TIFF of 64-bit float gray"),
        (EIGHT[..., 0].view(np.int8), {}, "a TIFF of 8-bit signed gray"),
        (DEEP[..., 0].view(np.int16), {}, "a TIFF of 16-bit signed gray"),
        (DEEP[..., 0].astype(np.uint32), {}, "a TIFF of 32-bit gray"),
        (
            EIGHT[..., :3],
            {"photometric": "cielab", "planarconfig": "separate"},
            "CIELAB, in planes",
        ),
    ],
)
def test_a_tiff_that_is_not_read_is_refused_by_its_kind(tmp_path, values, options, kind):
    photometric = "rgb" if values.ndim == 3 else "gray"
    options = {"colors": photometric, "values": values} | options
    options["colors"] = options.pop("photometric", options["colors"])
    write_tiff(tmp_path / "x.tif", **options)
    message = refusal(tmp_path / "x.tif")
    assert kind in message
    assert "save it with 8 or 16 bits" in message


def test_a_camera_raw_file_is_not_read_as_its_preview(tmp_path):
    preview = np.zeros((16, 16, 3), np.uint8)
    dng_version = (50706, 1, 4, (1, 4, 0, 0), True)
    write_tiff(tmp_path / "a.tif", "rgb", preview, extratags=[dng_version])
    write_tiff(tmp_path / "b.tif", "rgb", preview, subfiletype=1)
    write_tiff(tmp_path / "c.nef", "rgb", preview)
    for name in ("a.tif", "b.tif", "c.nef"):
        assert "camera raw" in refusal(tmp_path / name)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_the_transparent_value_of_gray_png_is_of_its_depth(tmp_path, depth):
    levels = 2**depth
    values = np.arange(levels).repeat(8).reshape(-1, 8 * levels)  # one row
    bits = (values[..., None] >> np.arange(depth - 1, -1, -1)) & 1
    packed = np.packbits(bits.reshape(1, -1).astype(np.uint8), axis=1)
    transparent = levels // 2
    tag = {"tRNS": struct.pack(">H", transparent)}
    (tmp_path / "x.png").write_bytes(png(values.size, 1, depth, 0, packed, **tag))
    image = read_photo(tmp_path / "x.png", "L")
    np.testing.assert_array_equal(image.getchannel("L"), values * 255 // (levels - 1))
    np.testing.assert_array_equal(image.getchannel("A"), (values != transparent) * 255)


def test_the_transparent_color_of_a_png_is_compared_at_16_bits(tmp_path):
    rgb = DEEP[..., :3].copy()
    rgb[3, 4] = rgb[5, 6] ^ (0, 0, 1)  # differs in the lowest bit
    tag = {"tRNS": struct.pack(">HHH", *rgb[5, 6])}
    (tmp_path / "x.png").write_bytes(png(30, 40, 16, 2, rgb.astype(">u2"), **tag))
    image = read_photo(tmp_path / "x.png", "RGB")
    opaque = np.full((40, 30), 255)
    opaque[5, 6] = 0
    np.testing.assert_array_equal(image.getchannel("A"), opaque)
    assert np.abs(np.asarray(image.convert("RGB")) - rgb / 257).max() <= 1


def ramp(dtype: type[np.unsignedinteger]) -> np.ndarray:
    """All 8-bit values, or 16-bit ones with more of the dark ones, as (16, 16)."""
    if dtype is np.uint8:
        return np.arange(256, dtype=np.uint8).reshape(16, 16)
    return (65535 * np.linspace(0, 1, 256) ** 3).astype(np.uint16).reshape(16, 16)


@pytest.mark.parametrize("gamma", [1.0, 1.8, 3.0])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("profile", [gray_profile, rgb_profile])
def test_gray_is_converted_from_its_profile(tmp_path, profile, suffix, dtype, gamma):
    gray = ramp(dtype)
    Image.fromarray(gray).save(tmp_path / f"x.{suffix}", icc_profile=profile(gamma))
    image = read_photo(tmp_path / f"x.{suffix}", "L")
    expected = srgb_levels(gray / np.iinfo(dtype).max, gamma)
    assert np.abs(np.asarray(image) - expected).max() <= 1


def test_gray_with_alpha_is_converted_from_its_profile(tmp_path):
    for depth, dtype in ((8, np.uint8), (16, np.uint16)):
        gray = ramp(dtype)
        pixels = np.stack([gray, gray[::-1]], axis=-1)
        compressed = b"x\0\0" + zlib.compress(gray_profile(1.8))
        rows = pixels.astype(pixels.dtype.newbyteorder(">"))
        (tmp_path / "x.png").write_bytes(png(16, 16, depth, 4, rows, iCCP=compressed))
        image = read_photo(tmp_path / "x.png", "L")
        white = np.iinfo(dtype).max
        assert np.abs(np.asarray(image.getchannel("L")) - srgb_levels(gray / white, 1.8)).max() <= 1
        assert np.abs(np.asarray(image.getchannel("A")) - gray[::-1] / white * 255).max() <= 1


@pytest.mark.parametrize("gamma", [1.0, 1.8])
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_colors_of_16_bits_are_converted_from_their_profile_at_16_bits(
    tmp_path, channels, suffix, gamma
):
    """A linear profile spreads the darkest 8-bit level over 13 levels of sRGB."""
    rgb = (65535 * (DEEP / 65535) ** 3).astype(np.uint16)[..., :channels]
    path = tmp_path / f"x.{suffix}"
    if suffix == "png":
        compressed = b"x\0\0" + zlib.compress(rgb_profile(gamma))
        path.write_bytes(
            png(30, 40, 16, {3: 2, 4: 6}[channels], rgb.astype(">u2"), iCCP=compressed)
        )
    else:
        options = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
        write_tiff(path, "rgb", rgb, iccprofile=rgb_profile(gamma), **options)
    image = read_photo(path, "RGB")
    expected = srgb_levels(rgb[..., :3] / 65535, gamma)
    assert np.abs(np.asarray(image.convert("RGB")) - expected).max() <= 2
    assert image.mode == ("RGBA" if channels == 4 else "RGB")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_rounded_to_the_same_levels_in_gray_and_in_color(tmp_path, suffix):
    gray = np.arange(0, 65536, 5, dtype=np.uint16)[None, :]
    rgb = np.repeat(gray[..., None], 3, axis=-1)
    levels = np.rint(gray / 257)  # 65535 is 255
    for mode, values in {"L": gray, "RGB": rgb}.items():
        path = tmp_path / f"{mode}.{suffix}"
        if suffix == "png":
            kind = {"L": 0, "RGB": 2}[mode]
            path.write_bytes(png(gray.size, 1, 16, kind, values.astype(">u2")))
        else:
            write_tiff(path, {"L": "gray", "RGB": "rgb"}[mode], values)
        np.testing.assert_array_equal(read_photo(path, "L"), levels)


def test_a_profile_of_another_color_space_is_ignored(tmp_path):
    Image.fromarray(EIGHT[..., :3]).save(tmp_path / "x.png", icc_profile=gray_profile(1.8))
    np.testing.assert_array_equal(read_photo(tmp_path / "x.png", "RGB"), EIGHT[..., :3])
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(EIGHT[..., 0]).save(tmp_path / "x.png", icc_profile=lab)
    np.testing.assert_array_equal(read_photo(tmp_path / "x.png", "L"), EIGHT[..., 0])


def jpeg2000_with_palette(index: np.ndarray, colors: np.ndarray) -> bytes:
    """JPEG 2000 of `index`, (H, W), into `colors`, uint8 (N, C), by ISO/IEC 15444-1, annex I."""

    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + kind + content

    file = io.BytesIO()
    Image.fromarray(index).save(file, "JPEG2000", irreversible=False)
    content = file.getvalue()
    codestream = content[content.index(b"jp2c") - 4 :]
    channels = colors.shape[1]
    palette = struct.pack(">HB", *colors.shape) + bytes([7] * channels) + colors.tobytes()
    header = [
        (b"ihdr", struct.pack(">IIHBBBB", *index.shape, 1, 7, 7, 0, 0)),
        (b"colr", struct.pack(">BBBI", 1, 0, 0, 16)),
        (b"pclr", palette),
        (b"cmap", b"".join(struct.pack(">HBB", 0, 1, channel) for channel in range(channels))),
    ]
    boxes = [
        (b"jP  ", b"\r\n\x87\n"),
        (b"ftyp", b"jp2 \0\0\0\0jp2 "),
        (b"jp2h", b"".join(box(*each) for each in header)),
    ]
    return b"".join(box(*each) for each in boxes) + codestream


def test_a_palette_of_jpeg_2000_may_repeat_colors(tmp_path):
    index = RANDOM.integers(0, 16, (40, 30), dtype=np.uint8)
    colors = RANDOM.integers(0, 256, (16, 3), dtype=np.uint8)
    colors[3] = colors[7] = colors[1]
    (tmp_path / "x.jp2").write_bytes(jpeg2000_with_palette(index, colors))
    np.testing.assert_array_equal(read_photo(tmp_path / "x.jp2", "RGB"), colors[index])
    (tmp_path / "x.jp2").write_bytes(jpeg2000_with_palette(index, colors[:, [0, 1, 2, 0]]))
    assert "unusual palette" in refusal(tmp_path / "x.jp2")


def exif(*entries: tuple[int, int, bytes]) -> bytes:
    """EXIF with entries of a tag, a type and a value of up to 4 bytes (big-endian)."""
    directory = b"".join(
        struct.pack(">HHI", tag, kind, len(value) // {1: 1, 2: 1, 3: 2, 4: 4}[kind])
        + value.ljust(4, b"\0")
        for tag, kind, value in sorted(entries)
    )
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", len(entries)) + directory + bytes(4)


BYTE, ASCII, SHORT, LONG = 1, 2, 3, 4


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize(
    "others",
    [
        [],
        [(282, ASCII, b"72\0")],  # XResolution, which Pillow cannot write back as text
        [(282, BYTE, b"H")],
        [(306, LONG, b"\0\0\0\1")],  # DateTime
        [(271, SHORT, b"\0\1")],  # Make
    ],
)
@pytest.mark.parametrize("orientation", [(SHORT, b"\0\6"), (BYTE, b"\6"), (LONG, b"\0\0\0\6")])
def test_the_orientation_is_applied_whatever_the_types_of_tags(
    tmp_path, orientation, others, suffix
):
    stored = Image.new("RGB", (40, 24), (255, 0, 0))
    stored.paste((0, 0, 255), (0, 0, 40, 12))  # the upper half, which belongs to the right
    stored.save(tmp_path / f"x.{suffix}", exif=exif((274, *orientation), *others))
    upright = np.asarray(read_photo(tmp_path / f"x.{suffix}", "RGB")).astype(int)
    assert upright.shape == (40, 24, 3)
    assert (upright[:, 14:, 2] > 200).all()
    assert (upright[:, :10, 0] > 200).all()


@pytest.mark.parametrize("kind", [1, 3, 4])
def test_the_orientation_of_a_tiff_is_applied_whatever_its_type(tmp_path, kind):
    write_tiff(tmp_path / "x.tif", "rgb", EIGHT[..., :3], extratags=[(274, kind, 1, 6, True)])
    upright = read_photo(tmp_path / "x.tif", "RGB")
    np.testing.assert_array_equal(upright, np.rot90(EIGHT[..., :3], -1))


def test_16_bit_pgm_and_ppm_are_read(tmp_path):
    for name, values in (("x.pgm", DEEP[..., 0]), ("x.ppm", DEEP[..., :3])):
        for white in (65535, 1023):
            stored = values.astype(np.uint32) * white // 65535
            magic = b"P5" if values.ndim == 2 else b"P6"
            header = magic + b" 30 40 %d\n" % white
            (tmp_path / name).write_bytes(header + stored.astype(">u2").tobytes())
            image = np.asarray(read_photo(tmp_path / name, "RGB")).astype(float)
            expected = stored.reshape(40, 30, -1) / white * 255
            assert np.abs(image - expected).max() <= 1


def test_png_with_a_long_text_is_read(tmp_path):
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "x" * 3_000_000, zip=True)
    Image.fromarray(EIGHT[..., :3]).save(tmp_path / "x.png", pnginfo=text)
    np.testing.assert_array_equal(read_photo(tmp_path / "x.png", "RGB"), EIGHT[..., :3])


@pytest.mark.parametrize("suffix", ["tif", "gif", "webp", "png"])
def test_which_image_of_a_file_is_the_photograph(tmp_path, suffix):
    first, *others = (Image.fromarray(RANDOM.permuted(EIGHT[..., :3], axis=2)) for _ in range(3))
    path = tmp_path / f"x.{suffix}"
    first.save(path, save_all=True, append_images=others, lossless=True)
    photo = read_limited(path, "RGB", MAX_MEGAPIXELS)
    assert photo.position == ("page 1 of 3" if suffix == "tif" else "frame 1 of 3")
    with Image.open(path) as image:  # at its first one
        np.testing.assert_array_equal(photo.image.convert("RGB"), image.convert("RGB"))
    first.save(path)
    assert read_limited(path, "RGB", MAX_MEGAPIXELS).position == ""


def test_texts_after_the_pixels_are_read_and_other_frames_are_not(tmp_path, monkeypatch):
    still = png(30, 40, 8, 2, EIGHT[..., :3])
    end = still.index(b"IEND") - 4
    chunk = b"tEXtTitle\x001950"
    crc = struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(still[:end] + b"\0\0\0\x0a" + chunk + crc + still[end:])
    first = Image.fromarray(EIGHT[..., :3])
    text = PngInfo()
    text.add_text("Title", "1950")
    frames = {"append_images": [first.rotate(90), first.rotate(180)], "save_all": True}
    first.save(tmp_path / "b.png", pnginfo=text, **frames)
    loads = []
    load_end = PngImagePlugin.PngImageFile.load_end

    def counted(image: PngImagePlugin.PngImageFile) -> None:
        loads.append(image.tell())
        load_end(image)

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_end", counted)
    for name in ("a.png", "b.png"):
        assert read_limited(tmp_path / name, "RGB", MAX_MEGAPIXELS).metadata.text["Title"] == "1950"
    assert loads == [0, 0]
    with pytest.raises(InputError, match="megapixels"):
        read_limited(tmp_path / "a.png", "RGB", 0.0001)
    assert loads == [0, 0]


def iptc(compression: int, content: bytes) -> bytes:
    """An image of 9 x 9 gray pixels in IPTC (IIM, record 3; object data in record 8)."""

    def field(record: int, dataset: int, value: bytes) -> bytes:
        return struct.pack(">BBBH", 0x1C, record, dataset, len(value)) + value

    header = {60: b"\1\0", 20: b"\0\x09", 30: b"\0\x09", 120: bytes([compression])}
    fields = b"".join(field(3, dataset, value) for dataset, value in header.items())
    return fields + field(8, 10, content)


def test_postscript_within_another_format_is_not_executed(tmp_path, monkeypatch):
    executed = []

    def execute(*_: object) -> None:
        executed.append(True)
        raise OSError("executed")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", execute)
    eps = io.BytesIO()
    Image.new("L", (9, 9)).save(eps, "EPS")
    path = tmp_path / "x.iim"
    path.write_bytes(iptc(5, eps.getvalue()))
    with pytest.raises(OSError, match="executed"), Image.open(path) as image:  # by Pillow alone
        image.load()
    assert len(executed) == 1
    assert "is not an image in a known format" in refusal(path)
    assert find_photos_or_none(path.parent) == []
    assert len(executed) == 1


def find_photos_or_none(folder: Path) -> list[str]:
    try:
        return find_photos(folder)[0]
    except InputError:
        return []


def test_no_format_lets_pillow_open_any_other():
    for name in decoding.FORMATS:
        factory = Image.OPEN[name][0]
        for method in ("_open", "load", "load_prepare", "load_end", "seek"):
            if function := getattr(factory, method, None):
                source = inspect.getsource(function)
                assert not re.search(r"^[^#]*\bImage\.open\(", source, re.MULTILINE), name


def test_a_large_photograph_without_a_suffix_is_found(tmp_path):
    header = png(20_000, 18_000, 8, 2, np.zeros((1, 1), np.uint8))
    (tmp_path / "large").write_bytes(header)
    assert find_photos(tmp_path) == (["large"], [])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a PostScript document"),
        (b"\n<!DOCTYPE html>", "a web page"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (b"\0\0\0\x14ftypqt  ", "a video"),
        (b"\0\0\0\x18ftypcrx ", "a camera raw file"),
        (b"#?RADIANCE\n", "Radiance HDR"),
        (b"II*\0\x08\0\0\0", "a damaged TIFF"),
        (b"nothing", "not an image in a known format"),
    ],
)
def test_what_is_no_image_is_refused_by_its_kind(tmp_path, content, kind):
    (tmp_path / "x.jpg").write_bytes(content)
    assert f"is {kind}" in refusal(tmp_path / "x.jpg")


def test_heif_is_read_where_pillow_heif_is_installed(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:, 32:] = (200, 40, 90)
    file = pillow_heif.from_bytes("RGB", (64, 64), rgb.tobytes())
    file.save(tmp_path / "x.heic", quality=100)
    assert np.abs(np.asarray(read_photo(tmp_path / "x.heic", "RGB")) - rgb.astype(int)).max() <= 6
    assert find_photos(tmp_path) == (["x.heic"], [])


def test_heif_without_pillow_heif_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "HAS_HEIF", False)
    monkeypatch.setattr("colorizer.data.photos.HAS_HEIF", False)
    monkeypatch.setattr(decoding, "FORMATS", [name for name in decoding.FORMATS if name != "HEIF"])
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert "pip install -r requirements-heic.txt" in refusal(tmp_path / "x.heic")
    assert "pip install -r requirements-heic.txt" in count_kinds(["x.heic"])


def progressive(size: tuple[int, int], more_scans: int) -> bytes:
    """A gray progressive JPEG, of 6 scans, whose last scan comes some more times."""
    file = io.BytesIO()
    Image.new("L", size, 77).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * more_scans + content[-2:]


def test_a_jpeg_of_thousands_of_scans_is_refused_at_once(tmp_path):
    (tmp_path / "x.jpg").write_bytes(progressive((64, 64), 90))
    assert np.abs(np.asarray(read_photo(tmp_path / "x.jpg", "L")).astype(int) - 77).max() <= 1
    (tmp_path / "x.jpg").write_bytes(progressive((6000, 4000), 20_000))  # 4 minutes, in 1 MB
    start = time.monotonic()
    assert "has 20006 scans" in refusal(tmp_path / "x.jpg")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_more_megapixels_than_the_limit_are_refused(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    Image.new("L", (1000, 1001)).save(path)
    assert read_limited(path, "L", 1.001).image.size == (1000, 1001)
    assert read_limited(path, "L", math.inf).image.size == (1000, 1001)
    with pytest.raises(InputError, match=r"more than 1 megapixels; reduce it$"):
        read_limited(path, "L", 1)
    write_tiff(tmp_path / "deep.tif", "gray", DEEP[..., :2], extrasamples=["unassalpha"])
    with pytest.raises(InputError, match=r"more than 0\.001 megapixels"):
        read_limited(tmp_path / "deep.tif", "L", 0.001)


def test_too_little_memory_names_the_photograph(tmp_path, monkeypatch):
    Image.new("L", (9, 9)).save(tmp_path / "x.png")

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(MemoryError, match=r"x\.png: takes more memory than there is"):
        read_photo(tmp_path / "x.png", "L")


def test_a_large_jpeg_is_reduced_while_it_is_decoded_and_looks_the_same(tmp_path, monkeypatch):
    photograph = Image.fromarray(skimage.data.astronaut()).resize((2400, 1600))
    photograph.save(tmp_path / "x.jpg", quality=95)
    photograph.save(tmp_path / "x.png")
    decoded = []
    monkeypatch.setattr(
        "colorizer.data.photos.decode",
        lambda *args: decoded.append(decoding.decode(*args)) or decoded[-1],
    )
    from_jpeg, from_png = (decode_photo(tmp_path / name, 50) for name in ("x.jpg", "x.png"))
    assert [photo.image.size for photo in decoded] == [(300, 200), (2400, 1600)]
    assert np.abs(from_jpeg.astype(int) - from_png).mean() < 1


def test_libraries_write_nothing_to_standard_error(tmp_path, capfd):
    good = io.BytesIO()
    Image.fromarray(EIGHT[..., :3]).save(good, "TIFF", compression="tiff_adobe_deflate")
    content = bytearray(good.getvalue())
    content[60:70] = bytes(10)
    (tmp_path / "broken.tif").write_bytes(content)
    assert "ZIPDecode: Decoding error" in refusal(tmp_path / "broken.tif")
    Image.new("RGB", (16, 16)).save(tmp_path / "x.jpg", exif=exif((274, SHORT, b"\0\1"))[:-9])
    read_photo(tmp_path / "x.jpg", "RGB")
    Image.new("P", (16, 16)).save(tmp_path / "x.tif", tiffinfo={65000: "private"})
    read_photo(tmp_path / "x.tif", "RGB")
    write_tiff(tmp_path / "many.tif", "gray", RANDOM.integers(0, 9, (8, 8, 9), dtype=np.uint8))
    read_photo(tmp_path / "many.tif", "RGB")
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_taken_by_content_where_the_suffix_says_nothing(tmp_path):
    image = Image.fromarray(EIGHT[..., :3])
    for name, kind in {
        "a": "JPEG",
        "b.001": "PNG",
        "c.jpg_original": "JPEG",
        "d.apng": "PNG",
        "e.dib": "BMP",
        "f.j2k": "JPEG2000",
        "g.ico": "ICO",
        "h.mpo": "JPEG",
        "i.JPX": "JPEG2000",
        "j.cr2": "TIFF",
        "k.nef": "TIFF",
        "l.dng": "TIFF",
    }.items():
        image.save(tmp_path / name, kind)
    for name in ("m.txt", "n.json", "o", "p.mov"):
        (tmp_path / name).write_text("P5 is no photograph\n")
    photos, others = find_photos(tmp_path)
    expected = "a b.001 c.jpg_original d.apng e.dib f.j2k g.ico h.mpo i.JPX"
    assert photos == expected.split()
    assert others == ["j.cr2", "k.nef", "l.dng", "m.txt", "n.json", "o", "p.mov"]
    assert count_kinds([*others, "x.CR2"]) == (
        "2 .cr2 (camera raw), 1 without suffix, 1 .dng (camera raw), 1 .json, 1 .mov, "
        "1 .nef (camera raw), 1 .txt"
    )
    for name in photos:
        read_photo(tmp_path / name, "RGB")
