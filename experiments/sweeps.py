"""The runs of sweeps.yaml: names of DVC experiments, and what each changes of params.yaml."""

from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, StringConstraints, ValidationInfo, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from colorizer.errors import InputError
from colorizer.params import Section, read_section

SWEEPS_FILE = Path("experiments/sweeps.yaml")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]+$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z_]+\.[a-z_]+$")]  # such as model.kernels
Value = bool | int | float | str
Changes = dict[Key, Value]

# What the report's grid varies.
GRID = ("train.learning_rate", "model.conv_layers", "model.kernels")
# Runs go side by side, each with one thread: together they finish sooner than in turn with two.
THREADS: Changes = {"train.threads": 1, "evaluate.threads": 1}


class Run(NamedTuple):
    """One run of the pipeline, an experiment of DVC."""

    name: str
    sweep: str
    point: str  # which of the sweep, whatever the data and the seed
    seed: int
    changes: Changes  # of params.yaml, in all


class Sweep(Section):
    """An entry of sweeps.yaml."""

    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**63)]], Field(min_length=1)]
    changes: Changes = Field(default_factory=dict)
    runs: dict[Name, Changes] = Field(default_factory=dict)
    grid: dict[Key, Annotated[list[Value], Field(min_length=1)]] = Field(default_factory=dict)

    @field_validator("grid")
    @classmethod
    def _or_runs(cls, grid: dict[Key, list[Value]], info: ValidationInfo) -> dict[Key, list[Value]]:
        if grid and info.data.get("runs"):
            raise ValueError("there are runs; should be one of the two")
        return grid

    def points(self) -> dict[str, Changes]:
        """What each of its runs changes, by name; those of a grid tell their values."""
        if not self.grid:
            return self.runs
        combinations = [
            dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())
        ]
        return {
            "-".join(
                f"{key.partition('.')[2]}_{value}".lower() for key, value in changes.items()
            ): (changes)
            for changes in combinations
        }


def parse(file: Path) -> Any:
    """What a file of YAML 1.2 holds; InputError where it is none."""
    return _parsed(file, file.read_text(encoding="utf-8"))


@cache  # the same files are read for each of a hundred runs
def _parsed(file: Path, text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise InputError(f"{file}: is no YAML ({str(error).splitlines()[0]})") from None


def read_sweeps(file: Path, data: str) -> list[Run]:
    """The runs of all sweeps on a data set."""
    return [run for name in parse(file) for run in read_sweep(file, name, data)]


def read_sweep(file: Path, name: str, data: str) -> list[Run]:
    """The runs of a sweep on a data set, seed by seed."""
    sweep = read_section(file, name, Sweep)
    return [
        Run(
            name=f"{data}-{name}-{point}-{seed}",
            sweep=name,
            point=point,
            seed=seed,
            changes=sweep.changes | changes | THREADS | {"data.name": data, "train.seed": seed},
        )
        for seed in sweep.seeds
        for point, changes in sweep.points().items()
    ]
