"""Run stages and the reference loop as processes of their own, and time them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def run_module(module: str, args: list[str], folder: Path) -> tuple[float, str]:
    """Run a Python module of this project in a folder; seconds, and what it printed.

    Raises CalledProcessError when it fails.
    """
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", module, *args],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.perf_counter() - start, process.stdout


def reference_epochs(raw: Path, conv_layers: int, kernels: int, epochs: int) -> list[float]:
    """Seconds of epochs of the reference loop on photographs, without the first one.

    The reference loop is the report's way of training: see benchmarks/reference.py.
    """
    threads = "1"  # which the reference loop ignores: it uses PyTorch's default
    network = [str(conv_layers), str(kernels), "0"]
    args = ["reference", str(raw.resolve()), *network, threads, str(epochs)]
    _, output = run_module("benchmarks.epoch", args, Path.cwd())
    seconds: list[float] = json.loads(output)["seconds"]
    return seconds[1:]
