import errno
import io
import os
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import skimage.data
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image, ImageCms

from colorizer.data import photos
from colorizer.data.photos import count_kinds, decode_photo, find_photos, over_white, tone
from colorizer.data.photos import read_photo as read_limited
from colorizer.errors import InputError
from tests.broken import PICTURES, png
from tests.icc import gray_profile, rgb_profile, srgb_levels

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
RANDOM = np.random.default_rng(0)
DEEP = RANDOM.integers(0, 65536, (40, 30, 4), dtype=np.uint16)
EIGHT = RANDOM.integers(0, 256, (40, 30, 4), dtype=np.uint8)
ICC = b"x\0\0"  # of a PNG chunk iCCP: a name, and that it is compressed


def save(path: Path, mode: str, size: tuple[int, int], color: object, **options: object) -> Path:
    Image.new(mode, size, color).save(path, **options)
    return path


def read_photo(path: Path, mode: str = "RGB") -> Image.Image:
    return read_limited(path, mode, 250)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as raised:
        read_photo(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_finds_photographs_at_any_depth_in_a_fixed_order(tmp_path):
    for name in ["b/10.jpg", "b/9.jpg", "a.PNG", "images/deep/er/x.tiff"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".thumbs").mkdir()
    for name in [".hidden.jpg", ".thumbs/x.jpg", "Thumbs.db", "notes.txt", "b/jpg"]:
        (tmp_path / name).touch()
    photos, others = find_photos(tmp_path)
    assert photos == ["a.PNG", "b/10.jpg", "b/9.jpg", "images/deep/er/x.tiff"]
    assert others == ["Thumbs.db", "b/jpg", "notes.txt"]


@pytest.mark.parametrize("name", [b"two\nlines.jpg", b"latin-\xe9.jpg", b"page\f.jpg"])
def test_names_that_are_not_one_line_of_utf8_are_refused(tmp_path, name):
    path = save(tmp_path / os.fsdecode(name), "RGB", (16, 16), RED)
    assert find_photos(tmp_path)[0] == [path.name]
    with pytest.raises(InputError, match="rename it") as raised:
        decode_photo(path, 16)
    assert str(raised.value).isascii()
    assert str(raised.value).isprintable()


def test_links_to_folders_are_followed_and_loops_end(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x.jpg").touch()
    (tmp_path / "train").mkdir()
    (tmp_path / "train/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/loop").symlink_to(tmp_path / "train")
    assert find_photos(tmp_path / "train") == (["linked/x.jpg"], [])


def test_a_missing_or_empty_folder_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"val: no such folder; .* train, val and test"):
        find_photos(tmp_path / "val")
    (tmp_path / "val").mkdir()
    with pytest.raises(InputError, match=r"val: no photographs \(\.jpg"):
        find_photos(tmp_path / "val")


def test_content_decides_where_the_suffix_says_nothing_and_camera_raw_is_no_photograph(tmp_path):
    image = Image.fromarray(EIGHT[..., :3])
    for name, kind in {"a": "JPEG", "b.001": "PNG", "c.tga": "TGA", "d.mpo": "JPEG"}.items():
        image.save(tmp_path / name, kind)
    for name in ("j.cr2", "k.NEF", "l.dng"):
        image.save(tmp_path / name, "TIFF")
    for name in ("m.txt", "o", "p.mov"):
        (tmp_path / name).write_text("P5 is no photograph\n")
    found, others = find_photos(tmp_path)
    assert found == ["a", "b.001", "c.tga", "d.mpo"]
    expected = "1 without suffix, 1 .cr2 (camera raw), 1 .dng (camera raw), 1 .mov, 1 .nef (camera"
    assert count_kinds(others).startswith(expected)
    for name in found:
        assert read_photo(tmp_path / name).size == (30, 40)
    for name in others[:3]:
        assert "is camera raw" in refusal(tmp_path / name)


def test_a_photograph_of_the_right_size_keeps_its_pixels(tmp_path):
    path, rgb = tmp_path / "9.41\u202fAM 写真\u3000一 👩\u200d🚀.png", EIGHT[:16, :16, :3]
    Image.fromarray(rgb).save(path)
    np.testing.assert_array_equal(decode_photo(path, 16), rgb)


def test_a_wide_photograph_is_cropped_to_its_center(tmp_path):
    image = Image.new("RGB", (96, 32), RED)
    image.paste(GREEN, (32, 0, 64, 32))
    image.save(tmp_path / "wide.png")
    assert (decode_photo(tmp_path / "wide.png", 16) == GREEN).all()


@pytest.mark.parametrize("suffix", ["gif", "tif"])
def test_the_first_of_several_images_is_read(tmp_path, suffix):
    first, second = Image.new("RGB", (16, 16), RED), Image.new("RGB", (16, 16), BLUE)
    first.save(tmp_path / f"x.{suffix}", save_all=True, append_images=[second])
    assert (decode_photo(tmp_path / f"x.{suffix}", 16) == RED).all()


def as_jpeg(colors: np.ndarray, quality: int = 75) -> Image.Image:
    content = io.BytesIO()
    rgb = np.clip(np.rint(colors), 0, 255).astype(np.uint8)
    Image.fromarray(rgb).save(content, "JPEG", quality=quality)
    return Image.open(content).convert("RGB")


ASTRONAUT = skimage.data.astronaut().astype(float)
GRAY = ASTRONAUT.mean(axis=-1, keepdims=True)
TONES = {"gray": ((0, 0, 0), (255, 255, 255)), "sepia": ((8, 2, 0), (265, 240, 180))}
TONES |= {"cyanotype": ((0, 5, 15), (150, 230, 255)), "split": ((30, 0, 0), (235, 255, 255))}


@pytest.mark.parametrize("noise", [0, 8])
@pytest.mark.parametrize("quality", [60, 95])
@pytest.mark.parametrize("name", TONES)
def test_black_and_white_is_gray_or_toned_in_spite_of_noise(name, quality, noise):
    shadows, lights = (np.array(color) for color in TONES[name])
    toned = shadows * (1 - GRAY / 255) + lights * GRAY / 255
    noisy = toned + np.random.default_rng(0).uniform(-noise / 2, noise / 2, (512, 512, 3))
    assert tone(as_jpeg(noisy, quality)) == ("gray" if name == "gray" else "toned")


@pytest.mark.parametrize("side", [16, 80, 512])
def test_a_photograph_in_color_has_color_however_faded_or_small_it_is(side):
    faded = as_jpeg(0.3 * ASTRONAUT + 0.7 * GRAY)
    assert tone(faded.resize((side, side))) == "color"
    mostly_gray = np.repeat(GRAY, 3, axis=-1)
    mostly_gray[200:230, 200:230] = RED  # 0.3% of the pixels
    assert tone(as_jpeg(mostly_gray)) == "color"


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_exif_orientation_is_applied(tmp_path, suffix):
    exif, path = Image.Exif(), tmp_path / f"x.{suffix}"
    exif[0x0112] = 8  # the first row is the left side, from below (CIPA DC-008)
    Image.fromarray(EIGHT[..., :3]).save(path, exif=exif)
    np.testing.assert_array_equal(read_photo(path), np.rot90(EIGHT[..., :3]))


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("1", 1, (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), RED),
    ],
)
def test_other_modes_become_rgb_over_white(tmp_path, mode, color, expected):
    path = save(tmp_path / "x.tif", mode, (16, 16), color)
    assert (decode_photo(path, 16) == expected).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_half_transparent_pixels_are_mixed_with_white(mode):
    values = np.random.default_rng(0).integers(0, 256, (50, 50, len(mode)), dtype=np.uint8)
    layers = [Image.fromarray(values[..., channel]) for channel in range(len(mode))]
    seen = over_white(Image.merge(mode, layers))
    share = values[..., -1:] / 255
    expected = values[..., :-1] * share + 255 * (1 - share)
    assert seen.mode == mode.removesuffix("A")
    assert np.abs(np.asarray(seen).reshape(expected.shape) - expected).max() <= 0.51


def swapped_profile() -> bytes:
    """The profile of sRGB with red and green exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")


@pytest.mark.parametrize(("mode", "color"), [("RGB", RED), ("RGBA", (*RED, 255)), ("P", 1)])
def test_colors_are_converted_from_the_icc_profile(tmp_path, mode, color):
    image = Image.new(mode, (16, 16), color)
    if mode == "P":
        image.putpalette([0, 0, 0, *RED])
    image.save(tmp_path / "x.png", icc_profile=swapped_profile())
    assert np.abs(decode_photo(tmp_path / "x.png", 16) - np.array(GREEN)).max() <= 1


@pytest.mark.parametrize("profile", [b"junk", gray_profile(1.8), "LAB", "sRGB"])
def test_colors_stay_without_a_profile_of_their_space(tmp_path, profile):
    if isinstance(profile, str):
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(profile)).tobytes()
    Image.fromarray(EIGHT[..., :3]).save(tmp_path / "x.png", icc_profile=profile)
    np.testing.assert_array_equal(read_photo(tmp_path / "x.png"), EIGHT[..., :3])


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("gamma", [1.8, 3.0])
@pytest.mark.parametrize("profile", [gray_profile, rgb_profile])
def test_gray_is_converted_from_its_profile(tmp_path, profile, gamma, depth, alpha):
    white = 2**depth - 1
    gray = np.linspace(0, white, 256).astype(f">u{depth // 8}").reshape(16, 16)
    pixels = np.stack([gray, gray[::-1]], axis=-1) if alpha else gray
    icc = {"iCCP": ICC + zlib.compress(profile(gamma))}
    (tmp_path / "x.png").write_bytes(png(16, 16, depth, 4 * alpha, pixels, **icc))
    image = read_photo(tmp_path / "x.png", "L")
    assert image.mode == ("LA" if alpha else "L")
    off = np.asarray(image.getchannel("L")) - srgb_levels(gray / white, gamma)
    assert np.abs(off).max() <= 1 + (depth == 16)
    if alpha:
        assert np.abs(np.asarray(image.getchannel("A")) - gray[::-1] / white * 255).max() <= 1


def test_16_bits_of_linear_light_are_refused_and_8_are_converted(tmp_path):
    for depth in (8, 16):
        rgb = (DEEP[..., :3] >> (16 - depth)).astype(f">u{depth // 8}")
        icc = {"iCCP": ICC + zlib.compress(rgb_profile(1.0))}
        (tmp_path / f"{depth}.png").write_bytes(png(30, 40, depth, 2, rgb, **icc))
    off = np.asarray(read_photo(tmp_path / "8.png")) - srgb_levels((DEEP[..., :3] >> 8) / 255, 1.0)
    assert np.abs(off).max() <= 2
    assert "16 bits of linear light" in refusal(tmp_path / "16.png")


@given(st.lists(st.integers(0, 65535), min_size=16, max_size=16), st.sampled_from([0, 2, 4, 6]))
def test_16_bit_png_is_at_most_a_level_off(tmp_path_factory, values, color_type):
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[color_type]
    deep = np.resize(np.array(values, np.uint16), (4, 4, channels))
    path = tmp_path_factory.getbasetemp() / "deep.png"
    path.write_bytes(png(4, 4, 16, color_type, deep.astype(">u2")))
    image = read_photo(path, "RGB" if channels > 2 else "L")
    off = np.asarray(image).reshape(deep.shape) - deep / 257
    assert np.abs(off).max() < (0.51 if channels == 1 else 1)


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize(("values", "white"), [(EIGHT, 255), (DEEP, 65535)], ids=["8", "16"])
@pytest.mark.parametrize("channels", [3, 4])
def test_tiff_in_any_layout_is_at_most_a_level_off(
    tmp_path, channels, values, white, planarconfig, byteorder, compression
):
    stored = values[..., :channels]
    options = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    options |= {"byteorder": byteorder, "compression": compression, "planarconfig": planarconfig}
    if planarconfig == "separate":
        stored = np.moveaxis(stored, -1, 0)
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="rgb", **options)
    assert np.abs(read_photo(tmp_path / "x.tif") - values[..., :channels] / white * 255).max() < 1


WRONG_TIFFS = {
    "white is zero": (DEEP[..., 0], {"photometric": "miniswhite"}),
    "signed": (EIGHT[..., 0].view(np.int8), {"photometric": "minisblack"}),
    "floats": (EIGHT[..., 0].astype(np.float32), {"photometric": "minisblack"}),
    "32 bits": (DEEP[..., 0].astype(np.uint32), {"photometric": "minisblack"}),
    "alpha of 16 bits": (DEEP[..., :2], {"photometric": "minisblack", "extrasamples": [2]}),
    "alpha in a plane": (
        np.moveaxis(EIGHT[..., :2], -1, 0),
        {"photometric": "minisblack", "extrasamples": [2], "planarconfig": "separate"},
    ),
    "colors of 8 bits": (
        EIGHT[..., 0],
        {"photometric": "palette", "colormap": RANDOM.integers(0, 256, (3, 256), dtype=np.uint16)},
    ),
    "preview": (EIGHT[..., :3], {"photometric": "rgb", "subfiletype": 1}),
    "DNG": (EIGHT[..., :3], {"photometric": "rgb", "extratags": [(50706, 1, 4, (1, 4, 0, 0))]}),
}


@pytest.mark.parametrize("name", WRONG_TIFFS)
def test_tiff_that_pillow_reads_wrongly_or_not_at_all_is_refused(tmp_path, name):
    values, options = WRONG_TIFFS[name]
    tifffile.imwrite(tmp_path / "x.tif", values, **options)
    expected = "TIFF of a kind that Pillow gets wrong", "is camera raw", "not an image in a known"
    assert any(text in refusal(tmp_path / "x.tif") for text in expected)


@pytest.mark.parametrize(("depth", "kind"), [(2, 0), (4, 0), (16, 0), (16, 2)])
def test_one_transparent_color_is_refused_unless_of_8_bits(tmp_path, depth, kind):
    """Pillow compares the sample of 2, 4 or 16 bits with levels of 8."""
    channels = kind + 1
    rows = np.zeros((16, 16 * channels * depth // 8), np.uint8)
    transparent = {"tRNS": bytes(2 * channels)}
    (tmp_path / "x.png").write_bytes(png(16, 16, depth, kind, rows, **transparent))
    assert "PNG of a kind that Pillow gets wrong" in refusal(tmp_path / "x.png")
    rows = np.zeros((16, 16 * channels), np.uint8)
    (tmp_path / "x.png").write_bytes(png(16, 16, 8, kind, rows, **transparent))
    assert not np.asarray(read_photo(tmp_path / "x.png").getchannel("A")).any()


def test_a_palette_of_jpeg_2000_is_refused():
    opened = SimpleNamespace(format="JPEG2000", mode="P", info={})  # which Pillow does not write
    with pytest.raises(InputError, match=r"^is JPEG2000 of a kind that Pillow gets wrong"):
        photos._refuse_misread(opened, {}, 8)


CODE_POINTS = {
    (9, 16): "is HDR (PQ); convert it to sRGB",
    (9, 18): "is HDR (HLG); convert it to sRGB",
    (9, 1): "is in BT.2020; convert it to sRGB",
    (12, 13): "is in Display P3; convert it to sRGB",
    (1, 8): "is in colors with the code points 1 and 8; convert it to sRGB",
    (1, 13): "",
    (1, 14): "",
    (2, 2): "",
}


@pytest.mark.parametrize("code_points", CODE_POINTS)
@pytest.mark.parametrize("suffix", ["png", "avif", "heic"])
def test_other_colors_than_srgb_are_refused_by_name(tmp_path, suffix, code_points):
    primaries, transfer = code_points
    path, rgb = tmp_path / f"x.{suffix}", np.full((64, 64, 3), 100, np.uint8)
    if suffix == "png":
        path.write_bytes(png(64, 64, 8, 2, rgb, cICP=bytes([*code_points, 0, 1])))
    elif suffix == "avif":
        Image.fromarray(rgb).save(path)
        here, there = struct.pack(">HH", 1, 13), struct.pack(">HH", *code_points)
        path.write_bytes(path.read_bytes().replace(b"colrnclx" + here, b"colrnclx" + there))
        assert b"colrnclx" + there in path.read_bytes()
    else:
        heif = pytest.importorskip("pillow_heif").from_pillow(Image.fromarray(rgb))
        heif.save(path, color_primaries=primaries, transfer_characteristics=transfer)
    if expected := CODE_POINTS[code_points]:
        assert refusal(path) == expected
    else:
        assert np.abs(np.asarray(read_photo(path)) - 100.0).max() <= 3


@pytest.mark.parametrize("options", [{}, {"quality": 100}, {"quality": 30}])
def test_a_jpeg_without_its_end_marker_is_read_and_without_pixels_refused(tmp_path, options):
    path = tmp_path / "x.jpg"
    Image.fromarray(skimage.data.astronaut()[:150, :200]).save(path, **options)
    whole, expected = path.read_bytes(), np.asarray(read_photo(path))
    for ending in (whole[:-2], whole[:-1], whole[:-2] + bytes(99)):
        path.write_bytes(ending)
        np.testing.assert_array_equal(read_photo(path), expected)
    for missing in [*range(5, 50), 500]:
        path.write_bytes(whole[:-missing])
        try:
            image = read_photo(path)
        except InputError:
            continue
        np.testing.assert_array_equal(image, expected)  # such as one padding byte
    assert "lacks its end, with some pixels" in refusal(path)


def test_a_progressive_jpeg_without_its_end_is_refused(tmp_path):
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "x.jpg", progressive=True)
    content = (tmp_path / "x.jpg").read_bytes()
    (tmp_path / "x.jpg").write_bytes(content[: content.rindex(b"\xff\xc4")])  # the last scan
    assert "truncated" in refusal(tmp_path / "x.jpg")


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOSPC, errno.ENOMEM])
def test_a_fault_of_the_machine_is_none_of_the_photograph(tmp_path, monkeypatch, number):
    path = save(tmp_path / "x.tif", "L", (16, 16), 9)

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(OSError, match=os.strerror(number)):
        read_photo(path)


@pytest.mark.parametrize("error", [MemoryError(), OSError("decoder error -9")])
def test_too_little_memory_names_the_photograph(tmp_path, monkeypatch, error):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(photos, "_load", fail)
    with pytest.raises(MemoryError, match=r"x\.png: takes more memory than there is"):
        read_photo(save(tmp_path / "x.png", "L", (16, 16), 9))


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_more_megapixels_than_the_limit_are_refused(tmp_path, suffix):
    path, before = save(tmp_path / f"x.{suffix}", "L", (1000, 1001), 0), Image.MAX_IMAGE_PIXELS
    for limit in (1.001, np.inf):
        assert read_limited(path, "L", limit).size == (1000, 1001)
    with pytest.raises(InputError, match=r"1001000 pixels\) exceeds limit of 1000000.*remove it$"):
        read_limited(path, "L", 1)
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("name", PICTURES)
def test_what_is_damaged_or_no_photograph_is_refused_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(PICTURES[name])
    refusal(tmp_path / name)


def test_what_is_no_file_is_refused_before_it_is_read(tmp_path):
    assert refusal(tmp_path).startswith("is not a file")  # reading a pipe would wait forever


def test_postscript_is_not_executed(tmp_path, monkeypatch):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("executed"))
    path = save(tmp_path / "x.jpg", "L", (9, 9), 0, format="EPS")
    assert refusal(path) == "is not an image in a known format; fix or remove it"


def test_a_large_jpeg_is_reduced_while_it_is_decoded_and_looks_the_same(tmp_path):
    photograph = Image.fromarray(skimage.data.astronaut()).resize((2400, 1600))
    for name in ("x.jpg", "x.png"):
        photograph.save(tmp_path / name, quality=95)
    sizes = [read_limited(tmp_path / name, "RGB", 9, 50).size for name in ("x.jpg", "x.png")]
    assert sizes == [(300, 200), (2400, 1600)]
    from_jpeg, from_png = (decode_photo(tmp_path / name, 50) for name in ("x.jpg", "x.png"))
    assert np.abs(from_jpeg.astype(int) - from_png).mean() < 1


def test_broken_exif_is_ignored(tmp_path):
    path = save(tmp_path / "x.png", "RGB", (16, 16), RED, exif=b"Exif\0\0junk and more junk")
    assert (decode_photo(path, 16) == RED).all()


def test_heif_without_pillow_heif_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(photos, "HAS_HEIF", False)
    monkeypatch.setattr(photos, "FORMATS", ["JPEG"])
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert refusal(tmp_path / "x.heic").endswith("pip install -e .[heic]")
    assert "pip install -e .[heic]" in count_kinds(["x.heic"])
