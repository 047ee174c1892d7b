"""Count the dead, always on and active hidden kernels of plain networks.

On the pixels of a split, the ReLU of a dead kernel is above 0 for less than 1%, that of one that is
always on (linear) for more than 99%; other kernels are active (nonlinear). A dead layer has dead
kernels only. Saturated is the share of outputs whose tanh is beyond 0.99.

Writes a row for each DVC experiment to hidden_kernels.csv, where rows of other runs stay.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import dvc.api
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from colorizer.data.splits import open_split
from colorizer.errors import one_line_errors
from colorizer.models.colorizer import Colorizer, normalize
from colorizer.models.model_file import load_model

DEAD, ALWAYS_ON = 0.01, 0.99
SATURATED = 0.99  # where the slope of tanh is below 0.02
MODEL, METRICS = "models/colorizer.safetensors", "metrics/evaluate.json"
KINDS = ["active", "always_on", "dead", "dead_layers"]


@torch.inference_mode()
def count_kernels(network: Colorizer, gray: Tensor) -> dict[str, float]:
    """KINDS and `saturated`, 0 without tanh, of a plain network on gray, uint8 (N, H, W)."""
    counts: dict[nn.Module, Tensor] = defaultdict(lambda: torch.tensor(0))
    network.eval()
    for batch in gray.split(network.params.eval_batch_size):
        values = network.lightness(normalize(batch.unsqueeze(-1)))
        for module in network.body.children():
            values = module(values)
            beyond = values.abs() > SATURATED if isinstance(module, nn.Tanh) else values > 0
            counts[module] = counts[module] + beyond.sum(dim=(0, 2, 3))
    layers, tanh = (  # shares of pixels for each kernel
        [count / gray.numel() for module, count in counts.items() if isinstance(module, kind)]
        for kind in (nn.ReLU, nn.Tanh)
    )
    kernels = torch.cat([torch.empty(0), *layers])
    dead, always_on = int((kernels < DEAD).sum()), int((kernels > ALWAYS_ON).sum())
    return {
        "active": len(kernels) - dead - always_on,
        "always_on": always_on,
        "dead": dead,
        "dead_layers": sum(bool((layer < DEAD).all()) for layer in layers),
        "saturated": round(sum((share.mean().item() for share in tanh), 0.0), 6),
    }


def main() -> None:
    """Examine the networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("split", type=Path, help="prepared split, such as data/prepared/val")
    parser.add_argument("results", type=Path, help="folder of hidden_kernels.csv")
    parser.add_argument("names", nargs="+", metavar="name", help="name of a DVC experiment")
    args = parser.parse_args()
    torch.set_num_threads(1)  # sums depend on it
    gray = torch.from_numpy(open_split(args.split).gray)
    file, rows = args.results / "hidden_kernels.csv", []
    with TemporaryDirectory() as folder:
        for name in tqdm(args.names, desc="hidden kernels", unit="network"):
            model = Path(folder, name)
            model.write_bytes(dvc.api.read(MODEL, rev=name, mode="rb"))
            network = load_model(model).network
            if network.params.network == "plain":
                error = json.loads(dvc.api.read(METRICS, rev=name))["margin_error"]
                rows.append({"name": name, "margin_error": error, **count_kernels(network, gray)})
    earlier = pd.read_csv(file, dtype=str) if file.exists() else pd.DataFrame({"name": []})
    others = earlier[~earlier["name"].isin(args.names)]
    table = pd.concat([others, pd.DataFrame(rows).astype(str)])
    table.to_csv(file, index=False, lineterminator="\n")
    print(f"{file}: {len(rows)} networks")


if __name__ == "__main__":
    with one_line_errors():
        main()
