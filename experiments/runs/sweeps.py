"""Runs of sweeps.yaml: their names as DVC experiments, and their changes of params.yaml."""

import re
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from colorizer.errors import InputError
from colorizer.files import read_yaml
from colorizer.params import PARAMS_FILE, Section, read_section

SWEEPS_FILE = Path("experiments/sweeps.yaml")
MODELS_FILE = Path("experiments/models.yaml")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]+$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z_]+\.[a-z_]+$")]  # such as model.kernels
Value = bool | int | float | str
Changes = dict[Key, Value]

# Params that the report's grid varies.
GRID = ("train.learning_rate", "model.conv_layers", "model.kernels")
# Runs go side by side with one thread each, which takes less time than one after the other with
# two.
THREADS: Changes = {"train.threads": 1, "evaluate.threads": 1}


class Run(NamedTuple):
    """One run of the pipeline, an experiment of DVC."""

    name: str
    sweep: str
    point: str  # the settings within the sweep, without data and seed
    seed: int
    changes: Changes  # all changes of params.yaml


class Sweep(Section):
    """An entry of sweeps.yaml."""

    model: str | None = None  # named model that the sweep changes; params.yaml without it
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**63)]], Field(min_length=1)]
    changes: Changes = Field(default_factory=dict)
    runs: dict[Name, Changes] = Field(default_factory=dict)
    grid: dict[Key, Annotated[list[Value], Field(min_length=1)]] = Field(default_factory=dict)

    @field_validator("grid")
    @classmethod
    def _or_runs(cls, grid: dict[Key, list[Value]], info: ValidationInfo) -> dict[Key, list[Value]]:
        if grid and info.data.get("runs"):
            raise ValueError("there are runs, too; should be only one of the two")
        return grid

    def points(self) -> dict[str, Changes]:
        """Changes of each point, by its name; the name of a point of a grid lists its values."""
        if not self.grid:
            return self.runs
        points = {}
        for values in product(*self.grid.values()):
            changes = dict(zip(self.grid, values, strict=True))
            settings = (f"{key.partition('.')[2]}_{_text(value)}" for key, value in changes.items())
            points["-".join(settings)] = changes
        return points


def own_changes(file: Path) -> dict[str, Changes]:
    """The changes of params.yaml that each named model adds to those of the model above it."""
    steps: dict[str, Changes] = read_yaml(file)
    return steps


def named_models(file: Path) -> dict[str, Changes]:
    """The changes of params.yaml of each named model: its own and those of all above it."""
    models: dict[str, Changes] = {}
    changes: Changes = {}
    for name, own in own_changes(file).items():
        changes = changes | own
        models[name] = changes
    return models


def changed_params(changes: Changes) -> dict[str, dict[str, Any]]:
    """The sections of params.yaml in the current folder, with changes."""
    sections: dict[str, dict[str, Any]] = read_yaml(PARAMS_FILE)
    for key, value in changes.items():
        section, name = key.split(".")
        sections[section][name] = value
    return sections


def read_sweeps(file: Path, data: str) -> list[Run]:
    """Runs of all sweeps on a data set."""
    return [run for name in read_yaml(file) for run in read_sweep(file, name, data)]


def read_sweep(file: Path, name: str, data: str) -> list[Run]:
    """Runs of a sweep on a data set, seed by seed."""
    sweep = read_section(file, name, Sweep)
    changes_of_sweep = sweep.changes
    if sweep.model is not None:
        models = named_models(MODELS_FILE)
        if sweep.model not in models:
            raise InputError(
                f"{file}: {name} has model {sweep.model}; should be one of {', '.join(models)}"
            )
        changes_of_sweep = models[sweep.model] | sweep.changes
    return [
        Run(
            name=f"{data}-{name}-{point}-{seed}",
            sweep=name,
            point=point,
            seed=seed,
            changes=changes_of_sweep | changes | THREADS | {"data.name": data, "train.seed": seed},
        )
        for seed in sweep.seeds
        for point, changes in sweep.points().items()
    ]


def exp_run_options(changes: Changes) -> tuple[str, ...]:
    """Changes of params.yaml as options of `dvc exp run`, which keep the type of each value.

    Raises InputError for text with `${`, which DVC would take for the name of another parameter.
    """
    return tuple(f"--set-param={key}={_as_override(key, value)}" for key, value in changes.items())


def _as_override(key: str, value: Value) -> str:
    """A value in Hydra's grammar of overrides: text in quotes, or it may become a number."""
    if not isinstance(value, str):
        return _text(value)
    if "${" in value:
        raise InputError(f"{key}: {value!r} has ${{, which DVC would replace; should have none")
    # Backslashes escape only quotes and themselves, and only before a quote.
    escaped = re.sub(
        r"(\\*)('|\Z)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value
    )
    return f"'{escaped}'"


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def network_title(conv_layers: int, kernels: int) -> str:
    """A plain network in words; one convolution has no kernels to choose."""
    return f"{conv_layers} conv" + (f", {kernels} kernels" if conv_layers > 1 else "")
