"""Digests of code, params and data, which decide whether a row of the results is valid.

The digest of code is that of its syntax tree, without comments, docstrings and formatting.
"""

import ast
import json
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from colorizer.errors import InputError
from colorizer.files import read_yaml
from colorizer.params import PARAMS_FILE
from experiments.runs.commands import command
from experiments.runs.results import COLUMNS, RUNS_FILE, read_table
from experiments.runs.sweeps import Changes, Run, changed_params

PIPELINE_FILE, LOCK_FILE = Path("dvc.yaml"), Path("dvc.lock")
STAGES = ("prepare", "train", "evaluate")  # those that measured values depend on
DATA_NAME = "${data.name}"  # in dvc.yaml, in the path of the raw data set

HAVE_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Identity(NamedTuple):
    """Digests of 12 hexadecimal digits each, as the columns of a row."""

    code: str
    params: str
    data: str


def of_lock(lock: Mapping[str, Any], revision: str) -> Identity:
    """Identity of the run that a dvc.lock in the commit `revision` records."""
    stages = [lock["stages"][name] for name in STAGES]
    sections = {
        name: values
        for stage in stages
        for name, values in stage["params"][str(PARAMS_FILE)].items()
    }
    raw = raw_path(sections["data"]["name"])
    (data,) = (dep["md5"] for dep in stages[0]["deps"] if dep["path"] == raw)
    return Identity(_code_of_commit(revision), _digest(sections), _digest(data))


def source_files() -> list[str]:
    """Files and folders that a run in the current folder depends on, apart from its data."""
    return [str(PIPELINE_FILE), str(PARAMS_FILE), *_code_deps()]


def require_committed(files: Sequence[str]) -> None:
    """Raise InputError when files are not as in the commit that DVC's experiments start from."""
    status = command("git", "status", "--porcelain", "--", *files).splitlines()
    if status:
        changed = ", ".join(line[3:] for line in status)
        raise InputError(
            f"{changed}: not as committed; commit that, or go back with git checkout HEAD -- FILE "
            "(after DVC was killed, docs/own-photographs.md says how to go back)"
        )


def params_digest(changes: Changes) -> str:
    """Digest of the params of a run with `changes` of params.yaml in the current folder."""
    params = changed_params(changes)
    return _digest({name: params[name] for stage in _stages() for name in stage["params"]})


def recipe_digest(changes: Changes) -> str:
    """Digest of the params of a run apart from its seed: the same for all seeds of a network."""
    return params_digest({key: value for key, value in changes.items() if key != "train.seed"})


def code_digest() -> str:
    """Digest of the code in the current folder."""
    files = (
        file
        for dep in map(Path, _code_deps())
        for file in (dep.rglob("*.py") if dep.is_dir() else [dep])
        if file.suffix == ".py"
    )
    return _digest({file.as_posix(): source_digest(file.read_text("utf-8")) for file in files})


@cache  # the same files are read for each of a hundred rows
def source_digest(source: str) -> str:
    """Digest of the syntax tree of a Python source, the same for all versions of Python."""
    return _digest(_meaning(ast.parse(source)))


def of_data(name: str) -> str | None:
    """Digest of a data set as DVC tracks it now; None when DVC does not track it."""
    folder = raw_path(name)
    tracked = Path(f"{folder}.dvc")
    if tracked.exists():
        return _digest(read_yaml(tracked)["outs"][0]["md5"])
    stages = read_yaml(LOCK_FILE)["stages"].values() if LOCK_FILE.exists() else ()
    outs = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", ())}
    return _digest(outs[folder]) if folder in outs else None


def raw_path(name: str) -> str:
    """Where a data set lies."""
    (raw,) = (dep for dep in _stages()[0]["deps"] if DATA_NAME in dep)
    return str(raw.replace(DATA_NAME, name))


def holds(row: pd.Series, run: Run) -> bool:
    """Whether a row has the code, params and data that a run has now."""
    return bool(row["code"] == code_digest()) and has_same_inputs(row, run)


def has_same_inputs(row: pd.Series, run: Run) -> bool:
    """Whether a row has the params and data that a run has now, whatever its code.

    Data that DVC does not track here cannot be compared and counts as the same.
    """
    return bool(row["params"] == params_digest(run.changes)) and (
        of_data(str(run.changes["data.name"])) in (None, row["data"])
    )


def holding(results: Path, runs: Sequence[Run]) -> set[str]:
    """Names of the runs that have a valid row in `results`."""
    run_of = {run.name: run for run in runs}
    rows = read_table(results / RUNS_FILE, COLUMNS[RUNS_FILE])
    rows = rows[rows["name"].isin(run_of)]
    return {row["name"] for _, row in rows.iterrows() if holds(row, run_of[row["name"]])}


def _stages() -> list[dict[str, Any]]:
    stages = read_yaml(PIPELINE_FILE)["stages"]
    return [stages[name] for name in STAGES]


def _code_deps() -> list[str]:
    """Dependencies of the stages that no stage writes and that are not the raw data set."""
    outs = {
        next(iter(out)) if isinstance(out, dict) else out
        for stage in _stages()
        for out in stage["outs"]
    }
    deps = {dep for stage in _stages() for dep in stage["deps"] if DATA_NAME not in dep}
    return sorted(deps - outs)


def _code_of_commit(revision: str) -> str:
    lines = command("git", "ls-tree", "-r", revision, "--", *_code_deps()).splitlines()
    blobs = {path: entry.split()[2] for entry, path in (line.split("\t") for line in lines)}
    return _digest(
        {path: _blob_digest(blob) for path, blob in blobs.items() if path.endswith(".py")}
    )


@cache
def _blob_digest(blob: str) -> str:
    return source_digest(command("git", "cat-file", "blob", blob))


def _meaning(node: object) -> object:
    """A syntax tree as lists, without positions, docstrings and empty fields.

    Which fields there are when they are empty differs between versions of Python.
    """
    if isinstance(node, list):
        return [_meaning(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, HAVE_DOCSTRINGS) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = fields["body"][1:]
    present = {name: _meaning(value) for name, value in fields.items() if value not in (None, [])}
    return [type(node).__name__, present]


def _digest(facts: object) -> str:
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
