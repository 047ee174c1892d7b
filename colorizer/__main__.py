"""Colorize photographs with a trained network: files, or folders with all that is below them.

What comes out has the name and, below a folder, the place that the photograph has, 8 bits a
channel, in sRGB, upright, and as transparent as it was. JPEG and TIFF stay what they are, all else
becomes PNG.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from colorizer.colorize import MODEL, colorize
from colorizer.device import available_device, set_up_processor
from colorizer.errors import InputError, one_line_errors
from colorizer.files import replacing
from colorizer.network import Colorizer, load_network, read_learnt_size
from colorizer.photos import find_photos, is_gray, read_photo

# Formats that are written, by the suffix of a file, and options of Pillow's for them.
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".png": "PNG",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "PNG": {"compress_level": 4},
}


def photographs(given: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """The photographs among files and folders, and where their place is below `out`.

    Raises InputError for what does not exist and for a folder without photographs. What lies
    in `out` already is no photograph.
    """
    for path in given:
        if not path.is_dir():
            if not path.exists():
                raise InputError(f"{path}: no such file or folder; should be a photograph")
            yield path, out / path.name
            continue
        for name in find_photos(path)[0]:
            if not (path / name).resolve().is_relative_to(out.resolve()):
                yield path / name, out / name


def outputs(given: Sequence[Path], out: Path, force: bool) -> dict[Path, Path]:
    """The file to write for each photograph.

    Raises InputError for one that there is already, unless it may be replaced by `force`, and for
    two photographs that would go to the same.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; should be a folder, which is made if need be")
    photograph_of: dict[Path, Path] = {}
    for photo, place in photographs(given, out):
        output = place if place.suffix.lower() in FORMATS else place.with_suffix(".png")
        other = photograph_of.setdefault(output, photo)
        if other != photo:
            raise InputError(f"{output}: would hold both {other} and {photo}; rename one")
        if output.exists() and output.samefile(photo):
            raise InputError(f"{output}: is the photograph itself; --out should be another folder")
        if output.exists() and not force:
            raise InputError(f"{output}: is there already; --force replaces it")
    return {photo: output for output, photo in photograph_of.items()}


def colorized(
    image: Image.Image, network: Colorizer, learnt_size: tuple[int, int], beside: bool
) -> Image.Image:
    """A photograph in colors; `beside` the gray and, where it has colors, those that it has."""
    opaque = image.convert("RGB")
    gray = opaque.convert("L")
    pictures = [Image.fromarray(colorize(network, np.asarray(gray), learnt_size))]
    if beside:
        pictures.insert(0, gray.convert("RGB"))
        if not is_gray(np.asarray(opaque)):
            pictures.append(opaque)
    if image.mode == "RGBA":
        for picture in pictures:
            picture.putalpha(image.getchannel("A"))
    return side_by_side(pictures)


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size and mode in a row."""
    width, height = pictures[0].size
    row = Image.new(pictures[0].mode, (width * len(pictures), height))
    for number, picture in enumerate(pictures):
        row.paste(picture, (number * width, 0))
    return row


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write a picture in the format that its name asks for."""
    kind = FORMATS[path.suffix.lower()]
    with replacing(path) as (partial,):
        if kind == "JPEG":
            picture = picture.convert("RGB")  # which has no transparency
        picture.save(partial, kind, **OPTIONS[kind])


def main() -> None:
    """Colorize what is given; what cannot be read is told of, and the others are colorized."""
    parser = argparse.ArgumentParser(prog="python -m colorizer", description=__doc__)
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="file or folder")
    parser.add_argument("-o", "--out", required=True, type=Path, help="folder to write to")
    parser.add_argument("--model", type=Path, default=MODEL, help="model file (%(default)s)")
    parser.add_argument(
        "--side-by-side", action="store_true", help="gray, colorized and, if in color, as it is"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    given = parser.parse_args()
    if given.model == MODEL and not MODEL.exists():
        raise InputError(f"{MODEL}: no such file; make repro trains it, or name another by --model")
    files = outputs(given.photos, given.out, given.force)
    set_up_processor(os.cpu_count() or 1)
    network = load_network(given.model).to(available_device())
    learnt_size = read_learnt_size(given.model)

    began, pixels, faults = time.monotonic(), 0, []
    for photo, output in tqdm(files.items(), desc="colorize", unit="photo"):
        try:
            image = read_photo(photo)
        except InputError as fault:
            faults.append(fault)
            tqdm.write(f"error: {fault}", file=sys.stderr)
            continue
        picture = colorized(image, network, learnt_size, beside=given.side_by_side)
        write_picture(output, picture)
        pixels += image.width * image.height
    done, seconds = len(files) - len(faults), time.monotonic() - began
    print(f"colorized {done} photographs, {pixels / 1e6:.1f} megapixels, in {seconds:.1f} s")
    if faults:
        raise InputError(f"{len(faults)} of {len(files)} photographs could not be read, see above")


if __name__ == "__main__":
    with one_line_errors():
        main()
