"""What a Dask worker does for a run: `dvc exp run` in its clone of the commit, then a push.

Dask sends this module to the workers as code (see cluster.py), so that a worker needs Git and the
environment, but no checkout. Therefore this module imports nothing else of this project.
"""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from distributed import get_worker

TARGET = "evaluate"  # with the stages that it needs: neither test photographs nor figures
MACHINE = (
    "from colorizer.device import available_device, processor_name;"
    "print(processor_name(available_device()))"
)


class Task(NamedTuple):
    """A run of the pipeline at a commit."""

    url: str  # of the Git repository that has the commit and gets the experiment
    commit: str
    folder: str  # of the project in the repository; "" for its top level
    cache: str  # DVC's cache, for workers that share its file system; "": the DVC remote
    name: str  # of the experiment
    options: list[str]  # of `dvc exp run`

    @property
    def ref(self) -> str:
        """The Git ref of the experiment, by DVC's convention."""
        return f"refs/exps/{self.commit[:2]}/{self.commit[2:]}/{self.name}"


def run_experiment(task: Task) -> None:
    """Run a task and push its experiment. Raises RuntimeError with the output of what failed."""
    project, machine = _clone(task)
    _output(project, "git", "reset", "--quiet", "--hard", task.commit)  # also after a killed run
    _output(project, "git", "update-ref", "-d", task.ref)  # of a run that could not be pushed
    pull = [] if task.cache else ["--pull"]
    words = ["exp", "run", "--name", task.name, "--message", machine, *pull, *task.options, TARGET]
    _dvc(project, *words)
    if task.cache:
        _output(project, "git", "push", "--quiet", "--force", "origin", f"{task.ref}:{task.ref}")
    else:
        _dvc(project, "exp", "push", "--force", "origin", task.name)


def _clone(task: Task) -> tuple[Path, str]:
    """The project in this worker's clone of the commit, and the kind of processor here."""
    clone = Path(get_worker().local_directory, f"{task.commit}-{threading.get_ident()}")
    project, machine = clone / task.folder, clone / ".git" / "machine"
    if not machine.exists():
        shutil.rmtree(clone, ignore_errors=True)  # of an attempt that failed
        # A user's hooks are for the user's own commits.
        settings = ("core.hooksPath=/dev/null", "user.name=sweep", "user.email=sweep@localhost")
        options = [word for setting in settings for word in ("--config", setting)]
        _output(Path(), "git", "clone", "--quiet", *options, task.url, str(clone))
        _output(clone, "git", "checkout", "--quiet", "--detach", task.commit)
        # DVC's database of this folder should go with it.
        config = ["[core]", f"    site_cache_dir = {clone / '.git' / 'dvc'}"]
        if task.cache:
            config += [
                "[cache]",
                f"    dir = {task.cache}",
                '    type = "reflink,hardlink,symlink"',
            ]
        (project / ".dvc" / "config.local").write_text("\n".join(config), encoding="utf-8")
        *_, kind = _output(project, sys.executable, "-c", MACHINE).splitlines()  # after warnings
        machine.write_text(kind, encoding="utf-8")
    return project, machine.read_text(encoding="utf-8")


def _dvc(project: Path, *words: str) -> None:
    _output(project, sys.executable, "-m", "dvc", *words)


def _output(folder: Path, *words: str) -> str:
    """What a command prints in a folder. Raises RuntimeError with all of it when it fails."""
    # Stages find Python here; prepare should not wait for workers that runs keep.
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_TERMINAL_PROMPT": "0",
        "DASK_SCHEDULER_ADDRESS": "",
    }
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout.strip() or f"{' '.join(words[:3])}: no output")
    return done.stdout.strip()
