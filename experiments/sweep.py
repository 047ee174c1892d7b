"""Run sweeps of sweeps.yaml on a data set, as experiments in DVC's queue, until none is missing.

Runs are queued a few at a time. What is finished, or has a row among the results that still
holds, is skipped; what failed runs once more, and is named at the end if it fails again. Killed
and started again, it goes on where it was. At the end all is collected into the results.

With --share several machines work at the same sweeps: each claims a run before it queues it, by a
ref that git lets only one of them create in the repository that they share, and pushes what it
finished.
"""

import argparse
import secrets
import time
from collections import Counter
from collections.abc import Sequence, Set
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from colorizer.device import available_device, processor
from colorizer.errors import InputError, one_line_errors
from colorizer.files import write_text
from experiments.collect import collect
from experiments.commands import command
from experiments.dvc_queue import drop_abandoned, tasks, tidy
from experiments.identity import holding, require_committed, source_files
from experiments.models import options
from experiments.sweeps import SWEEPS_FILE, Run, read_sweep

TARGET = "evaluate"  # with the stages that it needs: neither test photographs nor figures
TRIES = 2
# Runs in the queue for each that is running: with fewer, short ones would find it empty before DVC
# was asked again, and workers leave. Of shared sweeps one: what waits here no other machine takes.
WAITING, WAITING_OF_SHARED = 3, 1
POLL = 15  # seconds: asking DVC takes one of a processor's
OWN_FILE = Path(".dvc/tmp/sweep_clone")  # what a clone is known by among those that share


def finished() -> set[str]:
    """The names of the experiments of the current commit."""
    return set(command("dvc", "exp", "list", "--name-only").split())


def enqueue(run: Run, machine: str) -> None:
    """Put a run into DVC's queue, where its workers find it.

    InputError where DVC would take changes into it that are none of the run's.
    """
    require_committed([*source_files(), str(SWEEPS_FILE)])
    queued = f"queued {datetime.now(UTC).isoformat(timespec='seconds')} on {machine}"
    command(
        *("dvc", "exp", "run", "--queue", "--name", run.name, "--message", queued),
        *options(run.changes),
        TARGET,
    )


class Shared:
    """The runs that machines share, by refs/sweeps/COMMIT/NAME in a Git remote.

    Each ref is a commit that has as its message what this clone chose by chance to be known by.
    """

    def __init__(self, remote: str, take_over: bool) -> None:
        """Of the current commit; `take_over` claims what others did not finish, too."""
        self._remote, self._take_over = remote, take_over
        self._refs = f"refs/sweeps/{command('git', 'rev-parse', 'HEAD').strip()}"
        if not OWN_FILE.exists():  # by host and folder, one container may be like another
            OWN_FILE.parent.mkdir(parents=True, exist_ok=True)
            write_text(OWN_FILE, secrets.token_hex(6))
        self._own = OWN_FILE.read_text(encoding="utf-8")
        if not command("dvc", "remote", "list").strip():
            raise InputError(".dvc/config: has no remote; should have one that the machines share")

    def claim(self, runs: Sequence[Run]) -> list[Run]:
        """Those that this machine may run: no other has them."""
        lines = command("git", "ls-remote", self._remote, f"{self._refs}/*").splitlines()
        claims = {ref: commit for commit, ref in (line.split() for line in lines)}
        refs = {run.name: f"{self._refs}/{run.name}" for run in runs}
        return [run for run in runs if self._claim(refs[run.name], claims.get(refs[run.name], ""))]

    def _claim(self, ref: str, claimed: str) -> bool:
        """Whether this machine has a run; `claimed` is the commit that the remote had there."""
        if claimed:
            command("git", "fetch", "--quiet", self._remote, ref)
            if command("git", "log", "-1", "--format=%B", claimed).strip() == self._own:
                return True
            if not self._take_over:
                return False
        # Another time, or author, than a claim of another machine: so another commit.
        author = ("-c", f"user.name={self._own}", "-c", "user.email=sweep@localhost")
        made = command("git", *author, "commit-tree", "HEAD^{tree}", "-m", self._own).strip()
        lease = f"--force-with-lease={ref}:{claimed}"
        try:
            command("git", "push", "--quiet", lease, self._remote, f"{made}:{ref}")
        except InputError:
            if not command("git", "ls-remote", self._remote, ref):
                raise  # nobody has it, so that this was no race
            return False
        return True

    def push(self, names: Set[str]) -> None:
        """Give the others those of these experiments that they have not."""
        for name in sorted(names - self._there()):
            command("dvc", "exp", "push", self._remote, name)

    def pull(self, names: Set[str]) -> None:
        """Take those of these experiments that others finished."""
        for name in sorted(names & self._there()):
            command("dvc", "exp", "pull", self._remote, name)

    def _there(self) -> set[str]:
        return set(command("dvc", "exp", "list", "--name-only", self._remote).split())


def run_missing(
    runs: Sequence[Run], held: set[str], jobs: int, shared: Shared | None
) -> tuple[set[str], set[str]]:
    """Run what is neither held nor finished; what failed, and what other machines have, by name."""
    named = {run.name: run for run in runs}
    if shared:
        here = named.keys() & finished()
        shared.pull(named.keys() - here)
        shared.push(here)
    done = (finished() | held) & named.keys()
    queue = tidy(named.keys())
    ours = queue.keys() - done
    waiting = [run for run in runs if run.name not in done | ours]
    tries = Counter(ours)
    failed: set[str] = set()
    elsewhere: set[str] = set()
    machine = processor(available_device())
    most = jobs * (1 + (WAITING_OF_SHARED if shared else WAITING))
    with tqdm(total=len(runs), initial=len(done), desc="runs", unit="run") as progress:
        while waiting or ours:
            # A few at a time: they run while the next are queued.
            some = waiting[: max(0, min(jobs, most - len(ours)))]
            del waiting[: len(some)]
            taken = shared.claim(some) if shared and some else some
            elsewhere |= {run.name for run in some if run not in taken}
            for run in taken:
                enqueue(run, machine)
                ours.add(run.name)
                tries[run.name] += 1
            if not ours:
                continue
            if taken or any(queue[name].state == "Queued" for name in ours & queue.keys()):
                command("dvc", "queue", "start", "--jobs", str(jobs))
            else:
                drop_abandoned(ours)
            if not waiting or len(ours) >= most:
                time.sleep(POLL)
            queue = tasks()
            if ours - queue.keys():  # one may have begun between DVC's questions to itself
                queue |= tasks()
            going = {name for name, task in queue.items() if task.state in ("Queued", "Running")}
            ended = ours - going
            ours &= going
            done = finished() & ended if ended else set()
            if shared and done:
                try:
                    shared.push(done)
                except InputError as error:
                    progress.write(f"{error}; tried again at the end")
            progress.update(len(done))
            for name in sorted(ended - done):
                if tries[name] < TRIES:
                    if name in queue:
                        command("dvc", "queue", "remove", name)
                    waiting.insert(0, named[name])
                else:
                    failed.add(name)
    if shared:
        shared.push(named.keys() & finished())
    return failed, elsewhere


def main() -> None:
    """Run the sweeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="data set, as data.name")
    parser.add_argument("results", type=Path, help="folder of what was collected")
    parser.add_argument("sweeps", nargs="+", metavar="sweep", help="of sweeps.yaml")
    parser.add_argument("--jobs", type=int, required=True, help="how many run side by side")
    parser.add_argument("--share", metavar="REMOTE", help="Git remote of machines that work at it")
    parser.add_argument("--take-over", action="store_true", help="what others began, too")
    given = parser.parse_args()
    if given.jobs < 1:
        parser.error("--jobs should be 1 or more")
    if given.take_over and not given.share:
        parser.error("--take-over is for --share")
    runs = [run for name in given.sweeps for run in read_sweep(SWEEPS_FILE, name, given.data)]
    shared = Shared(given.share, given.take_over) if given.share else None
    began = time.monotonic()
    held = holding(given.results, runs)
    try:
        failed, elsewhere = run_missing(runs, held, given.jobs, shared)
    except KeyboardInterrupt:
        command("dvc", "queue", "stop", "--kill")
        raise
    minutes = (time.monotonic() - began) / 60
    here = len(runs) - len(failed) - len(elsewhere)
    print(f"{here} of {len(runs)} runs are here, after {minutes:.0f} min")
    collect(given.data, given.results)
    if elsewhere:
        print(f"other machines have {len(elsewhere)}: run this again to take what they finished")
    if failed:
        names = ", ".join(sorted(failed))
        raise InputError(f"failed twice: {names} (dvc queue logs NAME says why)")


if __name__ == "__main__":
    with one_line_errors():
        main()
