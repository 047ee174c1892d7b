"""Train a network to color gray pictures; keep the one of the best epoch."""

import argparse
from pathlib import Path

import torch
from tqdm import tqdm

from colorizer.errors import one_line_errors
from colorizer.files import replacing, write_metrics, write_series
from colorizer.metrics import LARGEST_MSE, MetricParams
from colorizer.network import ConvStack, ModelParams, available_device, save_network
from colorizer.params import PARAMS_FILE, read_section
from colorizer.splits import open_split
from colorizer.training import Epoch, Outcome, TrainParams, train


def outcome_metrics(outcome: Outcome) -> dict[str, object]:
    """What metrics/train.json holds; a diverged run has no best epoch and the largest errors."""
    best = outcome.best or Epoch(0, LARGEST_MSE, LARGEST_MSE, 1.0, 0.0)
    return {
        "epochs": outcome.epochs,
        "best_epoch": best.epoch,
        "train_mse": best.train_mse,
        "val_mse": best.val_mse,
        "val_margin_error": best.val_margin_error,
        "diverged": int(outcome.best is None),
    }


def main() -> None:
    """Train, writing the history as it happens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path, help="prepared training split")
    parser.add_argument("val", type=Path, help="prepared validation split")
    parser.add_argument("model", type=Path, help="model file to write")
    parser.add_argument("metrics", type=Path, help="JSON file to write")
    parser.add_argument("history", type=Path, help="CSV file to write, a row per epoch")
    paths = parser.parse_args()
    metric = read_section(PARAMS_FILE, "metric", MetricParams)
    model = read_section(PARAMS_FILE, "model", ModelParams)
    params = read_section(PARAMS_FILE, "train", TrainParams)
    training, validation = open_split(paths.train), open_split(paths.val)

    torch.set_num_threads(params.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(params.seed)
    network = ConvStack(model).to(available_device())

    history: list[Epoch] = []
    with tqdm(total=params.epochs, desc="train", unit="epoch") as progress:

        def on_epoch(epoch: Epoch) -> None:
            history.append(epoch)
            write_series(paths.history, Epoch._fields, history)
            progress.set_postfix(
                train_mse=f"{epoch.train_mse:.6f}",
                val_mse=f"{epoch.val_mse:.6f}",
                val_margin_error=f"{epoch.val_margin_error:.4f}",
            )
            progress.update()

        outcome = train(network, training, validation, params, metric.margin, on_epoch)

    with replacing(paths.model) as (partial,):
        save_network(partial, network)
    write_metrics(paths.metrics, outcome_metrics(outcome))
    if outcome.best is None:
        print(f"diverged in epoch {outcome.epochs}: the errors are no longer finite")
    else:
        print(
            f"best epoch {outcome.best.epoch} of {outcome.epochs}: validation "
            f"{metric.margin}-margin error {outcome.best.val_margin_error:.4f}, "
            f"MSE {outcome.best.val_mse:.6f}"
        )


if __name__ == "__main__":
    with one_line_errors():
        main()
