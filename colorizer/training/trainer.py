"""Training loop with early stopping on the validation margin error."""

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm import tqdm

from colorizer.data.splits import Split, expect_random_reads, prefetch_rows
from colorizer.device import NO_BFLOAT16_UNIT, bfloat16_unit, to_device_if_fits
from colorizer.distributed import all_reduce_sum, rank, shard, world_size, wrap_ddp
from colorizer.metrics import LARGEST_MSE, ErrorTotals
from colorizer.models.chroma_bins import bin_log_probabilities
from colorizer.models.color_spaces import normalized_ab
from colorizer.models.colorizer import Colorizer, normalize, predict_rows
from colorizer.params import TrainParams
from colorizer.training.augmentation import flip_and_shift, sample_flips_and_shifts
from colorizer.training.losses import contrast_loss, cross_entropy, regression_loss
from colorizer.training.lr_schedules import lr_factor
from colorizer.training.optimizers import build_optimizer


class Epoch(NamedTuple):
    """A row of the history. Mean squared errors on [-1, 1], margin error a share 0..1."""

    epoch: int
    train_mse: float
    val_mse: float
    val_margin_error: float
    learning_rate: float


class Trainer:
    """Trains a network epoch by epoch, with early stopping on the validation margin error.

    In a distributed run each rank trains on its shard of every batch and validates its shard of the
    split; weights, history and decisions are the same on all ranks.

    Between two epochs, `state_dict()` is the whole state: a new Trainer of the same params that
    loads it ends with the same bits.

    Training has diverged, and ends, when a weight is not finite or the training error exceeds that
    of black instead of white everywhere. The epoch then gets the errors of black instead of white,
    and every weight becomes NaN, so that it cannot be mistaken for a trained network.
    """

    def __init__(
        self,
        network: Colorizer,
        params: TrainParams,
        margin: int,
        training: Split,
        validation: Split,
    ) -> None:
        """Train `network` in place.

        `margin`, in levels, is that of the validation error and of the losses huber and margin.
        """
        self.history: list[Epoch] = []
        self._network = network
        self._ddp_network = wrap_ddp(network)
        self._params = params
        self._margin = margin
        has_lab = network.params.color_space == "lab"
        arrays = [training.gray, training.rgb, *[training.lab] * has_lab]
        self._training = [to_device_if_fits(array, _device(network)) for array in arrays]
        # Those that stay on disk, from which batches are read in random order.
        self._on_disk = [
            array
            for array, tensor in zip(arrays, self._training, strict=True)
            if tensor.device.type == "cpu"
        ]
        for array in self._on_disk:
            expect_random_reads(array)
        self._validation_gray, self._validation_rgb = (
            to_device_if_fits(array, _device(network))
            for array in (validation.gray, validation.rgb)
        )
        self._optimizer = build_optimizer(
            params.optimizer,
            network.parameters(),
            params.learning_rate,
            params.momentum,
            params.weight_decay,
        )
        # The network that is validated and kept; without EMA the trained one itself.
        self._ema_network = copy.deepcopy(network) if params.ema_decay else network
        # Without batch norm's integer count of batches, which it does not use.
        self._ema_weights, self._weights = (
            [tensor for tensor in each.state_dict().values() if tensor.is_floating_point()]
            for each in (self._ema_network, network)
        )
        # Draws batches, flips and shifts; not the generator that drew the initial weights.
        self._generator = torch.Generator().manual_seed(params.seed)
        self._best_weights: dict[str, Tensor] = {}

    def run(self) -> Iterator[None]:
        """Run epochs until training ends, yielding after each; then load the best weights."""
        with tqdm(
            desc="train",
            total=self._params.epochs,
            initial=len(self.history),
            unit="epoch",
            disable=rank() > 0,
        ) as progress:
            while not self.ended:
                epoch = self.run_epoch()
                yield
                progress.set_postfix(
                    train_mse=f"{epoch.train_mse:.6f}",
                    val_mse=f"{epoch.val_mse:.6f}",
                    val_margin_error=f"{epoch.val_margin_error:.4f}",
                )
                progress.update()
        if not self.diverged:  # else the network keeps its own
            self._network.load_state_dict(self._best_weights)

    def run_epoch(self) -> Epoch:
        """Train on each image once, then validate."""
        train_mse = self._train_epoch()
        if not (train_mse <= LARGEST_MSE and self._weights_are_finite()):  # NaN is not <=
            train_mse = LARGEST_MSE
            self._fill_weights_with_nan()
        totals = ErrorTotals([self._margin])
        rows = torch.arange(len(self._validation_gray))
        with self._autocast():
            predicted = predict_rows(self._ema_network, self._validation_gray, rows, flip_tta=False)
            for batch, prediction in predicted:
                target = self._validation_rgb[batch.to(self._validation_rgb.device)]
                totals.add(prediction, target.to(prediction.device))
        number, learning_rate = len(self.history) + 1, self._optimizer.param_groups[0]["lr"]
        epoch = Epoch(number, train_mse, totals.mse, totals.margin_errors[0], learning_rate)
        self.history.append(epoch)
        if self.best is epoch:
            self._best_weights = copy.deepcopy(self._ema_network.state_dict())
        return epoch

    @property
    def best(self) -> Epoch | None:
        """The first epoch with the lowest validation margin error.

        None before the first epoch and after divergence.
        """
        if self.diverged or not self.history:
            return None
        return min(self.history, key=lambda epoch: epoch.val_margin_error)

    @property
    def diverged(self) -> bool:
        """Whether a weight of the network is not finite."""
        return not self._weights_are_finite()

    @property
    def ended(self) -> bool:
        """Whether no epoch is left to run."""
        errors = [epoch.val_margin_error for epoch in self.history]
        return (
            self.diverged
            or len(errors) == self._params.epochs
            or stops_early(errors, self._params.patience)
        )

    def metrics(self) -> dict[str, float]:
        """Content of metrics/train.json; diverged, it has the errors of black instead of white."""
        best = self.best or Epoch(0, LARGEST_MSE, LARGEST_MSE, 1.0, 0.0)
        return {
            "epochs": len(self.history),
            "best_epoch": best.epoch,
            "train_mse": best.train_mse,
            "val_mse": best.val_mse,
            "val_margin_error": best.val_margin_error,
            "diverged": int(self.diverged),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            "history": [tuple(epoch) for epoch in self.history],
            "network": self._network.state_dict(),
            "ema_network": self._ema_network.state_dict(),
            "best_weights": self._best_weights,
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from another Trainer's `state_dict()`."""
        self.history = [Epoch(*epoch) for epoch in state["history"]]
        self._network.load_state_dict(state["network"])
        self._ema_network.load_state_dict(state["ema_network"])
        self._best_weights = state["best_weights"]
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])

    def _train_epoch(self) -> float:
        """Train on each batch; the mean squared error of predictions made before each update."""
        self._network.train()
        # Dropout draws from PyTorch's global generator: other masks on each rank.
        seeds = np.random.SeedSequence([self._params.seed, len(self.history), rank()])
        torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0]))
        order = torch.randperm(len(self._training[0]), generator=self._generator)
        batches = order.split(self._params.batch_size)
        errors = [epoch.val_margin_error for epoch in self.history]
        squared_error = torch.zeros((), dtype=torch.float64, device=_device(self._network))
        first_step = len(self.history) * len(batches)
        for step, batch in enumerate(self._prefetched(batches), first_step):
            progress = step / (len(batches) * self._params.epochs)
            factor = lr_factor(self._params.lr_schedule, progress, errors)
            for group in self._optimizer.param_groups:
                group["lr"] = self._params.learning_rate * factor
            squared_error += self._train_step(batch)
            if self._ema_network is not self._network:
                self._update_ema(step)
        return all_reduce_sum(squared_error).item() / self._training[1].numel()

    def _prefetched(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the batches; while one is trained on, this rank's rows of the next are read."""
        for batch, following in pairwise(chain([None], batches, [None])):
            if following is not None:
                for array in self._on_disk:
                    prefetch_rows(array, shard(following).tolist())
            if batch is not None:
                yield batch

    def _train_step(self, batch: Tensor) -> Tensor:
        """Update the weights with this rank's shard of a batch; the sum of its squared errors."""
        lightness, rgb, chroma = self._load_images(batch)
        target = rgb if chroma is None else chroma
        with self._autocast():
            output = self._ddp_network(lightness)
        loss = self._loss(output, target)
        self._optimizer.zero_grad()
        # The loss is the mean over the whole batch. DDP averages gradients over ranks; times the
        # number of ranks that is their sum.
        values = len(batch) * target.shape[1:].numel()
        (loss * (world_size() / values)).backward()
        self._optimizer.step()
        if chroma is None and self._params.loss == "mse":
            return loss.detach()  # the same sum
        prediction = output.detach()
        if chroma is not None:
            prediction = self._network.to_rgb(prediction, lightness)
        squared_error: Tensor = (prediction - rgb).square().sum()
        return squared_error

    def _autocast(self) -> torch.autocast:
        """Let convolutions compute in train.precision.

        In float32 on a processor without a bfloat16 unit, where it takes a fraction of the time.
        """
        device = _device(self._network)
        enabled = self._params.precision == "bfloat16" and bfloat16_unit(device) != NO_BFLOAT16_UNIT
        return torch.autocast(device.type, torch.bfloat16, enabled=enabled)

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss, summed over all values."""
        if self._params.loss == "cross_entropy":
            chroma_range, weight = self._network.params.chroma_range, self._params.contrast_weight
            log_probabilities = bin_log_probabilities(output)
            loss = cross_entropy(log_probabilities, target, chroma_range)
            if weight:
                loss += weight * contrast_loss(log_probabilities.exp(), target, chroma_range)
            return loss
        return regression_loss(self._params.loss, output, target, self._margin / 127.5)

    def _load_images(self, batch: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Load the shard of a batch that is this rank's, augmented, on [-1, 1].

        Lightness (n, 1, H, W), rgb (n, 3, H, W), and the chroma that the loss is on, if it is not
        on rgb: a* and b* (n, 2, H, W), or Cb and Cr (n, 2, h, w) for chroma bins.
        """
        params = self._params
        images = [
            each.index_select(0, shard(batch).to(each.device)).to(_device(self._network))
            for each in self._training
        ]
        if params.horizontal_flip or params.max_shift:
            moves = sample_flips_and_shifts(
                len(batch), params.horizontal_flip, params.max_shift, self._generator
            )
            images = [flip_and_shift(each, shard(moves)) for each in images]
        gray, rgb, *lab = images
        lightness = self._network.lightness(normalize(gray.unsqueeze(-1)))
        target = normalize(rgb)
        if lab:
            return lightness, target, normalized_ab(*lab)
        bins = self._network.params.chroma_bins
        return lightness, target, self._network.chroma_target(target) if bins else None

    def _update_ema(self, step: int) -> None:
        """Update the EMA weights; the decay is smaller in the first steps (warm-up)."""
        decay = min(self._params.ema_decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(self._ema_weights, self._weights, step)

    def _weights_are_finite(self) -> bool:
        weights = self._network.state_dict().values()
        return all(bool(torch.isfinite(weight).all()) for weight in weights)

    def _fill_weights_with_nan(self) -> None:
        with torch.no_grad():
            for weight in chain(self._network.parameters(), self._ema_network.parameters()):
                weight.fill_(math.nan)


def stops_early(errors: Sequence[float], patience: int) -> bool:
    """Whether none of the last `patience` errors is lower than the best one before them."""
    return len(errors) > patience and min(errors[-patience:]) >= min(errors[:-patience])


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
