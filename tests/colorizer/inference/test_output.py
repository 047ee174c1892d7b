from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorizer.data.photos import read_photo
from colorizer.errors import InputError
from colorizer.inference.output import format_of, with_suffix_of, write_photo


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(
        np.random.default_rng(3).integers(0, 256, (20, 30, 4), dtype=np.uint8), "RGBA"
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("JPEG", "jpeg"), ("TIFF", "tiff"), ("PNG", "png"), ("WEBP", "png"), ("BMP", "png")],
)
def test_the_format_is_that_of_the_content_whatever_the_name_says(tmp_path, image, kind, expected):
    for name in ("a.jpg", "b.tif", "c"):
        image.convert("RGB").save(tmp_path / name, kind)
        assert format_of(tmp_path / name) == expected
    assert format_of(tmp_path / "none") == "png"


@pytest.mark.parametrize(
    ("name", "file_format", "expected"),
    [
        ("a.JPG", "jpeg", "a.JPG"),
        ("a.tiff", "tiff", "a.tiff"),
        ("a.gif", "png", "a.png"),
        ("a.jpg", "png", "a.png"),
        ("a", "jpeg", "a.jpg"),
        ("1950.06", "png", "1950.06.png"),  # .06 is no format
        ("1950.07", "png", "1950.07.png"),
    ],
)
def test_an_output_is_named_after_its_format(name, file_format, expected):
    assert with_suffix_of(Path("out", name), file_format) == Path("out", expected)


@pytest.mark.parametrize(("name", "most"), [("a.jpg", 12), ("a.png", 0), ("a.tif", 0)])
def test_jpeg_puts_transparent_parts_over_white_and_others_keep_them(tmp_path, name, most):
    values = np.full((32, 32, 4), (200, 40, 40, 255), np.uint8)
    values[:16, :, 3] = 0  # hidden
    write_photo(tmp_path / name, Image.fromarray(values), 95, {})
    written = np.asarray(Image.open(tmp_path / name)).astype(int)
    expected = values if most == 0 else np.where(values[..., 3:] == 0, 255, values[..., :3])
    assert np.abs(written - expected)[[*range(12), *range(20, 32)]].max() <= most


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_the_profile_is_that_of_srgb_and_has_no_date(tmp_path, image, name):
    write_photo(tmp_path / name, image.convert("RGB"), 95, {})
    profile = Image.open(tmp_path / name).info["icc_profile"]
    # The header of ICC.1:2022, 7.2: class, color space, date, signature.
    assert (profile[12:16], profile[16:20], profile[36:40]) == (b"mntr", b"RGB ", b"acsp")
    assert int.from_bytes(profile[24:26], "big") == 2022
    # The red of sRGB, IEC 61966-2-1, adapted to D50, in s15Fixed16.
    at = int.from_bytes(profile[profile.index(b"rXYZ") + 4 :][:4], "big")
    red = np.frombuffer(profile[at + 8 : at + 20], ">i4") / 65536
    np.testing.assert_allclose(red, (0.4360, 0.2225, 0.0139), atol=2e-4)


@pytest.mark.parametrize("kind", ["jpg", "png", "tif"])
@pytest.mark.parametrize("source", ["jpg", "png", "tif"])
def test_exif_of_any_format_is_written_to_any_other(tmp_path, image, source, kind):
    exif = Image.Exif()
    exif.update({270: "Großmutter".encode(), 274: 6, 40092: "a comment\0".encode("utf-16-le")})
    taken = {0x9003: "1950:06:12 10:00:00", 0x927C: b"the camera's own", 0xA002: 30}
    for directory, tags in {0x8769: taken, 0x8825: {1: "N", 2: (52.0, 30.0, 15.5)}}.items():
        exif.get_ifd(directory).update(tags)
        exif[directory] = tags
    image.convert("RGB").save(tmp_path / f"a.{source}", exif=exif, dpi=(300, 300))
    photo = read_photo(tmp_path / f"a.{source}", "RGB", 1)
    assert photo.size == (20, 30)  # upright
    write_photo(tmp_path / f"b.{kind}", photo, 95, photo.info)
    written = Image.open(tmp_path / f"b.{kind}")
    read = written.getexif()
    assert (read[270].encode("latin-1").decode(), read[274]) == ("Großmutter", 1)
    assert read[40092].decode("utf-16-le") == "a comment\0"
    assert read.get_ifd(0x8769) == {0x9003: "1950:06:12 10:00:00"}
    assert read.get_ifd(0x8825) == {1: "N", 2: (52.0, 30.0, 15.5)}
    np.testing.assert_allclose(np.array(written.info["dpi"], float), 300, atol=0.01)


def test_an_image_that_is_too_wide_for_jpeg_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"a\.jpg: cannot be written"):
        write_photo(tmp_path / "a.jpg", Image.new("RGB", (65_501, 1)), 95, {})
    assert list(tmp_path.iterdir()) == []
