"""List the named models of models.yaml, or run one as a DVC experiment.

python -m experiments.models
python -m experiments.models NAME [OPTION OF dvc exp run ...]
"""

import subprocess
import sys
from pathlib import Path

from colorizer.errors import InputError, one_line_errors
from colorizer.files import read_yaml
from experiments.runs.sweeps import Changes, exp_run_options

MODELS_FILE = Path("experiments/models.yaml")


def named_models(file: Path) -> dict[str, Changes]:
    """The changes of params.yaml of each named model: its own and those of all above it."""
    models: dict[str, Changes] = {}
    changes: Changes = {}
    steps = read_yaml(file)
    for name, own_changes in steps.items():
        changes = changes | own_changes
        models[name] = changes
    return models


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
    command = ["dvc", "exp", "run", *exp_run_options(models[name]), *sys.argv[2:]]
    print(*command, flush=True)
    sys.exit(subprocess.call(command))


if __name__ == "__main__":
    with one_line_errors():
        main()
