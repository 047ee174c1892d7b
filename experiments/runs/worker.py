"""What a Dask worker does for a run: `dvc exp run` in a clone of its own, then publish the result.

Dask sends these functions to the workers as code (see runner.py), so that a worker needs git and
the environment but no checkout. Therefore this module imports nothing else of this project.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from distributed import get_worker
from filelock import FileLock, Timeout

EVENTS = "sweep"  # Dask's topic for lines of text to the user who started the sweep
# Seconds to wait before each new attempt to publish a finished run: some 8 minutes in all.
PUBLISH_AGAIN_AFTER = tuple(2**power for power in range(9))
SCHEDULER_VARIABLE = "DASK_SCHEDULER_ADDRESS"  # of Dask and of the stage prepare
PROCESSOR = (
    "from colorizer.device import available_device, processor_name;"
    "print(processor_name(available_device()))"
)
# Runs a command that ends with this worker, as do all processes that it starts: the worker holds
# the other end of standard input, which the system closes when the worker is killed.
WITH_THIS_WORKER = 'exec 3<&0; (cat <&3; kill -KILL 0) & exec "$@" </dev/null 3<&-'


class Project(NamedTuple):
    """The commit that runs belong to, and where a worker gets it and publishes experiments."""

    url: str  # of the Git repository: a path, or an address that all workers can reach
    commit: str
    folder: str  # of the project inside the repository, "" for its top level
    cache: str | None  # DVC's cache, when the workers share its file system; else a DVC remote
    author: tuple[str, str]  # name and e-mail address for the commits of experiments

    @property
    def refs(self) -> str:
        """Where Git has the experiments of the commit, by DVC's convention."""
        return f"refs/exps/{self.commit[:2]}/{self.commit[2:]}"


class Task(NamedTuple):
    """One run of the pipeline, an experiment of DVC."""

    project: Project
    name: str
    options: tuple[str, ...]  # of `dvc exp run`
    target: str  # stage, which runs with those that it needs


def run_experiment(task: Task) -> None:
    """Run a task, unless its experiment exists, and publish the experiment.

    Raises RuntimeError with one line on what failed, and perhaps the output of the program that
    failed.
    """
    with _only_once(task):
        if _exists_at(task.project.url, task):
            return
        clone = _clone(task.project)
        place = clone / task.project.folder
        if not _exists_at(".", task, place):
            _git(place, "reset", "--quiet", "--hard", task.project.commit)
            started = datetime.now(UTC).isoformat(timespec="seconds")
            message = f"started {started} on {(clone / '.git' / 'processor').read_text()}"
            words = ("exp", "run", "--name", task.name, "--message", message)
            pull = () if task.project.cache else ("--pull",)
            log = clone / ".git" / "sweep.log"
            _run_pipeline(place, log, (*words, *pull, *task.options, task.target))
            if not _exists_at(".", task, place):
                raise RuntimeError("dvc exp run succeeded, but left no experiment")
        _publish(task, place)


def _only_once(task: Task) -> AbstractContextManager[object]:
    """A lock against another sweep of the same repository; it ends when its process does.

    Workers that share no file system have one scheduler, which runs a task once.
    """
    if task.project.cache is None:
        return nullcontext()
    folder = Path(_git(Path(task.project.url), "rev-parse", "--git-common-dir"))
    file = Path(task.project.url) / folder / "sweeps" / f"{task.name}.lock"
    file.parent.mkdir(exist_ok=True)
    lock = FileLock(file)
    try:
        return lock.acquire(blocking=False)
    except Timeout:
        _log_event(f"{task.name}: another sweep runs it; waiting for that")
        return lock.acquire()


def _exists_at(repository: str, task: Task, place: Path = Path()) -> bool:
    return bool(_git(place, "ls-remote", repository, f"{task.project.refs}/{task.name}"))


def _clone(project: Project) -> Path:
    """The clone of this worker's thread, which is made at its first run of a commit.

    Dask removes it with the worker's folder.
    """
    name = f"{project.commit}-{threading.get_ident()}"
    clone = Path(get_worker().local_directory) / name
    if clone.exists():
        return clone
    partial = clone.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    _git(Path(), "init", "--quiet", str(partial))
    _git(partial, "remote", "add", "origin", project.url)
    _git(partial, "fetch", "--quiet", "--no-tags", "origin", project.commit)
    _git(partial, "-c", "advice.detachedHead=false", "checkout", "--quiet", project.commit)
    for key, value in zip(("user.name", "user.email"), project.author, strict=True):
        _git(partial, "config", key, value)
    place = partial / project.folder
    # DVC's state database belongs to a folder's path, so it should go with this one.
    config = ["[core]", f"    site_cache_dir = {clone / '.git' / 'dvc'}"]
    if project.cache:
        config += ["[cache]", f"    dir = {project.cache}", '    type = "reflink,hardlink,symlink"']
    (place / ".dvc" / "config.local").write_text("\n".join([*config, ""]), encoding="utf-8")
    processor = _output(place, sys.executable, "-c", PROCESSOR)
    (partial / ".git" / "processor").write_text(processor, encoding="utf-8")
    partial.rename(clone)
    return clone


def _run_pipeline(place: Path, log: Path, words: tuple[str, ...]) -> None:
    """Run dvc; it and the stages that it started end with this worker."""
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            ["sh", "-c", WITH_THIS_WORKER, "sh", sys.executable, "-m", "dvc", *words],
            cwd=place,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            status = process.wait()
        finally:
            process.stdin.close()  # type: ignore[union-attr]  # there is a pipe
    if status:
        output = log.read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(_reason(output), output)


def _publish(task: Task, place: Path) -> None:
    """Push the outputs, where the cache is not shared, and the Git ref; wait while that fails."""
    ref = f"{task.project.refs}/{task.name}"
    for wait in (*PUBLISH_AGAIN_AFTER, None):
        try:
            if task.project.cache:
                _git(place, "push", "--quiet", "origin", f"{ref}:{ref}")
            else:
                _output(place, sys.executable, "-m", "dvc", "exp", "push", "origin", task.name)
            return
        except RuntimeError as error:
            if wait is None:
                raise RuntimeError(f"finished, but could not be published: {error}") from None
            _log_event(f"{task.name} is finished; publishing it failed: {error}; again in {wait} s")
            time.sleep(wait)


def _log_event(line: str) -> None:
    get_worker().log_event(EVENTS, line)


def _git(place: Path, *words: str) -> str:
    return _output(place, "git", *words)


def _output(place: Path, *words: str) -> str:
    """What a command prints. Raises RuntimeError with the reason when it fails."""
    ended = subprocess.run(
        words,
        cwd=place,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(_reason(ended.stderr or ended.stdout))
    return ended.stdout.strip()


def _environment() -> dict[str, str]:
    """Stages find Python and dvc of this worker's environment, and leave its scheduler alone.

    Else prepare would wait for workers of the scheduler while runs, such as its own, keep them all.
    """
    variables = {key: value for key, value in os.environ.items() if key != SCHEDULER_VARIABLE}
    return variables | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _reason(output: str) -> str:
    """The last line of a program's output that tells an error, or the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no output"]
    for prefix in ("error: ", "ERROR: ", "fatal: "):
        for line in reversed(lines):
            if line.startswith(prefix):
                return line.removeprefix(prefix)
    return lines[-1]
