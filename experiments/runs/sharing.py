"""Sweeps that several machines share: each machine claims a run before it queues it.

A claim is the ref refs/sweeps/COMMIT/NAME in a Git remote, which only one machine can create. It is
a commit whose message is the random name of the clone that claimed the run.
"""

import secrets
from collections.abc import Sequence, Set
from pathlib import Path

from colorizer.errors import InputError
from colorizer.files import write_text
from experiments.runs.commands import command
from experiments.runs.sweeps import Run

CLONE_FILE = Path(".dvc/tmp/sweep_clone")  # the random name of this clone


class Sharing:
    """Claims and experiments of the current commit in a Git remote."""

    def __init__(self, remote: str, reclaim: bool) -> None:
        """`reclaim` also claims runs that others have claimed, since they did not finish them."""
        self._remote, self._reclaim = remote, reclaim
        self._refs = f"refs/sweeps/{command('git', 'rev-parse', 'HEAD').strip()}"
        if not CLONE_FILE.exists():  # host and folder would not tell two containers apart
            CLONE_FILE.parent.mkdir(parents=True, exist_ok=True)
            write_text(CLONE_FILE, secrets.token_hex(6))
        self._clone = CLONE_FILE.read_text(encoding="utf-8")
        if not command("dvc", "remote", "list").strip():
            raise InputError(".dvc/config: has no remote; should have one that the machines share")

    def claim(self, runs: Sequence[Run]) -> list[Run]:
        """The runs that this machine may run, since no other machine has claimed them."""
        lines = command("git", "ls-remote", self._remote, f"{self._refs}/*").splitlines()
        claims = {ref: commit for commit, ref in (line.split() for line in lines)}
        refs = {run.name: f"{self._refs}/{run.name}" for run in runs}
        return [run for run in runs if self._claim(refs[run.name], claims.get(refs[run.name], ""))]

    def _claim(self, ref: str, claim: str) -> bool:
        """Whether this machine has a run now; `claim` is the commit of an existing claim, or ''."""
        if claim:
            command("git", "fetch", "--quiet", self._remote, ref)
            if command("git", "log", "-1", "--format=%B", claim).strip() == self._clone:
                return True
            if not self._reclaim:
                return False
        # The author differs from that of other clones, so the commit does, too.
        author = ("-c", f"user.name={self._clone}", "-c", "user.email=sweep@localhost")
        new_claim = command("git", *author, "commit-tree", "HEAD^{tree}", "-m", self._clone).strip()
        lease = f"--force-with-lease={ref}:{claim}"
        try:
            command("git", "push", "--quiet", lease, self._remote, f"{new_claim}:{ref}")
        except InputError:
            if not command("git", "ls-remote", self._remote, ref):
                raise  # nobody has claimed it, so the push failed for another reason
            return False
        return True

    def push(self, names: Set[str]) -> None:
        """Push those of these experiments that the remote lacks."""
        for name in sorted(names - self._pushed()):
            command("dvc", "exp", "push", self._remote, name)

    def pull(self, names: Set[str]) -> None:
        """Pull those of these experiments that others have finished."""
        for name in sorted(names & self._pushed()):
            command("dvc", "exp", "pull", self._remote, name)

    def _pushed(self) -> set[str]:
        return set(command("dvc", "exp", "list", "--name-only", self._remote).split())
