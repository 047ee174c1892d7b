"""Colorize photographs with a trained network: files, or folders with everything below them.

An output has the name of its photograph and, for a folder, the same place below OUT. It is in 8-bit
sRGB, upright, and as transparent as the photograph. JPEG and TIFF stay JPEG and TIFF; other formats
become PNG.
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

from colorizer.data.photos import find_photos, is_gray, read_photo
from colorizer.device import available_device, configure_torch
from colorizer.errors import InputError, one_line_errors
from colorizer.files import atomic_write
from colorizer.inference.colorize import MODEL_FILE, colorize
from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import load_network, read_image_size

# Formats that are written, by the suffix of the file, and Pillow's options for them.
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


def list_photos(paths: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """The photographs among files and folders, each with its place below `out`.

    Raises InputError for a path that does not exist and for a folder without photographs. Files
    that lie in `out` are left out.
    """
    for path in paths:
        if not path.is_dir():
            if not path.exists():
                raise InputError(f"{path}: no such file or folder; should be a photograph")
            yield path, out / path.name
            continue
        for name in find_photos(path)[0]:
            if not (path / name).resolve().is_relative_to(out.resolve()):
                yield path / name, out / name


def plan_outputs(paths: Sequence[Path], out: Path, force: bool) -> dict[Path, Path]:
    """The file to write for each photograph.

    Raises InputError for an output that exists, unless `force` allows to replace it, and for two
    photographs with the same output.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; should be a folder, which is made if need be")
    photo_of: dict[Path, Path] = {}
    for photo, place in list_photos(paths, out):
        output = place if place.suffix.lower() in FORMATS else place.with_suffix(".png")
        other = photo_of.setdefault(output, photo)
        if other != photo:
            raise InputError(f"{output}: would hold both {other} and {photo}; rename one")
        if output.exists() and output.samefile(photo):
            raise InputError(f"{output}: is the photograph itself; --out should be another folder")
        if output.exists() and not force:
            raise InputError(f"{output}: exists; --force replaces it")
    return {photo: output for output, photo in photo_of.items()}


def colorize_image(
    image: Image.Image, network: Colorizer, image_size: tuple[int, int], beside: bool
) -> Image.Image:
    """Colorize a photograph; with `beside`, gray stands on its left, the original on its right."""
    opaque = image.convert("RGB")
    gray = opaque.convert("L")
    images = [Image.fromarray(colorize(network, np.asarray(gray), image_size))]
    if beside:
        images.insert(0, gray.convert("RGB"))
        if not is_gray(np.asarray(opaque)):
            images.append(opaque)
    if image.mode == "RGBA":
        for each in images:
            each.putalpha(image.getchannel("A"))
    return side_by_side(images)


def side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    """Images of one size and mode in a row."""
    width, height = images[0].size
    row = Image.new(images[0].mode, (width * len(images), height))
    for number, image in enumerate(images):
        row.paste(image, (number * width, 0))
    return row


def write_image(path: Path, image: Image.Image) -> None:
    """Write an image in the format of the file's suffix."""
    file_format = FORMATS[path.suffix.lower()]
    with atomic_write(path) as (partial,):
        if file_format == "JPEG":
            image = image.convert("RGB")  # JPEG has no transparency
        image.save(partial, file_format, **OPTIONS[file_format])


def main() -> None:
    """Colorize the photographs; report those that cannot be read and go on with the others."""
    parser = argparse.ArgumentParser(prog="python -m colorizer", description=__doc__)
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="file or folder")
    parser.add_argument("-o", "--out", required=True, type=Path, help="folder to write to")
    parser.add_argument("--model", type=Path, default=MODEL_FILE, help="model file (%(default)s)")
    parser.add_argument(
        "--side-by-side",
        action="store_true",
        help="write gray, colorized and, for a photograph in color, the original in a row",
    )
    parser.add_argument("--force", action="store_true", help="replace existing files")
    args = parser.parse_args()
    if args.model == MODEL_FILE and not MODEL_FILE.exists():
        raise InputError(
            f"{MODEL_FILE}: no such file; make repro trains it, or name another with --model"
        )
    outputs = plan_outputs(args.photos, args.out, args.force)
    configure_torch(os.cpu_count() or 1)
    network = load_network(args.model).to(available_device())
    image_size = read_image_size(args.model)

    start, pixels, errors = time.monotonic(), 0, []
    for photo, output in tqdm(outputs.items(), desc="colorize", unit="photo"):
        try:
            image = read_photo(photo)
        except InputError as error:
            errors.append(error)
            tqdm.write(f"error: {error}", file=sys.stderr)
            continue
        write_image(output, colorize_image(image, network, image_size, args.side_by_side))
        pixels += image.width * image.height
    done, seconds = len(outputs) - len(errors), time.monotonic() - start
    print(f"colorized {done} photographs, {pixels / 1e6:.1f} megapixels, in {seconds:.1f} s")
    if errors:
        raise InputError(
            f"{len(errors)} of {len(outputs)} photographs could not be read, see above"
        )


if __name__ == "__main__":
    with one_line_errors():
        main()
