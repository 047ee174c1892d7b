"""The report's training recipe, with its mistakes mended."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from pydantic import Field
from torch import nn

from colorizer.metrics import LARGEST_MSE, ErrorTotals
from colorizer.network import scaled
from colorizer.params import Section
from colorizer.prediction import predict
from colorizer.splits import Split


class TrainParams(Section):
    """Section `train` of params.yaml."""

    seed: int = Field(ge=0, lt=2**63)
    threads: int = Field(ge=1, le=1024)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
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


@dataclass(frozen=True)
class Outcome:
    """What training came to: its epochs, the best of them, None after divergence."""

    epochs: int
    best: Epoch | None


class EarlyStopping:
    """Stop after `patience` epochs in a row without a lower error than the best before."""

    def __init__(self, patience: int) -> None:
        """Start with no epoch seen."""
        self.best = math.inf
        self._patience = patience
        self._waited = 0

    def improves(self, error: float) -> bool:
        """Take the next epoch's error; tell whether it is the lowest so far."""
        improved = error < self.best
        self.best = min(error, self.best)
        self._waited = 0 if improved else self._waited + 1
        return improved

    @property
    def stops(self) -> bool:
        """Whether the last epoch was the last one worth running."""
        return self._waited >= self._patience


def train(
    network: nn.Module,
    training: Split,
    validation: Split,
    params: TrainParams,
    margin: int,
    on_epoch: Callable[[Epoch], None],
) -> Outcome:
    """Train a network in place, by plain SGD on the mean squared error over rgb on [-1, 1].

    `on_epoch` gets each epoch as it ends. Afterwards the network has the weights of the best
    epoch: the first with the lowest validation margin error. When the training loss or a
    weight is no longer finite, training has diverged and ends: the epoch has the largest
    errors there are and every weight becomes NaN, so that all who use the network see it.
    """
    # Orders the batches; apart from the generator that drew the initial weights.
    generator = torch.Generator().manual_seed(params.seed)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )
    stopping = EarlyStopping(params.patience)
    best: Epoch | None = None
    best_weights: dict[str, torch.Tensor] = {}
    for number in range(1, params.epochs + 1):
        train_mse = train_epoch(network, optimizer, training, params.batch_size, generator)
        diverged = not (math.isfinite(train_mse) and _is_finite(network))
        if diverged:
            train_mse = LARGEST_MSE
            _spoil(network)
        val_mse, val_margin_error = validate(network, validation, margin)
        epoch = Epoch(number, train_mse, val_mse, val_margin_error, params.learning_rate)
        on_epoch(epoch)
        if diverged:
            return Outcome(number, best=None)
        if stopping.improves(val_margin_error):
            best, best_weights = epoch, copy.deepcopy(network.state_dict())
        if stopping.stops:
            break
    network.load_state_dict(best_weights)
    return Outcome(number, best)


def train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    training: Split,
    batch_size: int,
    generator: torch.Generator,
) -> float:
    """Train on each photograph once, in a new order; return the mean squared error on the way.

    That is the mean over all values of the epoch, each predicted before its batch was
    learnt; NaN or infinity after divergence.
    """
    network.train()
    order = torch.randperm(len(training), generator=generator).numpy()
    squared = torch.zeros((), dtype=torch.float64)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        gray = scaled(training.gray[rows], network).unsqueeze(1)  # (n, 1, H, W)
        target = scaled(training.rgb[rows], network).permute(0, 3, 1, 2)  # (n, 3, H, W)
        loss = nn.functional.mse_loss(network(gray), target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        squared = squared.to(loss.device) + loss.detach() * len(rows)
    return squared.item() / len(order)


def validate(network: nn.Module, validation: Split, margin: int) -> tuple[float, float]:
    """Mean squared error on [-1, 1] and margin error of a split, in evaluation mode."""
    totals = ErrorTotals([margin])
    for rows, prediction in predict(network, validation.gray):
        totals.add(prediction, validation.rgb[rows])
    return totals.mse, totals.margin_errors[0]


def _is_finite(network: nn.Module) -> bool:
    return all(bool(torch.isfinite(weight).all()) for weight in network.state_dict().values())


def _spoil(network: nn.Module) -> None:
    with torch.no_grad():
        for weight in network.parameters():
            weight.fill_(math.nan)
