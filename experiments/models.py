"""The models that have a name, in models.yaml: list them, or run one as an experiment of DVC.

python -m experiments.models
python -m experiments.models NAME [OPTION OF dvc exp run]...
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from colorizer.errors import InputError, one_line_errors

MODELS_FILE = Path("experiments/models.yaml")

# Keys of params.yaml, such as model.kernels, with other values.
Changes = dict[str, Any]


def named_models(file: Path) -> dict[str, Changes]:
    """For each name what its model changes of params.yaml: with its own all those before it."""
    models: dict[str, Changes] = {}
    so_far: Changes = {}
    steps = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    for name, changes in steps.items():
        so_far = so_far | changes
        models[name] = so_far
    return models


def options(changes: Changes) -> list[str]:
    """Changes as options of `dvc exp run`."""
    return [f"--set-param={key}={str(value).lower()}" for key, value in changes.items()]


def main() -> None:
    """List the models, or run one."""
    models = named_models(MODELS_FILE)
    if len(sys.argv) == 1:
        for name, changes in models.items():
            print(f"{name}:", *(f"{key}={value}" for key, value in changes.items()))
        return
    name = sys.argv[1]
    if name not in models:
        raise InputError(f"{MODELS_FILE} has no model {name}; has {', '.join(models)}")
    command = ["dvc", "exp", "run", *options(models[name]), *sys.argv[2:]]
    print(*command, flush=True)
    sys.exit(subprocess.call(command))


if __name__ == "__main__":
    with one_line_errors():
        main()
