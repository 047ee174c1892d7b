"""Train a network to colorize gray photographs; keep that of the best epoch."""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

from colorizer.checkpoint import Origin, load_checkpoint, origin, save_checkpoint
from colorizer.device import available_device, set_up_processor
from colorizer.errors import one_line_errors
from colorizer.files import replacing, write_metrics, write_series
from colorizer.metrics import LARGEST_MSE, MetricParams
from colorizer.network import Colorizer, ModelParams, save_network
from colorizer.params import PARAMS_FILE, read_section
from colorizer.ranks import from_first, joined_ranks, rank
from colorizer.splits import array_path, open_split
from colorizer.training import Epoch, Training, TrainParams, check_loss

LEARNT = ("gray", "rgb")  # the arrays of a split that training reads


def resume(run: Training, checkpoint: Path, of: Origin) -> str:
    """Go on from the checkpoint, where it is this run's; say in words what was done."""
    found = from_first(lambda: load_checkpoint(checkpoint, of))
    if isinstance(found, str):
        return f"starting with epoch 1: {found}"
    run.take_over(*found)
    return f"going on after epoch {len(run.history)}, where an earlier run was interrupted"


def run_epochs(run: Training, epochs: int, after_epoch: Callable[[], None]) -> None:
    """Run epochs until training ends, showing how it goes; `after_epoch` saves what there is."""
    with tqdm(
        total=epochs, initial=len(run.history), desc="train", unit="epoch", disable=rank() > 0
    ) as progress:
        while not run.ended:
            epoch = run.run_epoch()
            after_epoch()
            progress.set_postfix(
                train_mse=f"{epoch.train_mse:.6f}",
                val_mse=f"{epoch.val_mse:.6f}",
                val_margin_error=f"{epoch.val_margin_error:.4f}",
            )
            progress.update()
    run.keep_best()


def run_metrics(run: Training) -> dict[str, object]:
    """What metrics/train.json holds; a diverged run has the errors of black for white."""
    best = run.best or Epoch(0, LARGEST_MSE, LARGEST_MSE, 1.0, 0.0)
    return {
        "epochs": len(run.history),
        "best_epoch": best.epoch,
        "train_mse": best.train_mse,
        "val_mse": best.val_mse,
        "val_margin_error": best.val_margin_error,
        "diverged": int(run.diverged),
    }


def report(run: Training, margin: int) -> str:
    """What training came to, in words."""
    epochs = len(run.history)
    if run.best is None:
        return f"diverged in epoch {epochs}: the error passed that of black for white"
    return (
        f"best epoch {run.best.epoch} of {epochs}: validation {margin}-margin error "
        f"{run.best.val_margin_error:.4f}, MSE {run.best.val_mse:.6f}"
    )


def train(
    paths: argparse.Namespace, metric: MetricParams, model: ModelParams, params: TrainParams
) -> None:
    """Train a network; the first of the ranks writes."""
    training, validation = open_split(paths.train), open_split(paths.val)
    torch.manual_seed(params.seed)
    device = available_device()
    network = Colorizer(model).to(device)
    run = Training(network, params, metric.margin, training, validation)

    # Beside the model, and unknown to DVC, which would remove it before it runs this again.
    checkpoint = paths.model.with_suffix(".checkpoint")
    sections = {"metric": metric, "model": model, "train": params}
    data = [array_path(folder, kind) for folder in (paths.train, paths.val) for kind in LEARNT]
    of = from_first(lambda: origin(sections, data, device))
    started = resume(run, checkpoint, of)

    def after_epoch() -> None:
        if rank() == 0:
            save_checkpoint(checkpoint, of, run.tensors(), run.history)
            write_series(paths.history, Epoch._fields, run.history)

    if rank() == 0:
        print(started)
    run_epochs(run, params.epochs, after_epoch)
    if rank() == 0:
        with replacing(paths.model) as (partial,):
            save_network(partial, network, training.gray.shape[1:])
        write_series(paths.history, Epoch._fields, run.history)
        write_metrics(paths.metrics, run_metrics(run))
        checkpoint.unlink(missing_ok=True)
        print(report(run, metric.margin))


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
    check_loss(model, params)

    set_up_processor(params.threads)
    with joined_ranks(available_device()):
        train(paths, metric, model, params)


if __name__ == "__main__":
    with one_line_errors():
        main()
