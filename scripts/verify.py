"""Rebuild the committed pipeline from nothing and compare every output with dvc.lock.

Run by `make verify`. It works in a temporary clone of HEAD without a cache, so that no output is
reused. The exit status is 0 when all outputs have the committed hashes, or when this is another
kind of processor and the metrics are within tolerance; else 1.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colorizer.device import available_device, processor_name
from colorizer.files import read_yaml
from colorizer.git_variables import drop_git_variables

# The kind of processor that dvc.lock was made on: architecture and vector instructions.
COMMITTED_ON = "x86_64 AVX512"

# On another kind of processor sums are rounded differently, and training follows a slightly
# different path. With PyTorch or oneDNN limited to older instructions here, no metric of the sample
# changed by more than 2e-6. The tolerance of shares is absolute, that of other metrics relative.
SHARES = ("margin_error", "accuracy", "ssim", "gain_over_table")
SHARE_TOLERANCE = 0.001
RELATIVE_TOLERANCE = 0.001
NOT_COMPARED = ("epochs", "best_epoch")  # the last digit can decide where training stops


def main() -> int:
    """Verify HEAD of the repository in the current folder."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    drop_git_variables()
    for difference in environment_differences(Path("constraints.txt")):
        print(f"environment: {difference}")
    if git("status", "--porcelain", "--untracked-files=no"):
        print("only HEAD is verified, not the uncommitted changes")
    with TemporaryDirectory() as folder:
        # The project can be a folder of a larger repository.
        top, inside = git("rev-parse", "--show-toplevel", "--show-prefix").split("\n")[:2]
        git("clone", "--quiet", top, folder)
        rebuilt = Path(folder, inside)
        committed = contents(rebuilt)
        if not rebuild(rebuilt):
            print("the pipeline does not run")
            return 1
        return judge(committed, contents(rebuilt), processor_name(available_device()))


def rebuild(clone: Path) -> bool:
    """Run the pipeline in a clone, with tracked photographs but no outputs of the cache here."""
    dvc = [sys.executable, "-m", "dvc"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def succeeds(*words: str) -> bool:
        environment = {**os.environ, "PATH": path}
        process = subprocess.run([*dvc, *words], cwd=clone, env=environment, check=False)
        return process.returncode == 0

    if photographs := git("ls-files", "*.dvc").splitlines():
        process = subprocess.run([*dvc, "cache", "dir"], check=True, capture_output=True, text=True)
        cache = process.stdout.strip()
        if not (
            succeeds("remote", "add", "--quiet", "--local", "--default", "here", cache)
            and succeeds("pull", "--quiet", *photographs)
        ):
            return False
    return succeeds("repro", "--force")


def judge(committed: dict[str, Any], rebuilt: dict[str, Any], kind: str) -> int:
    """Print which outputs are identical and which differ; return the exit status."""
    rows = compare_outputs(committed["outputs"], rebuilt["outputs"])
    width = max(len(output) for output, _ in rows)
    print()
    for output, same in rows:
        print(f"{output:{width}}  {'identical' if same else 'DIFFERS'}")
    different = sum(not same for _, same in rows)
    if not different:
        print(f"\nall {len(rows)} outputs are identical to dvc.lock")
        return 0
    print(f"\n{different} of {len(rows)} outputs differ from dvc.lock")
    # These do not depend on the floating point of a network.
    acceptable = all(
        same for output, same in rows if output.startswith(("data/raw", "data/prepared"))
    )
    for name, old, new, allowed in compare_metrics(committed["metrics"], rebuilt["metrics"]):
        within = abs(new - old) <= allowed
        acceptable = acceptable and within
        verdict = "within" if within else "NOT WITHIN"
        print(f"{name}: {old} is now {new}, {verdict} {allowed:.6g}")
    if kind == COMMITTED_ON:
        print(f"dvc.lock was made on this kind of processor, {COMMITTED_ON}")
        return 1
    print(f"dvc.lock was made on {COMMITTED_ON}, this is {kind}: floating point may differ")
    print(
        "the metrics are within tolerance and the data is identical"
        if acceptable
        else "which does not explain these differences"
    )
    return 0 if acceptable else 1


def contents(repository: Path) -> dict[str, Any]:
    """Hashes of all outputs and values of all metrics in the files of a repository."""
    lock = read_yaml(repository / "dvc.lock")
    outputs = {
        out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]
    }
    metrics: dict[str, float] = {}
    for path in sorted(repository.glob("metrics/*.json")):
        metrics |= flat(json.loads(path.read_text(encoding="utf-8")), path.stem)
    return {"outputs": outputs, "metrics": metrics}


def flat(values: dict[str, Any], prefix: str) -> dict[str, float]:
    """A nested mapping as a flat one, with keys joined by dots."""
    result: dict[str, float] = {}
    for key, value in values.items():
        name = f"{prefix}.{key}"
        result |= flat(value, name) if isinstance(value, dict) else {name: value}
    return result


def compare_outputs(old: dict[str, str], new: dict[str, str]) -> list[tuple[str, bool]]:
    """Each output of either side, and whether both have it with the same hash."""
    return [(output, old.get(output) == new.get(output)) for output in sorted({*old, *new})]


def compare_metrics(
    old: dict[str, float], new: dict[str, float]
) -> list[tuple[str, float, float, float]]:
    """Metrics that differ: name, old value, new value, tolerance."""
    differing = []
    for name in sorted({*old, *new}):
        before, after = old.get(name, float("nan")), new.get(name, float("nan"))
        if before != after and not name.endswith(NOT_COMPARED):
            is_share = name.endswith(SHARES)
            allowed = SHARE_TOLERANCE if is_share else RELATIVE_TOLERANCE * abs(before)
            differing.append((name, before, after, allowed))
    return differing


def environment_differences(constraints: Path) -> list[str]:
    """Packages whose installed version is not the one that constraints.txt pins."""
    differences = []
    for line in constraints.read_text(encoding="utf-8").splitlines():
        name, _, pinned = line.partition("==")
        try:
            installed = re.sub(r"\+.*", "", metadata.version(name))  # 2.13.0+cpu is 2.13.0
        except metadata.PackageNotFoundError:
            continue  # another system may need fewer packages
        if installed != pinned:
            differences.append(f"{name} is {installed}, pinned {pinned}")
    return differences


def git(*words: str) -> str:
    """Run a git command and return its output."""
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
