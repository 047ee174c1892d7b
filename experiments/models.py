"""List the named models of models.yaml, or run one as a DVC experiment."""

import argparse
import subprocess
import sys
from textwrap import fill

from colorizer.errors import InputError, one_line_errors
from colorizer.git_variables import drop_git_variables
from experiments.runs.sweeps import MODELS_FILE, exp_run_options, named_models, own_changes

WIDTH = 80  # of the list of models


def main() -> None:
    """List the models, or run one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="model to run; without it, all models are listed")
    parser.add_argument(
        "options", nargs=argparse.REMAINDER, metavar="...", help="options of dvc exp run"
    )
    args = parser.parse_args()
    models = named_models(MODELS_FILE)
    if args.model is None:
        print("Each model adds these changes to those of all models above it.")
        for name, changes in own_changes(MODELS_FILE).items():
            words = [f"{name}:", *(f"{key}={str(value).lower()}" for key, value in changes.items())]
            print(fill(" ".join(words), WIDTH, subsequent_indent="    "))
        return
    if args.model not in models:
        raise InputError(f"{MODELS_FILE} has no model {args.model}; has {', '.join(models)}")
    drop_git_variables()
    command = ["dvc", "exp", "run", *exp_run_options(models[args.model]), *args.options]
    print(*command, flush=True)
    sys.exit(subprocess.call(command))


if __name__ == "__main__":
    with one_line_errors():
        main()
