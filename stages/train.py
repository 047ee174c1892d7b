"""Train a network to colorize gray photographs; keep the weights of the best epoch."""

from pathlib import Path

import pandas as pd
import torch

from colorizer.data.splits import PREPARED, open_split
from colorizer.device import available_device, configure_torch
from colorizer.distributed import broadcast_from_rank0, process_group, rank
from colorizer.errors import one_line_errors
from colorizer.files import atomic_write, write_csv, write_metrics
from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import MODEL_FILE, TrainedModel, save_model
from colorizer.params import Params, load_params
from colorizer.training.checkpoint import load_checkpoint, run_identity, save_checkpoint
from colorizer.training.trainer import Epoch, Trainer

HISTORY = Path("plots/history.csv")
# Beside the model, but not a DVC output: DVC would remove it before it runs this stage again.
CHECKPOINT = MODEL_FILE.with_suffix(".checkpoint")


def write_history(history: list[Epoch]) -> None:
    """Write plots/history.csv, a row for each epoch."""
    write_csv(HISTORY, pd.DataFrame(history))


def train(params: Params) -> None:
    """Train a network, or go on with a run that was killed; rank 0 writes the outputs."""
    training, validation = open_split(PREPARED / "train"), open_split(PREPARED / "val")
    torch.manual_seed(params.train.seed)
    device, margin = available_device(), params.metric.margin
    network = Colorizer(params.model, margin).to(device)
    trainer = Trainer(network, params.train, margin, training, validation)
    arrays = [*PREPARED.glob("train/*.npy"), *PREPARED.glob("val/*.npy")]
    identity = run_identity(params, arrays, device)
    state = broadcast_from_rank0(lambda: load_checkpoint(CHECKPOINT, identity))
    if state:
        trainer.load_state_dict(state)
        if rank() == 0:
            epochs = len(trainer.history)
            print(f"going on after epoch {epochs}, where an earlier run was interrupted")
    for _ in trainer.run():
        if rank() == 0:
            save_checkpoint(CHECKPOINT, identity, trainer.state_dict())
            write_history(trainer.history)
    if rank() == 0:
        with atomic_write(MODEL_FILE) as (partial,):
            image_size, recipe = training.gray.shape[1:], params.train.model_dump()
            model = TrainedModel(network, image_size, params.data.name, len(training), recipe)
            save_model(partial, model)
        write_history(trainer.history)
        metrics = trainer.metrics()
        write_metrics(Path("metrics/train.json"), metrics)
        CHECKPOINT.unlink(missing_ok=True)
        print(
            f"best epoch {metrics['best_epoch']} of {metrics['epochs']}: "
            f"validation {margin}-margin error {metrics['val_margin_error']:.4f}"
            if trainer.best
            else f"diverged in epoch {metrics['epochs']}: the error exceeds black instead of white"
        )


def main() -> None:
    """Train; write the history after each epoch."""
    params = load_params()
    configure_torch(params.train.threads)
    with process_group(available_device()):
        train(params)


if __name__ == "__main__":
    with one_line_errors():
        main()
