"""Run a command and say what it cost."""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Of one process and those that it started."""

    seconds: float
    anonymous: int  # bytes, most at once: memory not of a file, what is shared counted once
    faults: int  # page faults that the kernel served without the disk
    output: str


def measure(command: Sequence[str], folder: Path) -> Cost:
    """Run a command of Python in a folder; raises CalledProcessError when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
    started = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        most = [0]
        watching = threading.Thread(target=_watch, args=(process, most), daemon=True)
        watching.start()
        output, _ = process.communicate()
    seconds = time.perf_counter() - started
    watching.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    faults = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before
    return Cost(seconds, most[0], faults, output)


def _watch(process: subprocess.Popen[str], most: list[int]) -> None:
    while process.poll() is None:
        most[0] = max(most[0], sum(map(_anonymous, _family(process.pid))))
        time.sleep(0.05)


def _family(process: int) -> list[int]:
    """A process and its descendants; Linux only, elsewhere none but itself."""
    children = Path(f"/proc/{process}/task/{process}/children")
    try:
        return [
            process,
            *(one for child in children.read_text().split() for one in _family(int(child))),
        ]
    except OSError:
        return [process]


def _anonymous(process: int) -> int:
    """Its share of the pages that it has together with others, and its own; Linux only."""
    try:
        smaps = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:  # it has ended, or this is not Linux
        return 0
    line = next((line for line in smaps.splitlines() if line.startswith("Pss_Anon:")), "x 0")
    return int(line.split()[1]) * 1024
