from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorizer.errors import InputError
from colorizer.inference.output import (
    NO_METADATA,
    SRGB_PROFILE,
    format_of,
    with_suffix_of,
    write_photo,
)


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
    file_format = {"a.jpg": "jpeg", "a.png": "png", "a.tif": "tiff"}[name]
    write_photo(tmp_path / name, Image.fromarray(values), file_format, 95, NO_METADATA)
    with Image.open(tmp_path / name) as written:
        if most == 0:
            np.testing.assert_array_equal(written, values)
        else:
            over_white = np.where(values[..., 3:] == 0, 255, values[..., :3]).astype(int)
            off = np.abs(np.asarray(written) - over_white)
            assert off[:12].max() <= most
            assert off[20:].max() <= most


def test_a_lower_quality_makes_a_smaller_jpeg_with_other_tables(tmp_path, image):
    sizes, steps = [], []
    for quality in (30, 95):
        path = tmp_path / f"{quality}.jpg"
        write_photo(path, image.convert("RGB"), "jpeg", quality, NO_METADATA)
        sizes.append(path.stat().st_size)
        with Image.open(path) as written:
            steps.append(written.quantization[0][0])
    assert sizes[0] < sizes[1]
    assert steps == [27, 2]  # 16 * 5000 / 30 / 100 and 16 * (200 - 2 * 95) / 100, as libjpeg rounds


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_the_profile_is_that_of_srgb_and_has_no_date(tmp_path, image, name):
    file_format = {"a.jpg": "jpeg", "a.png": "png", "a.tif": "tiff"}[name]
    write_photo(tmp_path / name, image.convert("RGB"), file_format, 95, NO_METADATA)
    with Image.open(tmp_path / name) as written:
        profile = written.info["icc_profile"]
    assert profile == SRGB_PROFILE
    # The header of ICC.1:2022, 7.2: class, color space, date, signature.
    assert (profile[12:16], profile[16:20], profile[36:40]) == (b"mntr", b"RGB ", b"acsp")
    assert int.from_bytes(profile[24:26], "big") == 2022
    # The colorants of sRGB, IEC 61966-2-1, adapted to D50, in s15Fixed16.
    assert profile_xyz(profile, b"rXYZ") == pytest.approx((0.4360, 0.2225, 0.0139), abs=2e-4)
    assert profile_xyz(profile, b"gXYZ") == pytest.approx((0.3851, 0.7169, 0.0971), abs=2e-4)


def profile_xyz(profile: bytes, tag: bytes) -> list[float]:
    count = int.from_bytes(profile[128:132], "big")
    entries = [profile[132 + 12 * index :][:12] for index in range(count)]
    (offset,) = (int.from_bytes(entry[4:8], "big") for entry in entries if entry[:4] == tag)
    return [int.from_bytes(profile[offset + 8 + 4 * i :][:4], "big") / 65536 for i in range(3)]


def test_an_image_that_is_too_wide_for_jpeg_is_an_input_error(tmp_path):
    wide = Image.new("RGB", (65_501, 1))
    with pytest.raises(InputError, match=r"65501 x 1 pixels; JPEG has at most 65500 on a side"):
        write_photo(tmp_path / "a.jpg", wide, "jpeg", 95, NO_METADATA)
    assert list(tmp_path.iterdir()) == []
    write_photo(tmp_path / "a.jpg", wide.crop((0, 0, 65_500, 1)), "jpeg", 95, NO_METADATA)
    write_photo(tmp_path / "a.png", wide, "png", 95, NO_METADATA)
    assert Image.open(tmp_path / "a.png").size == (65_501, 1)
