"""Git and DVC, as from a shell."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from colorizer.errors import InputError

DVC_ERROR = "ERROR: "


def command(*words: str) -> str:
    """Run git or dvc, give what it prints; InputError with its last line where it fails."""
    program = [sys.executable, "-m", "dvc"] if words[0] == "dvc" else [words[0]]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Files, not pipes: workers that `dvc queue start` leaves behind inherit them, and a pipe would
    # be read until the last of them ended.
    with TemporaryFile("w+", encoding="utf-8") as out, TemporaryFile("w+", encoding="utf-8") as err:
        process = subprocess.Popen(
            [*program, *words[1:]],
            env=os.environ | {"PATH": path},
            stdout=out,
            stderr=err,
            start_new_session=words[0] == "dvc",  # where Ctrl-C does not reach it
        )
        try:
            status = process.wait()
        except BaseException:
            # While DVC queues, params.yaml is what the run will have, and is put back after it.
            process.wait()
            raise
        for file in (out, err):
            file.seek(0)
        printed, complained = out.read(), err.read()
    if status:
        said = (complained or printed).strip().splitlines() or ["failed"]
        # After its error, DVC says where to find help.
        errors = [line.removeprefix(DVC_ERROR) for line in said if line.startswith(DVC_ERROR)]
        raise InputError(f"{' '.join(words[:3])}: {(errors or said)[-1]}")
    return printed
