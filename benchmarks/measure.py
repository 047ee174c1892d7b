"""Run a command and measure its time and memory."""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Cost:
    """Cost of a process and its descendants."""

    seconds: float
    anonymous: int  # bytes, peak: memory that is not of a file, shared pages counted once
    faults: int  # page faults that the kernel served without the disk
    output: str


def measure(command: Sequence[str], folder: Path) -> Cost:
    """Run a Python command in a folder. Raises CalledProcessError when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
    start = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        peak = [0]
        watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
        watcher.start()
        output, _ = process.communicate()
    seconds = time.perf_counter() - start
    watcher.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    faults = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before
    return Cost(seconds, peak[0], faults, output)


def _watch(process: subprocess.Popen[str], peak: list[int]) -> None:
    while process.poll() is None:
        try:
            parent = psutil.Process(process.pid)
            family = [parent, *parent.children(recursive=True)]
        except psutil.Error:  # it has just ended
            return
        peak[0] = max(peak[0], sum(_anonymous_bytes(each.pid) for each in family))
        time.sleep(0.05)


def _anonymous_bytes(pid: int) -> int:
    """Anonymous memory of a process, with its share of the pages that it shares; Linux only."""
    try:
        smaps = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended, or this is not Linux
        return 0
    line = next((line for line in smaps.splitlines() if line.startswith("Pss_Anon:")), "x 0")
    return int(line.split()[1]) * 1024
