import io
import os
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageCms

from colorizer.data.photos import decode_photo, find_photos, over_white, tone
from colorizer.errors import InputError
from tests.broken import png

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def save(path: Path, mode: str, size: tuple[int, int], color: object, **options: object) -> Path:
    Image.new(mode, size, color).save(path, **options)
    return path


def test_finds_photographs_at_any_depth_in_a_fixed_order(tmp_path):
    for name in ["b/10.jpg", "b/9.jpg", "a.PNG", "images/deep/er/x.tiff"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".thumbs").mkdir()
    for name in [".hidden.jpg", ".thumbs/x.jpg", "Thumbs.db", "notes.txt", "b/jpg"]:
        (tmp_path / name).touch()
    photos, others = find_photos(tmp_path)
    assert photos == [
        "a.PNG",
        "b/10.jpg",
        "b/9.jpg",
        "images/deep/er/x.tiff",
    ]
    assert others == ["Thumbs.db", "b/jpg", "notes.txt"]


def test_names_with_spaces_and_other_alphabets_are_accepted(tmp_path):
    names = ["my photo.jpg", "фото.jpg", "写真\u3000一.jpg", "9.41\u202fAM.jpg", "👩\u200d🚀.jpg"]
    for name in names:
        save(tmp_path / name, "RGB", (16, 16), RED)
    photos, _ = find_photos(tmp_path)
    assert sorted(map(str, photos)) == sorted(names)
    for path in photos:
        assert (decode_photo(tmp_path / path, 16)[..., 0] > 250).all()


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


def test_a_photograph_of_the_right_size_keeps_its_pixels(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "x.png")
    np.testing.assert_array_equal(decode_photo(tmp_path / "x.png", 16), rgb)


def test_jpeg_is_decoded_as_pillow_does(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "x.jpg")
    with Image.open(tmp_path / "x.jpg") as image:
        np.testing.assert_array_equal(decode_photo(tmp_path / "x.jpg", 16), image)


def test_a_wide_photograph_is_cropped_to_its_center(tmp_path):
    image = Image.new("RGB", (96, 32), RED)
    image.paste(GREEN, (32, 0, 64, 32))
    image.save(tmp_path / "wide.png")
    assert (decode_photo(tmp_path / "wide.png", 16) == GREEN).all()


def test_reduces_with_antialiasing(tmp_path):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    reduced = decode_photo(tmp_path / "stripes.png", 16)[2:-2, 2:-2]
    assert np.abs(reduced.astype(int) - 127).max() <= 12


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (16, 16), RED)
    image.paste(BLUE, (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise: the top moves to the right
    image.save(tmp_path / "rotated.png", exif=exif)
    rgb = decode_photo(tmp_path / "rotated.png", 16)
    assert (rgb[:, 8:] == BLUE).all()
    assert (rgb[:, :8] == RED).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "gif", "webp", "pgm"])
def test_a_gray_file_has_three_equal_channels(tmp_path, suffix):
    rgb = decode_photo(save(tmp_path / f"x.{suffix}", "L", (16, 16), 100), 16)
    assert (rgb[..., :2] == rgb[..., 1:]).all()
    assert np.abs(rgb.astype(int) - 100).max() <= 1


def photograph() -> np.ndarray:
    """The astronaut of scikit-image, in color, float (512, 512, 3)."""
    return skimage.data.astronaut().astype(float)


def as_jpeg(colors: np.ndarray, quality: int = 75) -> Image.Image:
    content = io.BytesIO()
    rgb = np.clip(np.rint(colors), 0, 255).astype(np.uint8)
    Image.fromarray(rgb).save(content, "JPEG", quality=quality)
    return Image.open(content).convert("RGB")


@pytest.mark.parametrize("noise", [0, 3, 8, 15])
@pytest.mark.parametrize("quality", [40, 75, 95])
def test_black_and_white_with_chroma_noise_is_gray(noise, quality):
    gray = photograph().mean(axis=-1, keepdims=True)
    noisy = gray + np.random.default_rng(0).uniform(-noise / 2, noise / 2, (512, 512, 3))
    assert tone(as_jpeg(noisy, quality)) == "gray"


@pytest.mark.parametrize("noise", [0, 8])
@pytest.mark.parametrize("quality", [60, 75, 95])
@pytest.mark.parametrize(
    ("shadows", "lights"),
    [((8, 2, 0), (265, 240, 180)), ((0, 5, 15), (150, 230, 255)), ((30, 0, 0), (235, 255, 255))],
    ids=["sepia", "cyanotype", "split"],
)
def test_black_and_white_with_a_tone_is_toned(shadows, lights, quality, noise):
    gray = photograph().mean(axis=-1, keepdims=True) / 255
    toned = np.array(shadows) * (1 - gray) + np.array(lights) * gray
    noisy = toned + np.random.default_rng(0).uniform(-noise / 2, noise / 2, (512, 512, 3))
    assert tone(as_jpeg(noisy, quality)) == "toned"


@pytest.mark.parametrize("saturation", [1, 0.5, 0.3])
def test_a_photograph_in_color_has_color_in_any_size(saturation):
    colors = photograph()
    faded = saturation * colors + (1 - saturation) * colors.mean(axis=-1, keepdims=True)
    image = as_jpeg(faded)
    assert {tone(image.resize((side, side))) for side in (16, 80, 512)} == {"color"}


def test_a_small_colored_thing_makes_a_photograph_colored():
    colors = np.repeat(photograph().mean(axis=-1, keepdims=True), 3, axis=-1)
    assert tone(as_jpeg(colors)) == "gray"
    colors[200:230, 200:230] = (255, 0, 0)  # 0.3% of the pixels
    assert tone(as_jpeg(colors)) == "color"


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 255), RED),
        ("LA", (0, 0), (255, 255, 255)),
        ("1", 1, (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), RED),
    ],
)
def test_other_modes_become_rgb_over_white(tmp_path, mode, color, expected):
    path = save(tmp_path / "x.tif", mode, (16, 16), color)
    assert (decode_photo(path, 16) == expected).all()


def test_a_palette_with_transparency_is_composited_over_white(tmp_path):
    image = Image.new("P", (16, 16), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.save(tmp_path / "x.png", transparency=1)
    assert (decode_photo(tmp_path / "x.png", 16) == 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_half_transparent_pixels_are_mixed_with_white(mode):
    values = np.random.default_rng(0).integers(0, 256, (50, 50, len(mode)), dtype=np.uint8)
    layers = [Image.fromarray(values[..., channel]) for channel in range(len(mode))]
    seen = over_white(Image.merge(mode, layers))
    share = values[..., -1:] / 255
    expected = values[..., :-1] * share + 255 * (1 - share)
    assert seen.mode == mode.removesuffix("A")
    assert np.abs(np.asarray(seen).reshape(expected.shape) - expected).max() <= 0.51


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_gray_is_scaled_to_8_bits(tmp_path, suffix):
    deep = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(deep).save(tmp_path / f"deep.{suffix}")
    rgb = decode_photo(tmp_path / f"deep.{suffix}", 16)
    np.testing.assert_array_equal(rgb[..., 0], np.arange(256).reshape(16, 16))


def test_16_bit_color_is_scaled_to_8_bits(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    (tmp_path / "deep.png").write_bytes(png(16, 16, 16, 2, deep.astype(">u2")))
    rgb = decode_photo(tmp_path / "deep.png", 16)
    assert np.abs(rgb - deep / 257).max() <= 1


def test_inverted_cmyk_of_an_adobe_jpeg_is_decoded(tmp_path):
    """Photoshop stores CMYK inverted in JPEG and says so by its marker, as Pillow does."""
    cmyk = np.random.default_rng(0).integers(0, 256, 4)
    path = save(tmp_path / "x.jpg", "CMYK", (16, 16), tuple(map(int, cmyk)), quality=100)
    assert b"Adobe" in path.read_bytes()
    expected = (255 - cmyk[:3]) * (255 - cmyk[3]) / 255
    assert np.abs(decode_photo(path, 16) - expected).max() <= 3


@pytest.mark.parametrize("suffix", ["gif", "tif"])
def test_the_first_of_several_images_is_read(tmp_path, suffix):
    first, second = Image.new("RGB", (16, 16), RED), Image.new("RGB", (16, 16), BLUE)
    first.save(tmp_path / f"x.{suffix}", save_all=True, append_images=[second])
    assert (decode_photo(tmp_path / f"x.{suffix}", 16) == RED).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    # Stored rows and columns by the standard (CIPA DC-008, tag Orientation).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: upright.swapaxes(0, 1)[::-1],
        7: upright.swapaxes(0, 1)[::-1, ::-1],
        8: upright.swapaxes(0, 1)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(decode_photo(tmp_path / "x.png", 16), upright)


def swapped_profile() -> bytes:
    """The profile of sRGB with red and green exchanged, under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for one, other in [(b"rXYZ", b"gXYZ"), (b"rTRC", b"gTRC")]:
        profile = profile.replace(one, b"????").replace(other, one).replace(b"????", other)
    return profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


@pytest.mark.parametrize(
    ("mode", "color", "alpha"),
    [("RGB", RED, ()), ("RGBA", RED, (255,)), ("RGB", (200, 10, 90), ())],
)
def test_colors_are_converted_from_the_icc_profile(tmp_path, mode, color, alpha):
    path = save(tmp_path / "x.png", mode, (16, 16), (*color, *alpha), icc_profile=swapped_profile())
    red, green, blue = color
    assert np.abs(decode_photo(path, 16) - np.array([green, red, blue])).max() <= 1


def test_colors_of_a_palette_are_converted_from_the_icc_profile(tmp_path):
    image = Image.new("P", (16, 16), 1)
    image.putpalette([0, 0, 0, *RED])
    image.save(tmp_path / "x.png", icc_profile=swapped_profile())
    assert np.abs(decode_photo(tmp_path / "x.png", 16) - np.array(GREEN)).max() <= 1


def test_a_profile_is_recognized_by_its_content_not_by_its_name(tmp_path):
    profile = swapped_profile().replace("swap".encode("utf-16-be"), "sRGB".encode("utf-16-be"))
    path = save(tmp_path / "x.png", "RGB", (16, 16), RED, icc_profile=profile)
    assert np.abs(decode_photo(path, 16) - np.array(GREEN)).max() <= 1


def test_broken_exif_is_ignored(tmp_path):
    path = save(tmp_path / "x.png", "RGB", (16, 16), RED, exif=b"Exif\0\0junk and more junk")
    assert (decode_photo(path, 16) == RED).all()


def test_16_bit_gray_with_a_transparent_value_is_composited_over_white(tmp_path):
    deep = np.full((16, 16), 500, np.uint16)
    Image.fromarray(deep).save(tmp_path / "x.png", transparency=500)
    assert (decode_photo(tmp_path / "x.png", 16) == 255).all()


@pytest.mark.parametrize("profile", [b"junk", None, "sRGB", "LAB"])
def test_colors_stay_without_a_usable_profile(tmp_path, profile):
    if isinstance(profile, str):
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(profile)).tobytes()
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "x.png", icc_profile=profile)
    np.testing.assert_array_equal(decode_photo(tmp_path / "x.png", 16), rgb)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (17, 16)])
def test_photographs_of_any_shape_are_read(tmp_path, size):
    path = save(tmp_path / "x.png", "RGB", size, GREEN)
    assert (decode_photo(path, 16) == GREEN).all()
