"""Which code, params and data a result follows from, and so which results still hold."""

import json
from collections.abc import Sequence
from functools import cache
from hashlib import md5, sha256
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from colorizer.params import PARAMS_FILE
from experiments.rows import read_rows
from experiments.sweeps import Changes, Run

RUNS_FILE = "runs_of_sweeps.csv"
PIPELINE_FILE = Path("dvc.yaml")
STAGES = ("prepare", "train", "evaluate")  # that what is measured follows from


class Identity(NamedTuple):
    """Digests of 12 hexadecimal digits each."""

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


def of_run(changes: Changes) -> tuple[str, str]:
    """Digests of code and params that a run of the files in the current folder has."""
    pipeline = _parsed(PIPELINE_FILE.read_text(encoding="utf-8"))["stages"]
    params = _parsed(PARAMS_FILE.read_text(encoding="utf-8"))
    stages = [pipeline[name] for name in STAGES]
    paths = {dep for stage in stages for dep in stage["deps"] if dep.endswith(".py")}
    sections = {name: dict(params[name]) for stage in stages for name in stage["params"]}
    for key, value in changes.items():
        section, name = key.split(".")
        if section in sections:
            sections[section][name] = value
    code = {path: md5(Path(path).read_bytes(), usedforsecurity=False).hexdigest() for path in paths}
    return _digest(code), _digest(sections)


def holding(results: Path, runs: Sequence[Run]) -> set[str]:
    """The names of runs with a row in `results` that is of the code and params they have now."""
    rows = {row["name"]: row for row in read_rows(results / RUNS_FILE)}
    return {
        run.name
        for run in runs
        if (row := rows.get(run.name)) and (row["code"], row["params"]) == of_run(run.changes)
    }


def _digest(facts: object) -> str:
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


@cache  # the same files are read for each of a hundred runs
def _parsed(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)
