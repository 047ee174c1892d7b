"""How gradients move weights: PyTorch's optimizers by the names in params.yaml."""

from collections.abc import Iterable
from typing import Literal

from torch import nn, optim

OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop"]
WITH_MOMENTUM = ("sgd", "rmsprop")  # the others have their own


def build_optimizer(
    name: OptimizerName,
    weights: Iterable[nn.Parameter],
    learning_rate: float,
    momentum: float,
    weight_decay: float,
) -> optim.Optimizer:
    """An optimizer; `momentum` is that of WITH_MOMENTUM, all else is PyTorch's default."""
    match name:
        case "sgd":
            return optim.SGD(weights, learning_rate, momentum=momentum, weight_decay=weight_decay)
        case "rmsprop":
            return optim.RMSprop(
                weights, learning_rate, momentum=momentum, weight_decay=weight_decay
            )
        case "adam":
            return optim.Adam(weights, learning_rate, weight_decay=weight_decay, fused=True)
        case "adamw":
            return optim.AdamW(weights, learning_rate, weight_decay=weight_decay, fused=True)
