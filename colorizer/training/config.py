"""Configuration of a training run: section `train` of params.yaml."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from colorizer.errors import InputError
from colorizer.models.config import ModelParams
from colorizer.params import PARAMS_FILE, Section
from colorizer.training.losses import LossName
from colorizer.training.lr_schedules import LrScheduleName
from colorizer.training.optimizers import WITH_MOMENTUM, OptimizerName

# Losses on a* and b*; the others have a margin in levels of rgb.
LAB_LOSSES = ("mse", "l1")


def _needs_optimizer_with_momentum(momentum: float, info: ValidationInfo) -> float:
    optimizer = info.data.get("optimizer")
    if momentum and optimizer and optimizer not in WITH_MOMENTUM:
        raise ValueError(f"optimizer {optimizer} has its own; should be 0.0")
    return momentum


def _needs_cross_entropy(weight: float, info: ValidationInfo) -> float:
    loss = info.data.get("loss")  # None when it is refused itself
    if weight and loss not in (None, "cross_entropy"):
        raise ValueError(f"loss is {loss}; should be 0.0, or loss be cross_entropy")
    return weight


class TrainParams(Section):
    """Section `train` of params.yaml."""

    launcher: Annotated[str, Field(pattern=r"^(python|torchrun( .*)?)$")]
    seed: int = Field(ge=0, lt=2**63)
    threads: int = Field(ge=1, le=1024)
    precision: Literal["float32", "bfloat16"]
    loss: LossName
    contrast_weight: Annotated[float, Field(ge=0, le=1000), AfterValidator(_needs_cross_entropy)]
    optimizer: OptimizerName
    learning_rate: float = Field(gt=0, le=1e6)
    momentum: Annotated[
        float, Field(ge=0, le=0.999), AfterValidator(_needs_optimizer_with_momentum)
    ]
    weight_decay: float = Field(ge=0, le=1e6)
    lr_schedule: LrScheduleName
    batch_size: int = Field(ge=1)
    horizontal_flip: bool
    max_shift: int = Field(ge=0, le=64)
    ema_decay: float = Field(ge=0, le=0.9999)
    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)


def check_loss(model: ModelParams, params: TrainParams) -> None:
    """Raise InputError when the network has no output that the loss applies to."""
    if (params.loss == "cross_entropy") != bool(model.chroma_bins):
        raise InputError(
            f"{PARAMS_FILE}: train.loss is {params.loss} and model.chroma_bins is "
            f"{model.chroma_bins}; cross_entropy should go with chroma_bins 2 or more, "
            "another loss with 0"
        )
    if model.color_space == "lab" and params.loss not in LAB_LOSSES:
        raise InputError(
            f"{PARAMS_FILE}: train.loss is {params.loss} and model.color_space is lab, whose loss "
            f"is on a* and b*; should be {' or '.join(LAB_LOSSES)}, or color_space rgb or ycbcr"
        )
