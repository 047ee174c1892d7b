"""Colorize photographs with a trained network: files, and folders, which are searched recursively.

An output has the name of its photograph and, for a folder, the same place below OUT. It is in 8-bit
sRGB, upright, and as transparent as the photograph. JPEG and TIFF stay JPEG and TIFF; other formats
become PNG. EXIF (title, date, place, comment; not the camera's own data or thumbnail) and dots per
inch are kept. Existing files are kept unless --force is given.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import joblib
from tqdm import tqdm

from colorizer.data.photos import MAX_MEGAPIXELS, count_kinds, find_photos, read_photo
from colorizer.device import available_device, configure_torch
from colorizer.errors import InputError, one_line_errors
from colorizer.files import project_root
from colorizer.inference.colorize import colorize_image
from colorizer.inference.output import SUFFIXES, format_of, with_suffix_of, write_photo
from colorizer.models.model_file import MODEL_FILE, PRETRAINED_FILE, TrainedModel, load_model

CAUTION = "subjects unlike its training data tend to come out brown"


def list_photos(paths: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """The photographs among files and folders, each with its place below `out`.

    Files of a folder that lie in `out`, as outputs of an earlier run do, are left out. Raises
    InputError for a path that does not exist and for a folder without other photographs.
    """
    for path in paths:
        if not path.is_dir():
            if not path.exists():
                raise InputError(f"{path}: no such file or folder; should be a photograph")
            yield path, out / path.name
            continue
        names, others = find_photos(path)
        if others:
            print(f"{path}: not photographs: {count_kinds(others)}", file=sys.stderr)
        outside = [n for n in names if not (path / n).resolve().is_relative_to(out.resolve())]
        if not outside:
            raise InputError(f"{path}: all its photographs lie in {out}; choose another --out")
        yield from ((path / name, out / name) for name in outside)


def plan_outputs(
    photos: Iterator[tuple[Path, Path]], file_format: str | None
) -> tuple[dict[Path, Path], list[str]]:
    """Photographs, with their places, by output; and errors of those whose output is another's.

    `file_format` None stands for that of the photograph. Raises InputError for an output that is a
    folder or the photograph itself.
    """
    outputs: dict[Path, Path] = {}
    errors = []
    for photo, place in photos:
        output = with_suffix_of(place, file_format or format_of(photo))
        if exists(output) and (output.is_dir() or output.samefile(photo)):
            raise InputError(f"{output}: is a folder or the photograph; choose another --out")
        if outputs.setdefault(output, photo) != photo:
            errors.append(f"{photo}: has the output of {outputs[output]}, {output}; rename one")
    return outputs, errors


def exists(path: Path) -> bool:
    """Whether a file exists; false also for a name that no file can have."""
    return os.access(path, os.F_OK)


def colorize_file(photo: Path, output: Path, model: TrainedModel, args: argparse.Namespace) -> None:
    """Colorize a photograph. Raises InputError for one that cannot be read or written."""
    mode: Literal["RGB", "L"] = "RGB" if args.side_by_side else "L"
    image = read_photo(photo, mode, args.max_megapixels)
    result = colorize_image(
        image, model.network, model.image_size, args.saturation, args.side_by_side
    )
    write_photo(output, result, args.quality, {} if args.strip_metadata else image.info)


def parse_args() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m colorizer", description=__doc__)
    add = parser.add_argument
    add("photos", nargs="+", type=Path, metavar="PHOTO", help="file or folder")
    add("-o", "--out", required=True, type=Path, help="folder to write to")
    model = project_root() / PRETRAINED_FILE
    add("--model", type=Path, default=model, help=f"{MODEL_FILE} is the pipeline's (%(default)s)")
    add("--saturation", type=float, default=1, help="factor on the colors, 0 (gray) to 10")
    add("--side-by-side", action="store_true", help="write gray, colorized and original in a row")
    add("--format", choices=SUFFIXES, help="output format; default: as said above")
    add("--quality", type=int, default=95, help="JPEG quality, 1 to 100 (%(default)s)")
    add("--strip-metadata", action="store_true", help="write no EXIF, comment or resolution")
    megapixels = "largest photograph to read (%(default)s, with about 2 GiB of memory; inf: any)"
    add("--max-megapixels", type=float, default=MAX_MEGAPIXELS, metavar="N", help=megapixels)
    add = parser.add_mutually_exclusive_group().add_argument
    add("--force", action="store_true", help="replace existing files")
    add("--skip-existing", action="store_true", help="skip photographs whose output exists")
    args = parser.parse_args()
    if not 0 <= args.saturation <= 10:
        parser.error(f"argument --saturation: should be 0 to 10, is {args.saturation}")
    if not 1 <= args.quality <= 100:
        parser.error(f"argument --quality: should be 1 to 100, is {args.quality}")
    if not args.max_megapixels > 0:
        parser.error(f"argument --max-megapixels: should be above 0, is {args.max_megapixels}")
    return args


def main() -> None:
    """Colorize the photographs; report those that cannot be read or written, do the others."""
    args = parse_args()
    if args.out.exists() and not args.out.is_dir():
        raise InputError(f"{args.out}: is a file; should be a folder, which is made if need be")
    outputs, errors = plan_outputs(list_photos(args.photos, args.out), args.format)
    existing = [output for output in outputs if exists(output)]
    if args.skip_existing:
        for output in existing:
            del outputs[output]
    elif existing and not args.force:
        raise InputError(f"{existing[0]}: exists; --force replaces it, --skip-existing leaves it")
    if not args.model.exists():
        raise InputError(
            f"{args.model}: no such file; run in the project's folder, or train one: make repro"
        )
    configure_torch(joblib.cpu_count())
    model = load_model(args.model)
    model.network.to(available_device())
    print(f"{args.model}: {model.training}; {CAUTION}")

    for message in errors:
        print(f"error: {message}", file=sys.stderr)
    start, done = time.monotonic(), 0
    for output, photo in tqdm(outputs.items(), desc="colorize", unit="photo"):
        try:
            colorize_file(photo, output, model, args)
            done += 1
        except (InputError, MemoryError) as error:
            errors.append(str(error) or f"{photo}: takes more memory than there is")
            tqdm.write(f"error: {errors[-1]}", file=sys.stderr)
    skipped = f"; {len(existing)} existed" if args.skip_existing else ""
    print(f"colorized {done} photographs in {time.monotonic() - start:.1f} s{skipped}")
    if errors:
        raise InputError(f"{len(errors)} photograph{'s' * (len(errors) > 1)} failed")


if __name__ == "__main__":
    with one_line_errors():
        main()
