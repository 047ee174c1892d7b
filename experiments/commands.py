"""Git and DVC, as from a shell."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from colorizer.errors import InputError


def command(*words: str) -> str:
    """Run git or dvc, give what it prints; InputError with its last line where it fails."""
    program = [sys.executable, "-m", "dvc"] if words[0] == "dvc" else [words[0]]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Files, not pipes: workers that `dvc queue start` leaves behind inherit them, and a pipe would
    # be read until the last of them ended.
    with TemporaryFile("w+", encoding="utf-8") as out, TemporaryFile("w+", encoding="utf-8") as err:
        environment = os.environ | {"PATH": path}
        status = subprocess.run(
            [*program, *words[1:]], env=environment, stdout=out, stderr=err, check=False
        ).returncode
        for file in (out, err):
            file.seek(0)
        printed, complained = out.read(), err.read()
    if status:
        said = (complained or printed).strip().splitlines() or ["failed"]
        raise InputError(f"{' '.join(words[:3])}: {said[-1]}")
    return printed
