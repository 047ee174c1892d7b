from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorizer.errors import InputError
from colorizer.photos import decode_photo, find_photos, is_gray

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def save(path: Path, mode: str, size: tuple[int, int], color: object, **options: object) -> Path:
    Image.new(mode, size, color).save(path, **options)
    return path


def test_finds_photographs_at_any_depth_in_a_fixed_order(tmp_path):
    for name in ["b/10.jpg", "b/9.jpg", "a.PNG", "images/deep/er/x.tiff"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in [".hidden.jpg", "Thumbs.db", "notes.txt", "b/jpg"]:
        (tmp_path / name).touch()
    found = [path.as_posix() for path in find_photos(tmp_path)]
    assert found == ["a.PNG", "b/10.jpg", "b/9.jpg", "images/deep/er/x.tiff"]


def test_names_with_spaces_and_other_alphabets_are_fine(tmp_path):
    for name in ["my photo.jpg", "фото.jpg", "写真.jpg"]:
        (tmp_path / name).touch()
    assert len(find_photos(tmp_path)) == 3


@pytest.mark.parametrize("name", [b"two\nlines.jpg", b"latin-\xe9.jpg", b"tab\t.jpg"])
def test_names_that_cannot_stand_on_a_line_are_refused(tmp_path, name):
    (tmp_path / Path(name.decode("utf-8", "surrogateescape"))).touch()
    with pytest.raises(InputError, match="rename it") as raised:
        find_photos(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_missing_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(InputError, match=r"val: no such folder; .* train, val and test"):
        find_photos(tmp_path / "val")
    (tmp_path / "val").mkdir()
    with pytest.raises(InputError, match=r"val: no photographs \(.*\.jpg"):
        find_photos(tmp_path / "val")


def test_a_photograph_of_the_right_size_keeps_its_pixels(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "x.png")
    np.testing.assert_array_equal(decode_photo(tmp_path / "x.png", 16), rgb)


def test_decodes_jpeg_as_pillow_does(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "x.jpg")
    with Image.open(tmp_path / "x.jpg") as image:
        np.testing.assert_array_equal(decode_photo(tmp_path / "x.jpg", 16), image)


def test_cuts_the_centre_out_of_a_wide_photograph(tmp_path):
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


def test_turns_a_photograph_upright(tmp_path):
    image = Image.new("RGB", (16, 16), RED)
    image.paste(BLUE, (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: the top comes to the right
    image.save(tmp_path / "turned.png", exif=exif)
    rgb = decode_photo(tmp_path / "turned.png", 16)
    assert (rgb[:, 8:] == BLUE).all()
    assert (rgb[:, :8] == RED).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "gif", "webp", "pgm"])
def test_a_gray_file_has_three_equal_channels(tmp_path, suffix):
    rgb = decode_photo(save(tmp_path / f"x.{suffix}", "L", (16, 16), 100), 16)
    assert is_gray(rgb)
    assert np.abs(rgb.astype(int) - 100).max() <= 1


def test_one_colored_pixel_makes_a_photograph_colored():
    rgb = np.full((4, 4, 3), 7, np.uint8)
    assert is_gray(rgb)
    rgb[2, 3, 2] = 8
    assert not is_gray(rgb)


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


def test_a_palette_with_transparency_is_laid_over_white(tmp_path):
    image = Image.new("P", (16, 16), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.save(tmp_path / "x.png", transparency=1)
    assert (decode_photo(tmp_path / "x.png", 16) == 255).all()


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_8_bits_are_refused(tmp_path, mode):
    path = save(tmp_path / "deep.tif", mode, (16, 16), 5)
    with pytest.raises(InputError, match=r"deep\.tif: has pixels of mode .*8 bits a channel"):
        decode_photo(path, 16)


def broken_files(folder: Path) -> dict[str, bytes]:
    whole = {}
    for suffix in ("jpg", "png"):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"whole.{suffix}")
        whole[suffix] = (folder / f"whole.{suffix}").read_bytes()
    return {
        "empty.jpg": b"",
        "text.jpg": b"not a picture\n",
        "half.jpg": whole["jpg"][: len(whole["jpg"]) // 2],
        "half.png": whole["png"][: len(whole["png"]) // 2],
        "header.png": whole["png"][:20],
    }


@pytest.mark.parametrize("name", ["empty.jpg", "text.jpg", "half.jpg", "half.png", "header.png"])
def test_a_broken_file_is_named_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(broken_files(tmp_path)[name])
    with pytest.raises(InputError, match=f"{name}: cannot be decoded as a picture") as raised:
        decode_photo(tmp_path / name, 16)
    assert "\n" not in str(raised.value)
