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
from typing import Any, Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from colorizer.data.photos import MAX_MEGAPIXELS, count_kinds, find_photos, read_photo, tone
from colorizer.device import available_device, configure_torch
from colorizer.errors import InputError, one_line_errors
from colorizer.files import atomic_write
from colorizer.inference.colorize import MODEL_FILE, chroma_coefficients, color_strips
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
        photos, others = find_photos(path)
        if others:
            print(f"{path}: not photographs: {count_kinds(others)}", file=sys.stderr)
        for name in photos:
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
    """Colorize a photograph, in mode L, LA, RGB or RGBA: to RGB or RGBA.

    With `beside`, gray stands on its left and the original on its right. An original that is gray
    or toned, such as sepia, is left out: it does not show the true colors.
    """
    opaque = image.convert("RGB") if image.mode == "RGBA" else image
    has_color = beside and opaque.mode == "RGB" and tone(opaque) == "color"
    panels = 1 + beside + has_color
    width, height = image.size
    gray = np.asarray(image if image.mode == "L" else image.convert("L"))
    has_alpha = image.mode.endswith("A")
    row = Image.new("RGBA" if has_alpha else "RGB", (panels * width, height))
    if has_color:
        row.paste(opaque, (2 * width, 0))
    if beside:
        row.paste(Image.fromarray(gray), (0, 0))
    for rows, strip in color_strips(gray, chroma_coefficients(network, gray, image_size)):
        row.paste(Image.fromarray(strip), (beside * width, rows.start))
    if has_alpha:
        alpha = Image.new("L", row.size)
        for number in range(panels):
            alpha.paste(image.getchannel("A"), (number * width, 0))
        row.putalpha(alpha)
    return row


def write_image(path: Path, image: Image.Image) -> None:
    """Write an image in the format of the file's suffix."""
    file_format = FORMATS[path.suffix.lower()]
    with atomic_write(path) as (partial,):
        if file_format == "JPEG" and image.mode != "RGB":
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
    parser.add_argument(
        "--max-megapixels",
        type=float,
        default=MAX_MEGAPIXELS,
        metavar="N",
        help="largest photograph to read (%(default)s, for which it takes 2 GiB of memory)",
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
            mode: Literal["RGB", "L"] = "RGB" if args.side_by_side else "L"
            image = read_photo(photo, mode, args.max_megapixels)
        except (InputError, MemoryError) as error:
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
