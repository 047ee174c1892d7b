"""Colorize photographs with a trained network: files, and folders, which are searched recursively.

An output has the name of its photograph and, for a folder, the same place below OUT. It is in 8-bit
sRGB, upright, and as transparent as the photograph. JPEG and TIFF stay JPEG and TIFF; other formats
become PNG. EXIF (title, date, place, comment; not the camera's own data or thumbnail) and dots per
inch are kept.
"""

import colorizer.openmp  # noqa: F401 before PyTorch

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from colorizer.data.decoding import TooLargeError
from colorizer.data.photos import (
    MAX_MEGAPIXELS,
    NEEDS_MEMORY,
    count_kinds,
    find_photos,
    read_photo,
)
from colorizer.device import available_device, configure_torch
from colorizer.errors import InputError, one_line_errors
from colorizer.inference.colorize import MODEL_FILE, colorize_image
from colorizer.inference.output import (
    NO_METADATA,
    SUFFIXES,
    format_of,
    with_suffix_of,
    write_photo,
)
from colorizer.models.model_file import TrainedModel, load_model


class Job(NamedTuple):
    """A photograph, and the file and format to write."""

    photo: Path
    output: Path
    file_format: str


def list_photos(paths: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """The photographs among files and folders, each with its place below `out`.

    Files of a folder that lie in `out`, as outputs of an earlier run do, are left out. Raises
    InputError for a path that does not exist, for a folder without photographs, and for one of
    which nothing is left.
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
        photos = [
            name for name in photos if not (path / name).resolve().is_relative_to(out.resolve())
        ]
        if not photos:
            raise InputError(
                f"{path}: all its photographs lie in {out}, as outputs do; --out should be another "
                "folder"
            )
        yield from ((path / name, out / name) for name in photos)


def plan_jobs(
    paths: Sequence[Path], out: Path, file_format: str | None
) -> tuple[list[Job], list[InputError]]:
    """A job for each photograph, and an error for each output that several would have.

    Raises InputError for an output that is a folder or the photograph itself. `file_format` None
    stands for that of the photograph.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; should be a folder, which is made if need be")
    jobs: dict[Path, dict[Path, Job]] = {}  # by output and photograph
    for photo, place in list_photos(paths, out):
        chosen = file_format or format_of(photo)
        job = Job(photo, with_suffix_of(place, chosen), chosen)
        jobs.setdefault(job.output, {})[photo] = job
        if not exists(job.output):
            continue
        if job.output.is_dir():
            raise InputError(f"{job.output}: is a folder; --out should be another one")
        if job.output.samefile(photo):
            raise InputError(
                f"{job.output}: is the photograph itself; --out should be another folder"
            )
    clashes = [
        InputError(f"{output}: would hold {' and '.join(map(str, photos))}; rename one")
        for output, photos in jobs.items()
        if len(photos) > 1
    ]
    return [job for photos in jobs.values() if len(photos) == 1 for job in photos.values()], clashes


def exists(path: Path) -> bool:
    """Whether a file exists; false where it could not be made (its name is too long, say)."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def run_job(job: Job, model: TrainedModel, args: argparse.Namespace) -> int:
    """Colorize a photograph; its number of pixels.

    Raises InputError for a photograph that cannot be read or written.
    """
    try:
        image, metadata, position = read_photo(
            job.photo, "RGB" if args.side_by_side else "L", args.max_megapixels
        )
        if position:
            tqdm.write(f"{job.photo}: took {position}", file=sys.stderr)
        result = colorize_image(
            image, model.network, model.image_size, args.saturation, args.side_by_side
        )
        write_photo(
            job.output,
            result,
            job.file_format,
            args.quality,
            NO_METADATA if args.strip_metadata else metadata,
        )
    except TooLargeError as error:
        raise InputError(f"{error}, or raise --max-megapixels") from None
    except MemoryError:
        raise InputError(f"{job.photo}: {NEEDS_MEMORY}") from None
    return image.width * image.height


def parse_args() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m colorizer", description=__doc__)
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="file or folder")
    parser.add_argument("-o", "--out", required=True, type=Path, help="folder to write to")
    parser.add_argument("--model", type=Path, default=MODEL_FILE, help="model file (%(default)s)")
    parser.add_argument(
        "--saturation",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="factor on the colors, 0 to 10 (%(default)s; 0 is gray)",
    )
    parser.add_argument(
        "--side-by-side",
        action="store_true",
        help="write gray, colorized and, for a photograph in color, the original in a row",
    )
    parser.add_argument(
        "--format",
        choices=SUFFIXES,
        help="output format; default: JPEG and TIFF are kept, others become PNG",
    )
    parser.add_argument(
        "--quality", type=int, default=95, help="JPEG quality, 1 to 100 (%(default)s)"
    )
    parser.add_argument(
        "--strip-metadata", action="store_true", help="write no EXIF, comment or resolution"
    )
    parser.add_argument(
        "--max-megapixels",
        type=float,
        default=MAX_MEGAPIXELS,
        metavar="N",
        help="largest photograph to read (%(default)s, with about 2 GiB of memory; inf: any)",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--force", action="store_true", help="replace existing files")
    existing.add_argument(
        "--skip-existing", action="store_true", help="skip photographs whose output exists"
    )
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
    if args.model == MODEL_FILE and not MODEL_FILE.exists():
        raise InputError(
            f"{MODEL_FILE}: no such file; make repro trains it, or name another with --model"
        )
    jobs, errors = plan_jobs(args.photos, args.out, args.format)
    existing = {job for job in jobs if exists(job.output)}
    if args.skip_existing:
        jobs = [job for job in jobs if job not in existing]
    elif existing and not args.force:
        first = min(job.output for job in existing)
        raise InputError(f"{first}: exists; --force replaces it, --skip-existing leaves it")
    configure_torch(os.cpu_count() or 1)
    model = load_model(args.model)
    model.network.to(available_device())
    print(f"{args.model}: {model.training}; what it never saw comes out brownish")

    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    start, pixels, done = time.monotonic(), 0, 0
    for job in tqdm(jobs, desc="colorize", unit="photo"):
        try:
            pixels += run_job(job, model, args)
            done += 1
        except InputError as error:
            errors.append(error)
            tqdm.write(f"error: {error}", file=sys.stderr)
    seconds = time.monotonic() - start
    print(
        f"colorized {done} photographs, {pixels / 1e6:.1f} megapixels, in {seconds:.1f} s"
        + (f"; {len(existing)} existed" if args.skip_existing else "")
    )
    if errors:
        raise InputError(f"{len(errors)} errors, see above; all other photographs are colorized")


if __name__ == "__main__":
    with one_line_errors():
        main()
