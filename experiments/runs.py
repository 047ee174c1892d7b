"""Runs of sweeps.yaml: the seed and the changes of params.yaml of each one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import NamedTuple

from colorizer.errors import InputError
from colorizer.files import read_yaml
from colorizer.params import PARAMS_FILE

SWEEPS_FILE = Path("experiments/sweeps.yaml")
MODELS_FILE = Path("experiments/models.yaml")

Value = bool | int | float | str
Changes = dict[str, Value]  # of params.yaml, such as {"model.kernels": 16}

# Runs go side by side with one thread each, which takes less time than one after the other with
# two.
THREADS: Changes = {"train.threads": 1, "evaluate.threads": 1}


class Run(NamedTuple):
    """One run of the pipeline, an experiment of DVC."""

    name: str  # DATA-SWEEP-POINT-SEED
    sweep: str
    point: str
    seed: int
    changes: Changes  # what differs from params.yaml, apart from the seed; sorted by key

    @property
    def params(self) -> str:
        """The changes as text: runs with the same text are runs of one network."""
        return " ".join(f"{key}={text_of(value)}" for key, value in self.changes.items())


@dataclass(frozen=True)
class Sweep:
    """An entry of sweeps.yaml; each point is run with each seed."""

    seeds: list[int]
    model: str | None = None  # of models.yaml, which the sweep changes; params.yaml without it
    changes: Changes = field(default_factory=dict)  # of all points
    runs: dict[str, Changes] = field(default_factory=dict)  # points by name
    grid: dict[str, list[Value]] = field(default_factory=dict)  # points: each combination of values
    models: list[str] = field(default_factory=list)  # points: models of models.yaml

    def points(self, models: dict[str, Changes]) -> dict[str, Changes]:
        """The changes of each point, by its name; `models` are those of models.yaml."""
        base = models[self.model] if self.model else {}
        points = self.runs | {name: models[name] for name in self.models}
        for values in product(*self.grid.values()) if self.grid else ():
            changes = dict(zip(self.grid, values, strict=True))
            settings = (f"{key.partition('.')[2]}_{text_of(changes[key])}" for key in changes)
            points["-".join(settings)] = changes
        return {name: THREADS | base | self.changes | own for name, own in points.items()}


def named_models() -> dict[str, Changes]:
    """The changes of params.yaml of each model of models.yaml: its own and those of all above."""
    models: dict[str, Changes] = {}
    changes: Changes = {}
    for name, own in read_yaml(MODELS_FILE).items():
        changes = changes | own
        models[name] = changes
    return models


def read_runs(data: str, names: Iterable[str] = ()) -> list[Run]:
    """The runs on a data set of the sweeps with these names, or of all sweeps.

    Raises InputError when sweeps.yaml does not have a name, or a sweep is not as in `Sweep`.
    """
    sweeps, models = read_yaml(SWEEPS_FILE), named_models()
    params = {
        f"{section}.{key}": value
        for section, values in read_yaml(PARAMS_FILE).items()
        for key, value in values.items()
    }
    runs = []
    for name in names or sweeps:
        try:
            sweep = Sweep(**sweeps[name])
            points = sweep.points(models)
        except KeyError as error:
            raise InputError(f"{SWEEPS_FILE} or {MODELS_FILE}: has no {error}") from None
        except TypeError as error:
            raise InputError(f"{SWEEPS_FILE}: {name}: {error}") from None
        for seed, (point, changes) in product(sweep.seeds, points.items()):
            differing = {
                key: value
                for key, value in sorted((changes | {"data.name": data}).items())
                if value != params.get(key)
            }
            runs.append(Run(f"{data}-{name}-{point}-{seed}", name, point, seed, differing))
    return runs


def exp_run_options(changes: Changes) -> list[str]:
    """Changes of params.yaml as options of `dvc exp run`."""
    return [f"--set-param={key}={text_of(value)}" for key, value in changes.items()]


def text_of(value: Value) -> str:
    """A value as YAML has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
