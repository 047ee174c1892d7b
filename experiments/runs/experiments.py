"""Runs of sweeps as experiments of DVC: which there are, and the rows that their commits hold."""

import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from colorizer.files import parse_yaml
from experiments.runs.commands import command
from experiments.runs.identity import code_digest, of_lock, params_digest, source_files
from experiments.runs.results import (
    COLUMNS,
    CURVES_FOLDER,
    EVALUATE_METRICS,
    HISTORIES_FOLDER,
    RUNS_FILE,
    TRAIN_METRICS,
    Tables,
)
from experiments.runs.sweeps import Run

STARTED = "started "  # a time and " on MACHINE" follow: the message of a run's commit


def finished_experiments(commit: str) -> dict[str, str]:
    """The commits of the experiments of a commit, by name."""
    refs = f"refs/exps/{commit[:2]}/{commit[2:]}"  # DVC's convention
    listing = command("git", "for-each-ref", "--format=%(objectname) %(refname:lstrip=4)", refs)
    return {name: revision for revision, name in map(str.split, listing.splitlines())}


def commits_of_runs(runs: Sequence[Run]) -> dict[str, str]:
    """Commits of the experiments of runs, by name: the newest with the current code and params.

    They can be of earlier commits, which differ in other files.
    """
    listing = command(
        "git",
        "for-each-ref",
        "--sort=committerdate",
        "--format=%(refname) %(objectname)",
        "refs/exps",
    )
    commits: dict[str, list[str]] = {}
    for line in listing.splitlines():
        ref, commit = line.split()
        commits.setdefault(ref.rpartition("/")[2], []).append(commit)
    code, found = code_digest(), {}
    for run in runs:
        params = params_digest(run.changes)
        for commit in commits.get(run.name, []):
            try:
                identity = of_lock(_lock_of(commit), commit)
            except (KeyError, ValueError):  # of a pipeline with other stages or sections
                continue
            if (identity.code, identity.params) == (code, params):
                found[run.name] = commit
    return found


def get_output(commit: str, path: str, folder: Path) -> Path:
    """Copy or link an output of an experiment to a new file in a folder.

    A new one each time: DVC keeps an existing file, which may be a link into its cache.
    """
    from dvc.api import DVCFileSystem  # here: it is a fifth of what Dask workers import

    file = folder / f"{commit}-{Path(path).name}"
    DVCFileSystem(rev=commit).get_file(path, str(file))
    return file


def last_change(commit: str) -> str:
    """The last commit up to `commit` that changed code, params or pipeline.

    Later ones may have changed data alone, or exist only in this clone.
    """
    files = source_files()
    return command(
        "git", "log", "--no-show-signature", "-1", "--format=%H", commit, "--", *files
    ).strip()


def evaluation_of(revision: str) -> Any:
    """What an experiment's commit has in metrics/evaluate.json."""
    return json.loads(_read(revision, "metrics/evaluate.json"))


def rows_of_run(run: Run, revision: str, commit: str) -> Tables:
    """The rows of a run, from the commit of its experiment; `commit` is what the run is of."""
    train = json.loads(_read(revision, "metrics/train.json"))
    evaluation = evaluation_of(revision)
    lock = _lock_of(revision)
    history = _series(run, revision, "plots/history.csv", HISTORIES_FOLDER)
    finished, _, message = (
        command("git", "log", "--no-show-signature", "-1", "--format=%cI %B", revision)
        .strip()
        .partition(" ")
    )
    # Not so when it was run by hand, under this name.
    started, machine = message.split(" on ", 1) if message.startswith(STARTED) else ("", "")
    row = {
        "name": run.name,
        "sweep": run.sweep,
        "point": run.point,
        "seed": run.seed,
        "commit": commit,
        **of_lock(lock, revision)._asdict(),
        "machine": machine,
        "started": started.removeprefix(STARTED),
        "finished": finished,
        **{name: train[name] for name in TRAIN_METRICS},
        **{name: evaluation[name] for name in EVALUATE_METRICS},
        "table_margin_error": evaluation["table_mode"]["margin_error"],
        "gray_margin_error": evaluation["gray"]["margin_error"],
        "first_margin_error": history["val_margin_error"].iloc[0],
    }
    return {
        RUNS_FILE: pd.DataFrame([{name: str(value) for name, value in row.items()}]),
        HISTORIES_FOLDER: history,
        CURVES_FOLDER: _series(run, revision, "plots/margin_curve.csv", CURVES_FOLDER),
    }


def _lock_of(revision: str) -> Any:
    return parse_yaml(_read(revision, "dvc.lock"), f"dvc.lock of {revision}")


def _read(revision: str, path: str) -> str:
    return command("git", "show", f"{revision}:./{path}")


def _series(run: Run, revision: str, path: str, file: str) -> pd.DataFrame:
    text = StringIO(_read(revision, path))
    series = pd.read_csv(text, dtype=str, keep_default_na=False)
    return series.assign(name=run.name)[[*COLUMNS[file]]]
