"""Git and DVC commands."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from colorizer.errors import InputError

DVC_ERROR = "ERROR: "


def command(*words: str) -> str:
    """Run git or dvc and return what it prints. Raises InputError with its last line on failure."""
    program = [sys.executable, "-m", "dvc"] if words[0] == "dvc" else [words[0]]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Files, not pipes: the workers that `dvc queue start` leaves running inherit them, and a pipe
    # is read until the last of them has closed it.
    with TemporaryFile("w+", encoding="utf-8") as out, TemporaryFile("w+", encoding="utf-8") as err:
        process = subprocess.Popen(
            [*program, *words[1:]],
            env=os.environ | {"PATH": path},
            stdout=out,
            stderr=err,
            start_new_session=words[0] == "dvc",  # so that Ctrl-C does not reach it
        )
        try:
            status = process.wait()
        except BaseException:
            # DVC changes params.yaml while it queues a run, and restores it afterwards.
            process.wait()
            raise
        for file in (out, err):
            file.seek(0)
        stdout, stderr = out.read(), err.read()
    if status:
        lines = (stderr or stdout).strip().splitlines() or ["failed"]
        # DVC prints where to find help after its error.
        errors = [line.removeprefix(DVC_ERROR) for line in lines if line.startswith(DVC_ERROR)]
        raise InputError(f"{' '.join(words[:3])}: {(errors or lines)[-1]}")
    return stdout
