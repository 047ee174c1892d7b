"""Git and DVC, as from a shell."""

import os
import subprocess
import sys
from pathlib import Path

from colorizer.errors import InputError


def command(*words: str) -> str:
    """Run git or dvc, give what it prints; InputError with its last line where it fails."""
    program = [sys.executable, "-m", "dvc"] if words[0] == "dvc" else [words[0]]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*program, *words[1:]],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["failed"]
        raise InputError(f"{' '.join(words[:3])}: {said[-1]}")
    return done.stdout
