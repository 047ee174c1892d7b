"""Rebuild the committed pipeline from nothing and compare every output with dvc.lock.

Run by `make verify`. It works in a temporary clone of HEAD without a cache, so nothing is taken
over but what git holds. Exit status 0 when all outputs have the committed hashes, or when this is
another kind of processor and the metrics are within tolerance; 1 otherwise.
"""

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from colorizer.device import available_device, processor

# What dvc.lock was made on: the machine and the vector instructions that PyTorch uses there.
COMMITTED_ON = "x86_64 AVX512"

# On another kind of processor sums round otherwise, and training takes a path of its own beside
# this one. With PyTorch or oneDNN held to older instructions here, no metric of the sample moved by
# more than 3e-6. Shares may differ by an absolute amount, other metrics by a relative one.
SHARES = ("margin_error", "accuracy", "ssim", "gain_over_table")
SHARE_TOLERANCE = 0.001
RELATIVE_TOLERANCE = 0.001
NOT_COMPARED = ("epochs", "best_epoch")  # where training stops can be a matter of the last digit


def main() -> int:
    """Verify HEAD of the repository in the current folder."""
    for difference in environment_differences(Path("constraints.txt")):
        print(f"environment: {difference}")
    if git("status", "--porcelain", "--untracked-files=no"):
        print("uncommitted changes are not verified, only HEAD is")
    with TemporaryDirectory() as folder:
        rebuilt = Path(folder) / "clone"
        git("clone", "--quiet", ".", str(rebuilt))
        committed = contents(rebuilt)
        if not rebuild(rebuilt):
            print("the pipeline does not run")
            return 1
        return judge(committed, contents(rebuilt), processor(available_device()))


def rebuild(clone: Path) -> bool:
    """Run the pipeline in a clone; of the cache here it gets photographs, but no output."""
    dvc = [sys.executable, "-m", "dvc"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def succeeds(*words: str) -> bool:
        environment = {**os.environ, "PATH": path}
        ended = subprocess.run([*dvc, *words], cwd=clone, env=environment, check=False)
        return ended.returncode == 0

    if photographs := git("ls-files", "*.dvc").splitlines():
        asked = subprocess.run([*dvc, "cache", "dir"], check=True, capture_output=True, text=True)
        cache = asked.stdout.strip()
        if not (
            succeeds("remote", "add", "--quiet", "--local", "--default", "here", cache)
            and succeeds("pull", "--quiet", *photographs)
        ):
            return False
    return succeeds("repro", "--force")


def judge(committed: dict[str, Any], rebuilt: dict[str, Any], kind: str) -> int:
    """Print what is identical and what differs; the exit status."""
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
    # No floating point of the network is in these.
    near = all(same for output, same in rows if output.startswith(("data/raw", "data/prepared")))
    for name, old, new, allowed in compare_metrics(committed["metrics"], rebuilt["metrics"]):
        within = abs(new - old) <= allowed
        near = near and within
        verdict = "within" if within else "NOT WITHIN"
        print(f"{name}: {old} is now {new}, {verdict} {allowed:.6g}")
    if kind == COMMITTED_ON:
        print(f"this is the kind of processor that dvc.lock was made on, {COMMITTED_ON}")
        return 1
    print(f"dvc.lock was made on {COMMITTED_ON}, this is {kind}: floating point may differ")
    print(
        "the metrics are near and the data is identical" if near else "that is not why it differs"
    )
    return 0 if near else 1


def contents(repository: Path) -> dict[str, Any]:
    """Hashes of all outputs and values of all metrics, as a repository's files have them."""
    lock = YAML(typ="safe", pure=True).load(repository / "dvc.lock")
    outputs = {
        out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]
    }
    metrics: dict[str, float] = {}
    for path in sorted(repository.glob("metrics/*.json")):
        metrics |= flat(json.loads(path.read_text(encoding="utf-8")), path.stem)
    return {"outputs": outputs, "metrics": metrics}


def flat(values: dict[str, Any], prefix: str) -> dict[str, float]:
    """Nested keys joined by dots."""
    result: dict[str, float] = {}
    for key, value in values.items():
        name = f"{prefix}.{key}"
        result |= flat(value, name) if isinstance(value, dict) else {name: value}
    return result


def compare_outputs(old: dict[str, str], new: dict[str, str]) -> list[tuple[str, bool]]:
    """Each output of either side, and whether both have it with one hash."""
    return [(output, old.get(output) == new.get(output)) for output in sorted({*old, *new})]


def compare_metrics(
    old: dict[str, float], new: dict[str, float]
) -> list[tuple[str, float, float, float]]:
    """Metrics that differ: name, old value, new value, and the difference that is allowed."""
    differing = []
    for name in sorted({*old, *new}):
        before, after = old.get(name, float("nan")), new.get(name, float("nan"))
        if before != after and not name.endswith(NOT_COMPARED):
            share = name.endswith(SHARES)
            allowed = SHARE_TOLERANCE if share else RELATIVE_TOLERANCE * abs(before)
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
            continue  # another system may need fewer
        if installed != pinned:
            differences.append(f"{name} is {installed}, pinned {pinned}")
    return differences


def git(*words: str) -> str:
    """Output of a git command."""
    return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
