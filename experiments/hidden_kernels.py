"""Count which hidden kernels of trained networks are dead, always on, or bend.

Takes the model files of the sweeps' DVC experiments of the current commit, and writes a row for
each plain network to hidden_kernels.csv, where rows of other runs stay. The next `collect` groups
them in report.md.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch
from dvc.api import DVCFileSystem
from torch import Tensor, nn
from tqdm import tqdm

from colorizer.data.splits import open_split
from colorizer.device import configure_torch
from colorizer.errors import InputError, one_line_errors
from colorizer.inference.colorize import MODEL_FILE
from colorizer.inference.prediction import predict
from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import load_network
from experiments.reporting.hidden_kernels import COLUMNS, HIDDEN_KERNELS_FILE
from experiments.runs.experiments import experiments_of, show_experiments
from experiments.runs.results import read_table, write_table
from experiments.runs.sweeps import SWEEPS_FILE, read_sweep

DEAD, ALWAYS_ON = 0.01, 0.99  # shares of pixels for which the ReLU of a kernel is above 0
SATURATED = 0.99  # absolute value of a tanh, where its slope is below 0.02
THREADS = 1


def active_shares(network: Colorizer, gray: Tensor) -> tuple[Tensor, float]:
    """How a plain network responds to gray images, uint8 (N, H, W).

    The share of pixels for which each hidden kernel's ReLU is above 0, (kernels of all layers,),
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
    return torch.cat(shares) if shares else torch.empty(0), saturated / max(1, outputs)


def count_kernels(shares: Tensor) -> dict[str, int]:
    """How many kernels are of each kind, by the shares of pixels for which they are active."""
    dead, always_on = int((shares < DEAD).sum()), int((shares > ALWAYS_ON).sum())
    return {"dead": dead, "always_on": always_on, "bending": len(shares) - dead - always_on}


def measure(names: dict[str, str], gray: Tensor) -> Iterator[dict[str, object]]:
    """Rows of the networks of experiments, `names` with their commits."""
    with TemporaryDirectory() as folder:
        for name, commit in tqdm(names.items(), desc="hidden kernels", unit="network"):
            # To a new file: an existing one, which may be a link into the cache, would stay.
            model = Path(folder) / f"{name}.safetensors"
            DVCFileSystem(rev=commit).get_file(str(MODEL_FILE), str(model))
            network = load_network(model)
            if network.params.network == "plain":
                shares, saturated = active_shares(network, gray)
                yield {"name": name, **count_kernels(shares), "saturated": round(saturated, 6)}


def main() -> None:
    """Measure the networks of sweeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="data set, as data.name")
    parser.add_argument("split", type=Path, help="prepared split of it, such as data/prepared/val")
    parser.add_argument("results", type=Path, help="folder of the results")
    parser.add_argument("sweeps", nargs="+", metavar="sweep", help="name in sweeps.yaml")
    args = parser.parse_args()
    runs = [run for name in args.sweeps for run in read_sweep(SWEEPS_FILE, name, args.data)]
    finished = experiments_of(show_experiments()).finished
    names = {run.name: finished[run.name] for run in runs if run.name in finished}
    if not names:
        raise InputError(
            f"{SWEEPS_FILE}: no run of {', '.join(args.sweeps)} on {args.data} is here"
        )
    configure_torch(THREADS)
    gray = torch.from_numpy(open_split(args.split).gray[:])
    rows = pd.DataFrame(measure(names, gray))
    file = args.results / HIDDEN_KERNELS_FILE
    earlier = read_table(file, COLUMNS)
    write_table(file, pd.concat([earlier[~earlier["name"].isin(rows["name"])], rows]))
    print(f"{file}: {len(rows)} networks")


if __name__ == "__main__":
    with one_line_errors():
        main()
