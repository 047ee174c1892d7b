"""PyTorch's optimizers by the names in params.yaml."""

from collections.abc import Iterable

from torch import nn, optim

from colorizer.params import OptimizerName


def build_optimizer(
    name: OptimizerName,
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    momentum: float,
    weight_decay: float,
) -> optim.Optimizer:
    """Build an optimizer; `momentum` applies to those in OPTIMIZERS_WITH_MOMENTUM.

    Other options keep PyTorch's defaults, except `fused=True` for Adam and AdamW, for speed.
    """
    match name:
        case "sgd":
            return optim.SGD(
                parameters, learning_rate, momentum=momentum, weight_decay=weight_decay
            )
        case "rmsprop":
            return optim.RMSprop(
                parameters, learning_rate, momentum=momentum, weight_decay=weight_decay
            )
        case "adam":
            return optim.Adam(parameters, learning_rate, weight_decay=weight_decay, fused=True)
        case "adamw":
            return optim.AdamW(parameters, learning_rate, weight_decay=weight_decay, fused=True)
