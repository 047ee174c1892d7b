"""Git and DVC commands in the current folder."""

import os
import subprocess
import sys
from pathlib import Path

from colorizer.errors import InputError

DVC_ERROR = "ERROR: "


def command(*words: str) -> str:
    """Run git or dvc and return what it prints. Raises InputError with its last line on failure."""
    program = [sys.executable, "-m", "dvc"] if words[0] == "dvc" else [words[0]]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        [*program, *words[1:]],
        env=os.environ | {"PATH": path},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if ended.returncode:
        lines = (ended.stderr or ended.stdout).strip().splitlines() or ["failed"]
        # DVC prints where to find help after its error.
        errors = [line.removeprefix(DVC_ERROR) for line in lines if line.startswith(DVC_ERROR)]
        raise InputError(f"{' '.join(words[:3])}: {(errors or lines)[-1]}")
    return ended.stdout
