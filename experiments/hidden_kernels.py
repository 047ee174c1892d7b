"""Count which hidden kernels of trained networks are dead, always on, or bend.

Takes the model files of the sweeps' DVC experiments with the current code and params, and writes a
row for each plain network to hidden_kernels.csv, where rows of other runs stay. The next `collect`
groups them in report.md.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from colorizer.data.splits import open_split
from colorizer.device import configure_torch
from colorizer.errors import InputError, one_line_errors
from colorizer.git_variables import drop_git_variables
from colorizer.inference.colorize import MODEL_FILE
from colorizer.inference.prediction import predict
from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import load_network
from experiments.reporting.hidden_kernels import COLUMNS, HIDDEN_KERNELS_FILE
from experiments.runs.experiments import commits_of_runs, evaluation_of, get_output
from experiments.runs.results import read_table, write_table
from experiments.runs.sweeps import SWEEPS_FILE, read_sweep

DEAD, ALWAYS_ON = 0.01, 0.99  # shares of pixels for which the ReLU of a kernel is above 0
SATURATED = 0.99  # absolute value of a tanh, where its slope is below 0.02
THREADS = 1


def active_shares(network: Colorizer, gray: Tensor) -> tuple[list[Tensor], float]:
    """How a plain network responds to gray images, uint8 (N, H, W).

    For each hidden layer the share of pixels for which each kernel's ReLU is above 0, (kernels,),
    and the share of outputs beyond SATURATED, 0 without tanh.
    """
    sums: dict[nn.Module, Tensor] = {}
    outputs = saturated = 0

    def add_active(module: nn.Module, _: object, output: Tensor) -> None:
        active = (output > 0).sum(dim=(0, 2, 3))
        sums[module] = sums.get(module, torch.zeros_like(active)) + active

    def add_saturated(_: nn.Module, __: object, output: Tensor) -> None:
        nonlocal outputs, saturated
        outputs += output.numel()
        saturated += int((output.abs() > SATURATED).sum())

    hooks = {nn.ReLU: add_active, nn.Tanh: add_saturated}
    for module in network.body.modules():
        if type(module) in hooks:
            module.register_forward_hook(hooks[type(module)])
    for _ in predict(network, gray.split(network.params.eval_batch_size), flip_tta=False):
        pass
    shares = [active / gray.numel() for active in sums.values()]
    return shares, saturated / max(1, outputs)


def count_kernels(layers: Sequence[Tensor]) -> dict[str, int]:
    """How many kernels of all layers are of each kind, and how many layers have none that is on."""
    dead = sum(int((shares < DEAD).sum()) for shares in layers)
    always_on = sum(int((shares > ALWAYS_ON).sum()) for shares in layers)
    return {
        "dead": dead,
        "always_on": always_on,
        "bending": sum(map(len, layers)) - dead - always_on,
        "dead_layers": sum(bool((shares < DEAD).all()) for shares in layers),
    }


def measure(commits: dict[str, str], gray: Tensor) -> Iterator[dict[str, object]]:
    """Rows of the networks of experiments, whose commits are given by name."""
    with TemporaryDirectory() as folder:
        for name, commit in tqdm(commits.items(), desc="hidden kernels", unit="network"):
            network = load_network(get_output(commit, str(MODEL_FILE), Path(folder)))
            if network.params.network == "plain":
                shares, saturated = active_shares(network, gray)
                yield {
                    "name": name,
                    "margin_error": str(evaluation_of(commit)["margin_error"]),
                    **count_kernels(shares),
                    "saturated": round(saturated, 6),
                }


def main() -> None:
    """Measure the networks of sweeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="value of data.name")
    parser.add_argument("split", type=Path, help="prepared split of it, such as data/prepared/val")
    parser.add_argument("results", type=Path, help="folder of the results")
    parser.add_argument("sweeps", nargs="+", metavar="sweep", help="name in sweeps.yaml")
    args = parser.parse_args()
    drop_git_variables()
    runs = [run for name in args.sweeps for run in read_sweep(SWEEPS_FILE, name, args.data)]
    commits = commits_of_runs(runs)
    if not commits:
        raise InputError(
            f"{SWEEPS_FILE}: no run of {', '.join(args.sweeps)} on {args.data} is here"
        )
    configure_torch(THREADS)
    gray = torch.from_numpy(open_split(args.split).gray[:])
    rows = pd.DataFrame(measure(commits, gray), columns=[*COLUMNS])
    file = args.results / HIDDEN_KERNELS_FILE
    earlier = read_table(file, COLUMNS)
    write_table(file, pd.concat([earlier[~earlier["name"].isin(rows["name"])], rows]))
    print(f"{file}: {len(rows)} networks")


if __name__ == "__main__":
    with one_line_errors():
        main()
