"""The report's training recipe, with its mistakes mended."""

import copy
import math
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, NamedTuple

import numpy as np
import torch
from pydantic import AfterValidator, Field, ValidationInfo
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from colorizer.augmentation import draw_moves, moved
from colorizer.chroma_bins import gradient_of_cross_entropy, probabilities_of
from colorizer.device import resident
from colorizer.error_totals import ErrorTotals
from colorizer.errors import InputError
from colorizer.losses import LossName, gradient_of
from colorizer.metrics import LARGEST_MSE
from colorizer.network import Colorizer, ModelParams, scaled
from colorizer.optimizers import WITH_MOMENTUM, OptimizerName, build_optimizer
from colorizer.params import PARAMS_FILE, Section
from colorizer.prediction import PICTURES_AT_ONCE, predict
from colorizer.ranks import in_step, part, rank, ranks, total
from colorizer.schedules import ScheduleName, rate_factor
from colorizer.splits import Split


def _of_optimizer(momentum: float, info: ValidationInfo) -> float:
    optimizer = info.data.get("optimizer")
    if momentum and optimizer and optimizer not in WITH_MOMENTUM:
        raise ValueError(f"optimizer {optimizer} has its own; should be 0.0")
    return momentum


class TrainParams(Section):
    """Section `train` of params.yaml."""

    launcher: Annotated[str, Field(pattern=r"^(python|torchrun( .*)?)$")]
    seed: int = Field(ge=0, lt=2**63)
    threads: int = Field(ge=1, le=1024)
    loss: LossName
    optimizer: OptimizerName
    learning_rate: float = Field(gt=0, le=1e6)
    momentum: Annotated[float, Field(ge=0, le=0.999), AfterValidator(_of_optimizer)]
    weight_decay: float = Field(ge=0, le=1e6)
    schedule: ScheduleName
    batch_size: int = Field(ge=1)
    flips: bool
    shifts: int = Field(ge=0, le=64)
    average: float = Field(ge=0, le=0.9999)
    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)


def check_loss(model: ModelParams, params: TrainParams) -> None:
    """Raise InputError where a network does not put out what the loss is of."""
    if (params.loss == "cross_entropy") != bool(model.bins):
        raise InputError(
            f"{PARAMS_FILE}: train.loss is {params.loss} and model.bins is {model.bins}; "
            "cross_entropy should go with bins from 2, another loss with 0"
        )


class Epoch(NamedTuple):
    """One row of the history. Mean squared errors on [-1, 1], margin error a share 0..1."""

    epoch: int
    train_mse: float
    val_mse: float
    val_margin_error: float
    learning_rate: float


class Pictures(NamedTuple):
    """A split as tensors: gray uint8 (N, H, W) and rgb uint8 (N, H, W, 3)."""

    gray: Tensor
    rgb: Tensor

    @classmethod
    def of(cls, split: Split, device: torch.device) -> "Pictures":
        """On a GPU where they fit, else in the memory maps of the split."""
        return cls(resident(split.gray, device), resident(split.rgb, device))


class Training:
    """A run of training: by default the report's recipe, SGD on the mean squared error of rgb.

    On several ranks each learns from its share of every batch, and validates its share, while
    weights, history and decisions are the same on all.

    It goes epoch by epoch, and between two of them `tensors` and `history` are all that there
    is to know: a new Training of the same params that takes them over goes on to the same end,
    bit for bit.

    When a weight is no longer finite, or the training error is larger than that of black for
    white everywhere, training has diverged and ends: the epoch gets the errors of black for
    white and every weight becomes NaN, so that all who use the network see it.
    """

    def __init__(
        self,
        network: Colorizer,
        params: TrainParams,
        margin: int,
        training: Split,
        validation: Split,
    ) -> None:
        """Train `network` in place, stopping early on its validation error at `margin`."""
        self.history: list[Epoch] = []
        self._network = network
        self._learner = in_step(network)
        self._params = params
        self._margin = margin
        self._training = Pictures.of(training, _device(network))
        self._validation = Pictures.of(validation, _device(network))
        self._optimizer = build_optimizer(
            params.optimizer,
            network.parameters(),
            params.learning_rate,
            params.momentum,
            params.weight_decay,
        )
        # What is validated and kept: the network, or another with the mean of its past weights.
        self._judged = copy.deepcopy(network) if params.average else network
        # Batches that batch norm has counted stay as they are: it does not use their number.
        self._means, self._weights = (
            [some for some in each.state_dict().values() if some.is_floating_point()]
            for each in (self._judged, network)
        )
        # Orders the batches; apart from the generator that drew the initial weights.
        self._order = torch.Generator().manual_seed(params.seed)
        self._best_weights: dict[str, Tensor] = {}

    def run_epoch(self) -> Epoch:
        """Train on each photograph once, then validate."""
        train_mse = self._learn()
        if not (train_mse <= LARGEST_MSE and self._weights_are_finite()):  # NaN is not <=
            train_mse = LARGEST_MSE
            self._spoil()
        val_mse, val_margin_error = validate(self._judged, self._validation, self._margin)
        number, rate = len(self.history) + 1, self._optimizer.param_groups[0]["lr"]
        epoch = Epoch(number, train_mse, val_mse, val_margin_error, rate)
        self.history.append(epoch)
        if self.best is epoch:
            self._best_weights = copy.deepcopy(self._judged.state_dict())
        return epoch

    @property
    def best(self) -> Epoch | None:
        """The first epoch with the lowest validation margin error; None after divergence."""
        if self.diverged or not self.history:
            return None
        return min(self.history, key=lambda epoch: epoch.val_margin_error)

    @property
    def diverged(self) -> bool:
        """Whether the network has a weight that is not finite."""
        return not self._weights_are_finite()

    @property
    def ended(self) -> bool:
        """Whether there is no epoch left to run."""
        errors = [epoch.val_margin_error for epoch in self.history]
        return (
            self.diverged
            or len(errors) == self._params.epochs
            or stops_early(errors, self._params.patience)
        )

    def keep_best(self) -> None:
        """Give the network the weights of its best epoch; a diverged one stays as it is."""
        if not self.diverged:
            self._network.load_state_dict(self._best_weights)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the next epoch depends on and that is not in `history`."""
        optimizer = self._optimizer.state_dict()["state"]
        return {
            **_as("network", self._network.state_dict()),
            **({} if self._judged is self._network else _as("judged", self._judged.state_dict())),
            **_as("best", self._best_weights),
            **{
                f"optimizer.{index}.{name}": value
                for index, values in optimizer.items()
                for name, value in values.items()
                if value is not None
            },
            "order": self._order.get_state(),
        }

    def take_over(self, tensors: dict[str, Tensor], history: list[Epoch]) -> None:
        """Go on where another run's `tensors` and `history` were taken."""
        self.history = history
        self._network.load_state_dict(_of("network", tensors))
        if self._judged is not self._network:
            self._judged.load_state_dict(_of("judged", tensors))
        self._best_weights = _of("best", tensors)
        optimizer: dict[int, dict[str, Tensor]] = {}
        for name, value in _of("optimizer", tensors).items():
            index, _, key = name.partition(".")
            optimizer.setdefault(int(index), {})[key] = value
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": optimizer, "param_groups": groups})
        self._order.set_state(tensors["order"])

    def _learn(self) -> float:
        """Mean squared error over the epoch, each value predicted before its batch was learnt."""
        self._network.train()
        # Dropout draws from PyTorch's own generators, on each rank other masks.
        drawn = np.random.SeedSequence([self._params.seed, len(self.history), rank()])
        torch.manual_seed(int(drawn.generate_state(1, np.uint64)[0]))
        order = torch.randperm(len(self._training.gray), generator=self._order)
        batches = order.to(self._training.gray.device).split(self._params.batch_size)
        errors = [epoch.val_margin_error for epoch in self.history]
        squared = torch.zeros((), dtype=torch.float64, device=_device(self._network))
        for number, batch in enumerate(batches, start=len(self.history) * len(batches)):
            done = number / (len(batches) * self._params.epochs)
            factor = rate_factor(self._params.schedule, done, errors)
            for group in self._optimizer.param_groups:
                group["lr"] = self._params.learning_rate * factor
            squared += self._step(batch)
            if self._judged is not self._network:
                self._add_to_mean(number)
        return total(squared).item() / self._training.rgb.numel()

    def _step(self, batch: Tensor) -> Tensor:
        """Learn from a batch, of which this rank takes its share; the sum of its squared errors."""
        gray, target = self._pictures(batch)
        output = self._learner(gray)  # (n, 3, H, W), or logits of bins
        self._optimizer.zero_grad()
        if self._params.loss == "cross_entropy":
            chroma = self._network.chroma(target)
            probabilities = probabilities_of(output.detach())
            gradient = gradient_of_cross_entropy(probabilities, chroma, self._network.params.reach)
            values = chroma.shape[1:].numel()
            difference = self._network.rgb(probabilities, gray) - target
        else:
            difference = (output - target).detach()
            gradient = gradient_of(self._params.loss, difference, self._margin / 127.5)
            values = target.shape[1:].numel()
        # A loss is the mean over the whole batch. Its gradients are averaged over the ranks, so
        # that times their number they are a sum.
        output.backward(gradient.mul_(ranks() / (len(batch) * values)))
        self._optimizer.step()
        squared: Tensor = difference.square().sum()
        return squared

    def _pictures(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Gray and target of this rank's share of a batch, moved as the params say."""
        device = _device(self._network)
        gray, rgb = (some.index_select(0, part(batch)).to(device) for some in self._training)
        if self._params.flips or self._params.shifts:
            moves = draw_moves(len(batch), self._params.flips, self._params.shifts, self._order)
            gray, rgb = (moved(some, part(moves)) for some in (gray, rgb))
        return scaled(gray.unsqueeze(-1)), scaled(rgb)

    def _add_to_mean(self, steps: int) -> None:
        """Move the judged weights a little towards the network's, more so in the beginning."""
        kept = min(self._params.average, (1 + steps) / (10 + steps))
        get_ema_multi_avg_fn(kept)(self._means, self._weights, steps)

    def _weights_are_finite(self) -> bool:
        weights = self._network.state_dict().values()
        return all(bool(torch.isfinite(weight).all()) for weight in weights)

    def _spoil(self) -> None:
        with torch.no_grad():
            for weight in chain(self._network.parameters(), self._judged.parameters()):
                weight.fill_(math.nan)


def stops_early(errors: Sequence[float], patience: int) -> bool:
    """Tell whether the last `patience` errors brought none lower than the best before them."""
    return len(errors) > patience and min(errors[-patience:]) >= min(errors[:-patience])


def validate(network: nn.Module, validation: Pictures, margin: int) -> tuple[float, float]:
    """Mean squared error on [-1, 1] and margin error of pictures, in evaluation mode."""
    totals = ErrorTotals([margin])
    gray, rgb = (part(pictures).split(PICTURES_AT_ONCE) for pictures in validation)
    for prediction, target in zip(predict(network, gray, flips=False), rgb, strict=True):
        totals.add(prediction, target.to(prediction.device))
    return totals.mse, totals.margin_errors[0]


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _as(owner: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{owner}.{name}": tensor for name, tensor in tensors.items()}


def _of(owner: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{owner}."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
