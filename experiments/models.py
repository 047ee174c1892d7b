"""List the named models of models.yaml, or run one as a DVC experiment."""

import argparse
import subprocess
import sys

from colorizer.errors import InputError, one_line_errors
from colorizer.files import enter_project
from experiments.runs import MODELS_FILE, exp_run_options, named_models


def main() -> None:
    """List the models, or run one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="model to run; without it, all models are listed")
    parser.add_argument(
        "options", nargs=argparse.REMAINDER, metavar="...", help="options of dvc exp run"
    )
    args = parser.parse_args()
    enter_project(args)
    models = named_models()
    if args.model is None:
        print(MODELS_FILE.read_text(encoding="utf-8"), end="")
        return
    if args.model not in models:
        raise InputError(f"{MODELS_FILE} has no model {args.model}; has {', '.join(models)}")
    command = ["dvc", "exp", "run", *exp_run_options(models[args.model]), *args.options]
    print(*command, flush=True)
    sys.exit(subprocess.call(command))


if __name__ == "__main__":
    with one_line_errors():
        main()
