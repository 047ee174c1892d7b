"""Which code, params and data a result follows from, and so which results still hold."""

import json
from collections.abc import Sequence
from hashlib import md5, sha256
from pathlib import Path
from typing import Any, NamedTuple

from colorizer.errors import InputError
from colorizer.params import PARAMS_FILE
from experiments.commands import command
from experiments.rows import Row, read_rows
from experiments.sweeps import Changes, Run, parse

RUNS_FILE = "runs_of_sweeps.csv"
PIPELINE_FILE, LOCK_FILE = Path("dvc.yaml"), Path("dvc.lock")
STAGES = ("prepare", "train", "evaluate")  # that what is measured follows from


class Identity(NamedTuple):
    """Digests of 12 hexadecimal digits each, as the columns of a row."""

    code: str
    params: str
    data: str


def of_lock(lock: dict[str, Any]) -> Identity:
    """The identity of what a dvc.lock tells of."""
    stages = [lock["stages"][name] for name in STAGES]
    md5s = {dep["path"]: dep["md5"] for stage in stages for dep in stage["deps"]}
    sections = {
        name: values
        for stage in stages
        for name, values in stage["params"][str(PARAMS_FILE)].items()
    }
    (raw,) = (dep["md5"] for dep in stages[0]["deps"] if not dep["path"].endswith(".py"))
    code = {path: value for path, value in md5s.items() if path.endswith(".py")}
    return Identity(_digest(code), _digest(sections), _digest(raw))


def source_files() -> list[str]:
    """The files that a run of the current folder follows from, beside its data."""
    return [str(PIPELINE_FILE), str(PARAMS_FILE), *sorted(_code(_stages()))]


def require_committed(files: Sequence[str]) -> None:
    """Raise InputError where files are not as in the commit that DVC's experiments are of."""
    changed = command("git", "diff", "--name-only", "HEAD", "--", *files).split()
    if changed:
        raise InputError(
            f"{', '.join(changed)}: not as committed; commit that, or go back with git checkout "
            "(where DVC was killed as it queued a run, git stash list has what was there before)"
        )


def of_run(changes: Changes) -> tuple[str, str]:
    """Digests of code and params that a run of the files in the current folder has."""
    params = parse(PARAMS_FILE)
    stages = _stages()
    sections = {name: dict(params[name]) for stage in stages for name in stage["params"]}
    for key, value in changes.items():
        section, name = key.split(".")
        if section in sections:
            sections[section][name] = value
    code = {
        path: md5(Path(path).read_bytes(), usedforsecurity=False).hexdigest()
        for path in _code(stages)
    }
    return _digest(code), _digest(sections)


def of_data(name: str) -> str | None:
    """The digest of a data set as DVC tracks it now; None where DVC does not."""
    (raw,) = (dep for dep in _stages()[0]["deps"] if not dep.endswith(".py"))
    folder = raw.replace("${data.name}", name)
    tracked = Path(f"{folder}.dvc")
    if tracked.exists():
        return _digest(parse(tracked)["outs"][0]["md5"])
    stages = parse(LOCK_FILE)["stages"].values() if LOCK_FILE.exists() else ()
    outs = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", ())}
    return _digest(outs[folder]) if folder in outs else None


def holds(row: Row, run: Run) -> bool:
    """Whether a row is of the code, params and data that a run has now."""
    return (row["code"], row["params"]) == of_run(run.changes) and (
        of_data(str(run.changes["data.name"])) in (None, row["data"])
    )


def holding(results: Path, runs: Sequence[Run]) -> set[str]:
    """The names of runs with a row in `results` of the code, params and data that they have now."""
    rows = {row["name"]: row for row in read_rows(results / RUNS_FILE)}
    return {run.name for run in runs if (row := rows.get(run.name)) and holds(row, run)}


def _stages() -> list[dict[str, Any]]:
    stages = parse(PIPELINE_FILE)["stages"]
    return [stages[name] for name in STAGES]


def _code(stages: Sequence[dict[str, Any]]) -> set[str]:
    return {dep for stage in stages for dep in stage["deps"] if dep.endswith(".py")}


def _digest(facts: object) -> str:
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
