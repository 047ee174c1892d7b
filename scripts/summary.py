"""Say what the pipeline measured and what to try next: the last lines of `make repro`."""

import argparse
import json
from pathlib import Path

from colorizer.files import enter_project
from colorizer.params import load_params

TRIED = Path("experiments/results/sample/ours_small.json")  # on the sample, with the same seed


def main() -> None:
    """Print them."""
    enter_project(argparse.ArgumentParser(description=__doc__).parse_args())
    params = load_params()
    measured = json.loads(Path("metrics/evaluate.json").read_text(encoding="utf-8"))
    table = measured["margin_error"] + measured["gain_over_table"]
    print(
        f"{params.metric.margin}-margin error on {params.data.name}, validation (lower is better):"
    )
    print(f"  {measured['margin_error']:.4f}  the network")
    print(f"  {table:.4f}  a lookup table from gray level to color")
    print(f"  {measured['gray']['margin_error']:.4f}  the input unchanged")
    tried = ""
    if params.data.name == "sample" and TRIED.exists():
        error = json.loads(TRIED.read_text(encoding="utf-8"))["margin_error"]
        tried = f" ({error:.4f} on the sample)"
    print("Figures: plots/images. Next, in the environment (source .venv/bin/activate):")
    print(f"  python -m experiments.models ours_small{tried}")


if __name__ == "__main__":
    main()
