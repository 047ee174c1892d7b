"""EXIF against files that are written by hand, and against Pillow and tifffile."""

import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from colorizer.inference.exif import (
    EXIF,
    GPS,
    IMAGE,
    IMAGE_TAGS,
    ITEM_BYTES,
    LEFT_OUT,
    Tag,
    adapt,
    add_to_tiff,
    encode_exif,
    read_exif,
)

IFD1 = ExifTags.IFD.IFD1
TITLE = "Großmutter, 1950"
PADDED = TITLE.encode() + b"\0"


def by_hand(order: str) -> bytes:
    """EXIF: a title in UTF-8, an orientation, 1/250 s, a maker note, and a thumbnail in IFD1."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    image = struct.pack(f"{order}H", 3)
    image += struct.pack(f"{order}HHLL", 270, 2, len(PADDED), 92)
    image += struct.pack(f"{order}HHLHH", 274, 3, 1, 6, 0)
    image += struct.pack(f"{order}HHLL", EXIF, 4, 1, 50)
    image += struct.pack(f"{order}L", 92 + len(PADDED))
    exif = struct.pack(f"{order}H", 2)
    exif += struct.pack(f"{order}HHLL", 0x829A, 5, 1, 80)
    exif += struct.pack(f"{order}HHL", 0x927C, 7, 4) + b"note"
    exif += struct.pack(f"{order}L", 0)
    thumbnail = struct.pack(f"{order}H", 2)
    thumbnail += struct.pack(f"{order}HHLL", 0x0201, 4, 1, 92 + len(PADDED) + 30)
    thumbnail += struct.pack(f"{order}HHLL", 0x0202, 4, 1, 9)
    thumbnail += struct.pack(f"{order}L", 0) + b"THUMBNAIL"
    header = mark + struct.pack(f"{order}L", 8)
    return header + image + exif + struct.pack(f"{order}LL", 1, 250) + b"gap." + PADDED + thumbnail


@pytest.mark.parametrize("order", ["<", ">"])
def test_tags_are_read_with_their_types_in_both_byte_orders(order):
    assert read_exif(by_hand(order)) == {
        IMAGE: {270: Tag(2, PADDED)},
        EXIF: {0x829A: Tag(5, struct.pack("<LL", 1, 250))},
        GPS: {},
    }


def test_pillow_reads_what_is_encoded():
    before, exif = Image.Exif(), Image.Exif()
    before.load(by_hand(">"))
    assert before.get_ifd(IFD1) == {0x0201: 140, 0x0202: 9}
    encoded = encode_exif(adapt(read_exif(by_hand(">")), 44, 30))
    exif.load(encoded)
    assert exif.get_ifd(IFD1) == {}
    assert b"THUMBNAIL" not in encoded
    assert exif[270].encode("latin-1").decode() == TITLE
    assert exif[274] == 1
    assert exif.get_ifd(EXIF) == {0x829A: 1 / 250}


def test_two_other_readers_find_the_tags_in_a_tiff(tmp_path):
    rgb = np.random.default_rng(1).integers(0, 256, (30, 45, 3), dtype=np.uint8)
    path = tmp_path / "a.tif"
    Image.fromarray(rgb).save(path, compression="tiff_adobe_deflate", dpi=(300, 300))
    place = {1: Tag(2, b"N\0"), 2: Tag(5, struct.pack("<6L", 52, 1, 30, 1, 31, 2))}
    add_to_tiff(path, adapt(read_exif(by_hand("<")), 45, 30) | {GPS: place})
    np.testing.assert_array_equal(tifffile.imread(path), rgb)
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags
        assert tags["ImageDescription"].value == TITLE
        assert tags["Orientation"].value == 1
        assert tags["ExifTag"].value["ExposureTime"] == (1, 250)
        assert tags["XResolution"].value == (300, 1)
    with Image.open(path) as image:
        np.testing.assert_array_equal(image, rgb)
        assert image.getexif().get_ifd(GPS) == {1: "N", 2: (52.0, 30.0, 15.5)}


@pytest.mark.parametrize(("order", "codec"), [("<", "utf-16-le"), (">", "utf-16-be")])
def test_a_comment_in_utf_16_has_the_byte_order_of_the_tags(order, codec):
    comment = b"UNICODE\0" + "Łódź".encode(codec)
    exif = struct.pack(f"{order}LHHHLLL", 8, 1, EXIF, 4, 1, 26, 0)
    exif += struct.pack(f"{order}HHHLL", 1, 0x9286, 7, len(comment), 40) + comment
    data = (b"II*\0" if order == "<" else b"MM\0*") + exif
    (tag,) = read_exif(data)[EXIF].values()
    assert tag == Tag(7, b"UNICODE\0" + "Łódź".encode("utf-16-le"))


def test_sizes_and_the_color_space_are_those_of_the_output():
    old = {0xA001: Tag(3, b"\xff\xff"), 0xA002: Tag(3, b"\1\0"), 0xA003: Tag(4, b"\1\0\0\0")}
    adapted = adapt({IMAGE: {}, EXIF: old, GPS: {}}, 300, 70_000)
    exif = Image.Exif()
    exif.load(encode_exif(adapted))
    assert exif.get_ifd(EXIF) == {0xA001: 1, 0xA002: 300, 0xA003: 70_000}


def test_the_largest_tags_are_left_out_where_jpeg_has_no_room():
    many = {
        0x9286: Tag(7, b"x" * 60_000),
        0xA430: Tag(2, b"y" * 6_000),
        0xA431: Tag(2, b"number\0"),
    }
    encoded = encode_exif({IMAGE: {}, EXIF: many, GPS: {}})
    assert set(read_exif(encoded)[EXIF]) == {0xA430, 0xA431}


def tags(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[dict[int, Tag]]:
    def of_type(kind: int) -> st.SearchStrategy[Tag]:
        items = st.integers(1, 9).map(lambda count: count * ITEM_BYTES[kind])
        values = items.flatmap(lambda size: st.binary(min_size=size, max_size=size))
        return values.map(lambda value: Tag(kind, value))

    return st.dictionaries(numbers, st.sampled_from(sorted(ITEM_BYTES)).flatmap(of_type))


OTHERS = st.integers(0, 65_535).filter(lambda number: number not in LEFT_OUT)


@given(tags(st.sampled_from(sorted(IMAGE_TAGS))), tags(OTHERS), tags(OTHERS))
def test_tags_of_any_type_round_trip(image, exif, gps):
    directories = {IMAGE: image, EXIF: exif, GPS: gps}
    assert read_exif(encode_exif(directories)) == directories


@given(st.integers(0, 115), st.binary(min_size=1, max_size=12), st.sampled_from("<>"))
def test_damaged_exif_gives_what_can_be_read(place, junk, order):
    whole = by_hand(order)
    damaged = whole[:place] + junk + whole[place + len(junk) :]
    for data in (damaged, whole[:place], junk):
        read = read_exif(data)
        assert read_exif(encode_exif(read)) == read
