"""Train a network to colorize gray photographs; keep the weights of the best epoch."""

from colorizer.openmp import busy_warning  # before PyTorch

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from colorizer.data.config import DataParams
from colorizer.data.splits import array_path, open_split
from colorizer.device import available_device, configure_torch
from colorizer.distributed import broadcast_from_rank0, process_group, rank
from colorizer.errors import one_line_errors
from colorizer.files import atomic_write, write_metrics
from colorizer.later_stages import check_later_sections
from colorizer.metrics.margin import LARGEST_MSE, MetricParams
from colorizer.metrics.series import write_series
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.models.model_file import TrainedModel, save_model
from colorizer.params import PARAMS_FILE, read_section
from colorizer.training.checkpoint import (
    Fingerprint,
    fingerprint,
    load_checkpoint,
    save_checkpoint,
)
from colorizer.training.config import TrainParams, check_loss
from colorizer.training.trainer import Epoch, Trainer


def resume(trainer: Trainer, checkpoint: Path, identity: Fingerprint) -> str:
    """Continue from the checkpoint of an interrupted run with this fingerprint; report it."""
    loaded = broadcast_from_rank0(lambda: load_checkpoint(checkpoint, identity))
    if isinstance(loaded, str):
        return f"starting with epoch 1: {loaded}"
    trainer.load_state_dict(*loaded)
    return f"resuming after epoch {len(trainer.history)}, where an earlier run was interrupted"


def run_epochs(trainer: Trainer, epochs: int, after_epoch: Callable[[], None]) -> None:
    """Run epochs until training ends, with a progress bar; `after_epoch` saves the state."""
    with tqdm(
        total=epochs, initial=len(trainer.history), desc="train", unit="epoch", disable=rank() > 0
    ) as progress:
        while not trainer.ended:
            epoch = trainer.run_epoch()
            after_epoch()
            progress.set_postfix(
                train_mse=f"{epoch.train_mse:.6f}",
                val_mse=f"{epoch.val_mse:.6f}",
                val_margin_error=f"{epoch.val_margin_error:.4f}",
            )
            progress.update()
    trainer.load_best_weights()


def metrics_of(trainer: Trainer) -> dict[str, object]:
    """Content of metrics/train.json; a diverged run has the errors of black instead of white."""
    best = trainer.best or Epoch(0, LARGEST_MSE, LARGEST_MSE, 1.0, 0.0)
    return {
        "epochs": len(trainer.history),
        "best_epoch": best.epoch,
        "train_mse": best.train_mse,
        "val_mse": best.val_mse,
        "val_margin_error": best.val_margin_error,
        "diverged": int(trainer.diverged),
    }


def summarize(trainer: Trainer, margin: int) -> str:
    """The result of training in one line."""
    epochs = len(trainer.history)
    if trainer.best is None:
        return f"diverged in epoch {epochs}: the error exceeds that of black instead of white"
    return (
        f"best epoch {trainer.best.epoch} of {epochs}: validation {margin}-margin error "
        f"{trainer.best.val_margin_error:.4f}, MSE {trainer.best.val_mse:.6f}"
    )


def train(
    paths: argparse.Namespace,
    data: DataParams,
    metric: MetricParams,
    model: ModelParams,
    params: TrainParams,
) -> None:
    """Train a network; rank 0 writes the outputs."""
    training, validation = open_split(paths.train), open_split(paths.val)
    torch.manual_seed(params.seed)
    device = available_device()
    network = Colorizer(model, metric.margin).to(device)
    trainer = Trainer(network, params, metric.margin, training, validation)

    # Beside the model, but not a DVC output: DVC would remove it before it runs this stage again.
    checkpoint = paths.model.with_suffix(".checkpoint")
    sections = {"metric": metric, "model": model, "train": params}
    trained_on = ("gray", "rgb", "lab") if model.color_space == "lab" else ("gray", "rgb")
    arrays = [array_path(split, name) for split in (paths.train, paths.val) for name in trained_on]
    identity = broadcast_from_rank0(lambda: fingerprint(sections, arrays, device))
    started = resume(trainer, checkpoint, identity)

    def after_epoch() -> None:
        if rank() == 0:
            save_checkpoint(checkpoint, identity, trainer.state_dict(), trainer.history)
            write_series(paths.history, pd.DataFrame(trainer.history))

    if rank() == 0:
        print(started)
    run_epochs(trainer, params.epochs, after_epoch)
    if rank() == 0:
        with atomic_write(paths.model) as (partial,):
            image_size = training.gray.shape[1:]
            save_model(partial, TrainedModel(network, image_size, data.name, len(training)))
        write_series(paths.history, pd.DataFrame(trainer.history))
        write_metrics(paths.metrics, metrics_of(trainer))
        checkpoint.unlink(missing_ok=True)
        print(summarize(trainer, metric.margin))


def main() -> None:
    """Train; write the history after each epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path, help="prepared training split")
    parser.add_argument("val", type=Path, help="prepared validation split")
    parser.add_argument("model", type=Path, help="model file to write")
    parser.add_argument("metrics", type=Path, help="JSON file to write")
    parser.add_argument("history", type=Path, help="CSV file to write, a row per epoch")
    paths = parser.parse_args()
    data = read_section(PARAMS_FILE, "data", DataParams)
    metric = read_section(PARAMS_FILE, "metric", MetricParams)
    model = read_section(PARAMS_FILE, "model", ModelParams)
    params = read_section(PARAMS_FILE, "train", TrainParams)
    check_loss(model, params)
    check_later_sections(PARAMS_FILE)  # now, not after hours of training

    configure_torch(params.threads)
    with process_group(available_device()):
        if rank() == 0 and (warning := busy_warning(params.threads)):
            print(warning)
        train(paths, data, metric, model, params)


if __name__ == "__main__":
    with one_line_errors():
        main()
