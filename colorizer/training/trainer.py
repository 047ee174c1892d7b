"""Training loop with early stopping on the validation margin error."""

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from colorizer.data.arrays import expect_random_reads, prefetch_rows
from colorizer.data.splits import Split
from colorizer.device import to_device_if_fits
from colorizer.distributed import all_reduce_sum, rank, shard, world_size, wrap_ddp
from colorizer.metrics.margin import LARGEST_MSE
from colorizer.models.chroma_bins import bin_log_probabilities
from colorizer.models.color_spaces import normalize_lab
from colorizer.models.colorizer import Colorizer, normalize
from colorizer.training.augmentation import flip_and_shift, sample_flips_and_shifts
from colorizer.training.config import TrainParams
from colorizer.training.losses import contrast_loss, cross_entropy, regression_loss
from colorizer.training.lr_schedules import lr_factor
from colorizer.training.optimizers import build_optimizer
from colorizer.training.validation import SplitTensors, validate


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

    Between two epochs, `state_dict()` and `history` are the whole state: a new Trainer of the same
    params that loads them ends with the same bits.

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
        seen = training.lab if network.params.color_space == "lab" else training.gray
        self._training_input = to_device_if_fits(seen, _device(network))
        self._training_rgb = to_device_if_fits(training.rgb, _device(network))
        # Those that stay on disk, from which batches are read in random order.
        self._on_disk = [
            array
            for array, tensor in ((seen, self._training_input), (training.rgb, self._training_rgb))
            if tensor.device.type == "cpu"
        ]
        for array in self._on_disk:
            expect_random_reads(array)
        self._validation = SplitTensors.of(validation, _device(network))
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

    def run_epoch(self) -> Epoch:
        """Train on each image once, then validate."""
        train_mse = self._train_epoch()
        if not (train_mse <= LARGEST_MSE and self._weights_are_finite()):  # NaN is not <=
            train_mse = LARGEST_MSE
            self._fill_weights_with_nan()
        with self._autocast():
            val_mse, val_margin_error = validate(self._ema_network, self._validation, self._margin)
        number, learning_rate = len(self.history) + 1, self._optimizer.param_groups[0]["lr"]
        epoch = Epoch(number, train_mse, val_mse, val_margin_error, learning_rate)
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

    def load_best_weights(self) -> None:
        """Give the network the weights of its best epoch; after divergence it keeps its own."""
        if not self.diverged:
            self._network.load_state_dict(self._best_weights)

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that the next epoch depends on, apart from `history`."""
        optimizer = self._optimizer.state_dict()["state"]
        ema = {} if self._ema_network is self._network else self._ema_network.state_dict()
        return {
            **_with_prefix("network", self._network.state_dict()),
            **_with_prefix("ema_network", ema),
            **_with_prefix("best", self._best_weights),
            **{
                f"optimizer.{index}.{name}": value
                for index, values in optimizer.items()
                for name, value in values.items()
                if value is not None
            },
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, tensors: dict[str, Tensor], history: list[Epoch]) -> None:
        """Continue from another Trainer's `state_dict()` and `history`."""
        self.history = history
        self._network.load_state_dict(_without_prefix("network", tensors))
        if self._ema_network is not self._network:
            self._ema_network.load_state_dict(_without_prefix("ema_network", tensors))
        self._best_weights = _without_prefix("best", tensors)
        optimizer: dict[int, dict[str, Tensor]] = {}
        for name, value in _without_prefix("optimizer", tensors).items():
            index, _, key = name.partition(".")
            optimizer.setdefault(int(index), {})[key] = value
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": optimizer, "param_groups": groups})
        self._generator.set_state(tensors["generator"])

    def _train_epoch(self) -> float:
        """Train on each batch; the mean squared error of predictions made before each update."""
        self._network.train()
        # Dropout draws from PyTorch's global generator: other masks on each rank.
        seeds = np.random.SeedSequence([self._params.seed, len(self.history), rank()])
        torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0]))
        order = torch.randperm(len(self._training_rgb), generator=self._generator)
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
        return all_reduce_sum(squared_error).item() / self._training_rgb.numel()

    def _prefetched(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the batches; while one is trained on, this rank's rows of the next are read."""
        batch = None
        for following in batches:
            for array in self._on_disk:
                prefetch_rows(array, shard(following).tolist())
            if batch is not None:
                yield batch
            batch = following
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
        """Let convolutions compute in train.precision."""
        enabled = self._params.precision == "bfloat16"
        return torch.autocast(_device(self._network).type, torch.bfloat16, enabled=enabled)

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
        network, params = self._network, self._params
        seen, rgb = (
            images.index_select(0, shard(batch).to(images.device)).to(_device(network))
            for images in (self._training_input, self._training_rgb)
        )
        if params.horizontal_flip or params.max_shift:
            moves = sample_flips_and_shifts(
                len(batch), params.horizontal_flip, params.max_shift, self._generator
            )
            seen, rgb = (flip_and_shift(images, shard(moves)) for images in (seen, rgb))
        normalized_rgb = normalize(rgb)
        if network.params.color_space == "lab":
            lightness, chroma = normalize_lab(seen)
            return lightness, normalized_rgb, chroma
        gray = normalize(seen.unsqueeze(-1))
        bins = network.params.chroma_bins
        return gray, normalized_rgb, network.chroma_target(normalized_rgb) if bins else None

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


def _with_prefix(owner: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{owner}.{name}": tensor for name, tensor in tensors.items()}


def _without_prefix(owner: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{owner}."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
