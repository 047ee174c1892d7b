"""Measure stages and DVC on made data sets of several sizes; print tables in Markdown.

The commands run in a clone of the last commit. 500,000 photographs need 10 GB. Needs Linux.
"""

import argparse
import shutil
import subprocess
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import psutil
import skimage.data
from PIL import Image

from benchmarks.common import ROOT, changed_params, print_table
from colorizer.files import write_yaml

FOLDER_SIZE = 20_000  # photographs in a folder each of train, val and test
PARAMS = {"data.name": "files", "train.epochs": 1, "predict_test.count": "all"}
SET_UP = (
    f"git clone --quiet {ROOT} .",
    "dvc config cache.type reflink,hardlink,symlink,copy",
    "dvc config core.site_cache_dir ../site",
    "dvc remote add --default beside ../remote",
)
PREPARE = "python -m stages.prepare"
COMMANDS = {
    "prepare, 1 process": f"taskset --cpu-list 0 {PREPARE}",
    "prepare": PREPARE,
    "train, 1 epoch": "python -m stages.train",
    "evaluate": "python -m stages.evaluate",
    "predict_test": "python -m stages.predict_test",
    "dvc add": "dvc add data/raw/files",
    "dvc status": "dvc status data/raw/files.dvc",
    "dvc push": "dvc push data/raw/files.dvc",
    "dvc repro": "dvc repro --single-item prepare",
    "dvc repro, nothing to do": "dvc repro --single-item prepare",
    "dvc add, tars": "dvc add data/raw/tars",
    "dvc status, tars": "dvc status data/raw/tars.dvc",
    "dvc push, tars": "dvc push data/raw/tars.dvc",
}
READ = {"train, 1 epoch": 0.75, "evaluate": 0.25, "predict_test": 0.25}  # share of photographs


def write_photos(folder: Path, photos: int) -> None:
    """A data set of JPEG files of 80x80 pixels: one picture, but distinct files; half for train."""
    file = BytesIO()
    Image.fromarray(skimage.data.astronaut()).resize((80, 80)).save(file, "jpeg", quality=90)
    for number in range(photos):
        split = ("train", "val", "train", "test")[number % 4]
        path = folder / split / str(number // FOLDER_SIZE) / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.getvalue() + str(number).encode())  # decoders ignore the end


def measure(command: str, folder: Path) -> tuple[float, float]:
    """Seconds of a command that should succeed, and MB, the peak of all its anonymous memory."""
    start, peak = time.perf_counter(), 0
    process = psutil.Popen(command.split(), cwd=folder, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            family = [process, *process.children(recursive=True)]
            memory = [each.memory_info() for each in family]
            peak = max(peak, sum(each.rss - each.shared for each in memory))  # without mapped files
        with suppress(psutil.TimeoutExpired):
            process.wait(0.2)  # seldom, since it takes time to look at all processes
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - start, peak / 1e6


def costs(folder: Path, photos: int) -> pd.DataFrame:
    """What each command takes for a data set of `photos` photographs."""
    table = pd.DataFrame(columns=["seconds", "photographs/s", "MB"]).rename_axis("command")
    with TemporaryDirectory(dir=folder) as temporary:
        clone = Path(temporary) / "clone"
        clone.mkdir()
        for command in SET_UP:
            measure(command, clone)
        raw = clone / "data/raw"
        write_photos(raw / "files", photos)
        for path in (raw / "files").glob("*/*"):
            shutil.make_archive(f"{raw}/tars/{path.parent.name}-{path.name}", "tar", path)
        size = {"prepare.image_size": 16} if photos > 50_000 else {}  # to need less disk
        write_yaml(clone / "params.yaml", changed_params(PARAMS | size))
        for name, command in COMMANDS.items():
            seconds, memory = measure(command, clone)
            rate = READ.get(name, 1) * photos / seconds
            table.loc[name] = [f"{seconds:.1f}", f"{rate:.0f}", f"{memory:.0f}"]
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder on the disk to measure")
    parser.add_argument("photos", type=int, nargs="+", help="numbers of photographs")
    args = parser.parse_args()
    tables = {f"{photos:,}": costs(args.folder.resolve(), photos) for photos in args.photos}
    for column in ("seconds", "photographs/s", "MB"):
        table = pd.DataFrame({photos: table[column] for photos, table in tables.items()})
        print_table(f"{column}, by number of photographs:", table)


if __name__ == "__main__":
    main()
