"""Rebuild the committed pipeline from nothing and compare every output with dvc.lock.

`make verify` runs it. The exit status is 0 when all outputs have the committed hashes, or when this
is another kind of processor, the data is identical and the metrics are within tolerance; else 1.
"""

import argparse
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from colorizer.device import available_device, processor_name
from colorizer.errors import InputError, one_line_errors
from colorizer.files import enter_project, read_yaml

COMMITTED_ON = "x86_64 AVX512"  # the kind of processor that dvc.lock was made on

# On another kind sums are rounded differently, and training follows a slightly different path. The
# last digit can decide where it stops, so numbers of epochs are not compared.
DATA = ("data/raw", "data/prepared")  # the same on any kind
TOLERANCE = 0.001  # absolute for SHARES, relative for other metrics
SHARES = ("margin_error", "accuracy", "ssim", "gain_over_table")
NOT_COMPARED = ("epochs", "best_epoch")


def main() -> None:
    """Verify HEAD of the repository in the current folder."""
    enter_project(argparse.ArgumentParser(description=__doc__).parse_args())
    # The project can be a folder of a larger repository.
    top, inside = run("git", "rev-parse", "--show-toplevel", "--show-prefix").splitlines()
    if run("git", "status", "--porcelain", "--untracked-files=no"):
        print("only HEAD is verified, not the uncommitted changes")
    installed = {d.name: d.version.partition("+")[0] for d in metadata.distributions()}
    for pin in Path("constraints.txt").read_text(encoding="utf-8").split():
        name, _, version = pin.partition("==")
        if installed.get(name, version) != version:
            print(f"{name} {installed[name]} is installed, {version} is pinned")
    with TemporaryDirectory() as folder:
        run("git", "-c", "core.hooksPath=/dev/null", "clone", "--quiet", top, folder)
        clone = Path(folder, inside)
        committed = contents(clone)
        if photos := [str(path.relative_to(clone)) for path in clone.glob("data/**/*.dvc")]:
            cache = run("dvc", "cache", "dir").strip()
            run("dvc", "remote", "add", "--local", "--default", "here", cache, folder=clone)
            run("dvc", "pull", *photos, folder=clone)
        run("dvc", "repro", "--force", folder=clone, capture=False)
        pairs = zip(committed, contents(clone), strict=True)
    outputs, metrics = (pd.DataFrame({"committed": old, "rebuilt": new}) for old, new in pairs)
    print(judge(outputs, metrics, processor_name(available_device())))


def run(*command: str, folder: Path = Path(), capture: bool = True) -> str:
    """What a command prints. Raises InputError with its error, in one line, when it fails."""
    # A Git hook's variables would make Git and DVC use the hook's repository in every folder.
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    process = subprocess.run(
        command, cwd=folder, env=environment, capture_output=capture, text=True, check=False
    )
    if process.returncode:
        raise InputError(" ".join((process.stderr or f"{' '.join(command)} failed").split()))
    return process.stdout


def contents(project: Path) -> tuple[pd.Series, pd.Series]:
    """Hash of each output in dvc.lock, and value of each metric in metrics/."""
    stages = read_yaml(project / "dvc.lock")["stages"].values()
    hashes = {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}
    files = {path.stem: json.loads(path.read_text()) for path in project.glob("metrics/*.json")}
    return pd.Series(hashes), pd.json_normalize(files).iloc[0]


def judge(outputs: pd.DataFrame, metrics: pd.DataFrame, processor: str) -> str:
    """The verdict on the columns committed and rebuilt. Raises InputError when they differ."""
    same = outputs["committed"] == outputs["rebuilt"]  # False for an output of one side only
    print(same.map({True: "identical", False: "DIFFERS"}).to_string())
    if same.all():
        return f"all {len(same)} outputs are identical to dvc.lock"
    print(f"dvc.lock was made on {COMMITTED_ON}, this is {processor}")
    if processor == COMMITTED_ON or not same[same.index.str.startswith(DATA)].all():
        raise InputError(f"{(~same).sum()} of {len(same)} outputs differ from dvc.lock")
    metrics = metrics[~metrics.index.str.endswith(NOT_COMPARED)]
    scale = metrics["committed"].abs().mask(metrics.index.str.endswith(SHARES), 1)
    within = (metrics["rebuilt"] - metrics["committed"]).abs() <= TOLERANCE * scale
    if not within.all():
        print(metrics[~within].to_string())
        raise InputError("metrics are not within tolerance")
    return "data is identical, metrics are within tolerance"


if __name__ == "__main__":
    with one_line_errors():
        main()
