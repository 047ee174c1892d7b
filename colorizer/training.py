"""The report's training recipe, with its mistakes mended."""

import copy
import math
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from colorizer.device import resident
from colorizer.error_totals import ErrorTotals
from colorizer.metrics import LARGEST_MSE
from colorizer.network import scaled
from colorizer.params import Section
from colorizer.prediction import PICTURES_AT_ONCE, predict
from colorizer.ranks import in_step, part, ranks, total
from colorizer.splits import Split


class TrainParams(Section):
    """Section `train` of params.yaml."""

    launcher: Annotated[str, Field(pattern=r"^(python|torchrun( .*)?)$")]
    seed: int = Field(ge=0, lt=2**63)
    threads: int = Field(ge=1, le=1024)
    learning_rate: float = Field(gt=0, le=1e6)
    weight_decay: float = Field(ge=0, le=1e6)
    batch_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)


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
    """A run of the report's recipe: plain SGD on the mean squared error over rgb on [-1, 1].

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
        network: nn.Module,
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
        self._optimizer = torch.optim.SGD(
            network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
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
        val_mse, val_margin_error = validate(self._network, self._validation, self._margin)
        number = len(self.history) + 1
        epoch = Epoch(number, train_mse, val_mse, val_margin_error, self._params.learning_rate)
        self.history.append(epoch)
        if self.best is epoch:
            self._best_weights = copy.deepcopy(self._network.state_dict())
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
            **{f"network.{name}": weight for name, weight in self._network.state_dict().items()},
            **{f"best.{name}": weight for name, weight in self._best_weights.items()},
            **{
                f"optimizer.{index}.{name}": value
                for index, values in optimizer.items()
                for name, value in values.items()
                if value is not None
            },
            "order": self._order.get_state(),
            "generator": torch.get_rng_state(),
        }

    def take_over(self, tensors: dict[str, Tensor], history: list[Epoch]) -> None:
        """Go on where another run's `tensors` and `history` were taken."""
        self.history = history
        self._network.load_state_dict(_of("network", tensors))
        self._best_weights = _of("best", tensors)
        optimizer: dict[int, dict[str, Tensor]] = {}
        for name, value in _of("optimizer", tensors).items():
            index, _, key = name.partition(".")
            optimizer.setdefault(int(index), {})[key] = value
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": optimizer, "param_groups": groups})
        self._order.set_state(tensors["order"])
        torch.set_rng_state(tensors["generator"])

    def _learn(self) -> float:
        """Mean squared error over the epoch, each value predicted before its batch was learnt."""
        self._network.train()
        gray, rgb = self._training
        device = _device(self._network)
        order = torch.randperm(len(gray), generator=self._order).to(gray.device)
        squared = torch.zeros((), dtype=torch.float64, device=device)
        for batch in order.split(self._params.batch_size):
            rows = part(batch)
            target = scaled(rgb.index_select(0, rows).to(device))  # (n, 3, H, W)
            output = self._learner(scaled(gray.index_select(0, rows).to(device).unsqueeze(-1)))
            difference = (output - target).detach()
            squared += difference.square().sum()
            # The gradient of the mean squared error of the whole batch. It is averaged over the
            # ranks, so that times their number it is a sum.
            gradient = difference.mul_(2 * ranks() / (len(batch) * rgb[0].numel()))
            self._optimizer.zero_grad()
            output.backward(gradient)
            self._optimizer.step()
        return total(squared).item() / rgb.numel()

    def _weights_are_finite(self) -> bool:
        weights = self._network.state_dict().values()
        return all(bool(torch.isfinite(weight).all()) for weight in weights)

    def _spoil(self) -> None:
        with torch.no_grad():
            for weight in self._network.parameters():
                weight.fill_(math.nan)


def stops_early(errors: Sequence[float], patience: int) -> bool:
    """Tell whether the last `patience` errors brought none lower than the best before them."""
    return len(errors) > patience and min(errors[-patience:]) >= min(errors[:-patience])


def validate(network: nn.Module, validation: Pictures, margin: int) -> tuple[float, float]:
    """Mean squared error on [-1, 1] and margin error of pictures, in evaluation mode."""
    totals = ErrorTotals([margin])
    gray, rgb = (part(pictures).split(PICTURES_AT_ONCE) for pictures in validation)
    for prediction, target in zip(predict(network, gray), rgb, strict=True):
        totals.add(prediction, target.to(prediction.device))
    return totals.mse, totals.margin_errors[0]


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _of(owner: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{owner}."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
