"""Every section of params.yaml, with types, units and ranges; a stage validates the whole file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from colorizer.errors import InputError
from colorizer.files import read_yaml

PARAMS_FILE = Path("params.yaml")  # the name that DVC gives it
OPTIMIZERS_WITH_MOMENTUM = ("sgd", "rmsprop")  # the others have betas
LAB_LOSSES = ("mse", "l1")  # losses on a* and b*; the others have a margin in levels of rgb

ColorSpace = Literal["rgb", "lab", "ycbcr"]
RegressionLoss = Literal["mse", "l1", "huber", "margin"]
LossName = RegressionLoss | Literal["cross_entropy"]
OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop"]
LrScheduleName = Literal["constant", "cosine", "one_cycle", "plateau"]
Threads = Annotated[int, Field(ge=1, le=1024)]


def _number_as_text(name: object) -> object:
    """`-S data.name=2024` makes the name a number; DVC puts its text into paths."""
    return str(name) if type(name) in {int, float} else name


class Section(BaseModel):
    """Keys with their types and ranges.

    Every key is required, unknown keys are refused, nothing is converted (`16.0` and `"16"` are not
    integers) and every number is finite.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class DataParams(Section):
    """Section `data`: the name is a folder of data/raw."""

    name: Annotated[str, BeforeValidator(_number_as_text), Field(pattern=r"^\w[\w.-]*$")]


class SampleParams(Section):
    """Section `sample`: how tiles are cut from scikit-image's photographs."""

    tile_size: int = Field(ge=16, le=1024)  # pixels
    scales: int = Field(ge=1, le=10)
    largest_scale: float = Field(ge=1, le=10)
    step: float = Field(ge=0.05, le=1)  # share of the side of a crop


class PrepareParams(Section):
    """Section `prepare`."""

    image_size: int = Field(ge=16, le=1024)  # pixels
    train_fraction: float = Field(ge=0.001, le=1)
    bad_photos: Literal["fail", "skip"]


class MetricParams(Section):
    """Section `metric`."""

    margin: int = Field(ge=1, le=255)  # levels


class ModelParams(Section):
    """Section `model`, and the configuration in a model file."""

    network: Literal["plain", "unet"]
    color_space: ColorSpace
    conv_layers: int = Field(ge=1, le=64)
    kernels: int = Field(ge=1, le=4096)
    kernel_size: int = Field(ge=1, le=31)  # pixels
    batch_norm: Literal["none", "hidden", "all"]
    track_running_stats: bool
    tanh: bool
    dropout: float = Field(ge=0, le=0.9)
    depth: int = Field(ge=0, le=8)
    patch_size: int = Field(ge=1, le=16)  # pixels
    output_stride: int = Field(ge=1, le=4096)
    coord_channels: bool
    chroma_bins: int = Field(ge=0, le=256)
    chroma_range: float = Field(ge=0.05, le=1)
    eval_batch_size: int = Field(ge=1, le=65536)

    @property
    def up_blocks(self) -> int:
        """Number of U-Net blocks that double the resolution, 0..depth."""
        return self.depth - (self.output_stride // self.patch_size).bit_length() + 1

    @model_validator(mode="after")
    def _keys_agree(self) -> Self:
        is_plain, has_norm = self.network == "plain", self.batch_norm != "none"
        strides = [self.patch_size * 2**level for level in range(self.depth + 1)]
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {self.kernel_size} but should be odd")
        if is_plain and self.conv_layers == 1 and (self.batch_norm == "hidden" or self.dropout):
            raise ValueError("one convolution has no hidden layer for batch_norm hidden or dropout")
        if not is_plain and self.batch_norm == "all":
            raise ValueError("batch_norm all is for network plain; unet has none or hidden")
        if not (has_norm or self.track_running_stats):
            raise ValueError("track_running_stats false needs batch_norm hidden or all")
        if is_plain and (self.depth, self.patch_size, self.output_stride) != (0, 1, 1):
            raise ValueError("depth, patch_size and output_stride need network unet")
        if is_plain and self.coord_channels:
            raise ValueError("coord_channels needs network unet")
        if self.output_stride not in strides:
            allowed = " or ".join(map(str, strides))
            raise ValueError(f"output_stride is {self.output_stride} but should be {allowed}")
        if self.output_stride > 1 and self.color_space == "rgb":
            raise ValueError("output_stride above 1 needs color_space ycbcr or lab")
        if self.chroma_bins == 1:
            raise ValueError("chroma_bins is 1 but should be 0, or 2 or more")
        if self.chroma_bins and (self.color_space != "ycbcr" or self.tanh):
            raise ValueError("chroma_bins need color_space ycbcr and tanh false")
        if self.chroma_range != 1 and not self.chroma_bins:
            raise ValueError("chroma_range below 1.0 needs chroma_bins")
        return self


class TrainParams(Section):
    """Section `train`."""

    launcher: str = Field(pattern=r"^(python|torchrun( .*)?)$")
    seed: int = Field(ge=0, lt=2**63)
    threads: Threads
    precision: Literal["float32", "bfloat16"]
    loss: LossName
    contrast_weight: float = Field(ge=0, le=1000)
    optimizer: OptimizerName
    learning_rate: float = Field(gt=0, le=1e6)
    momentum: float = Field(ge=0, le=0.999)
    weight_decay: float = Field(ge=0, le=1e6)
    lr_schedule: LrScheduleName
    batch_size: int = Field(ge=1)
    horizontal_flip: bool
    max_shift: int = Field(ge=0, le=64)  # pixels
    ema_decay: float = Field(ge=0, le=0.9999)
    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)  # epochs

    @model_validator(mode="after")
    def _keys_agree(self) -> Self:
        if self.momentum and self.optimizer not in OPTIMIZERS_WITH_MOMENTUM:
            raise ValueError(f"momentum is for sgd and rmsprop; optimizer is {self.optimizer}")
        if self.contrast_weight and self.loss != "cross_entropy":
            raise ValueError(f"contrast_weight is for loss cross_entropy; loss is {self.loss}")
        return self


class EvaluateParams(Section):
    """Section `evaluate`."""

    threads: Threads
    flip_tta: bool
    largest_margin: int = Field(ge=0, le=255)  # levels


class PredictTestParams(Section):
    """Section `predict_test`."""

    seed: int = Field(ge=0)
    threads: Threads
    flip_tta: bool
    count: Annotated[int, Field(ge=1)] | Literal["all"]


class PlotParams(Section):
    """Section `plot`."""

    seed: int = Field(ge=0)
    pictures: int = Field(ge=1, le=20)
    dpi: int = Field(ge=50, le=600)  # pixels per inch


class Params(Section):
    """The whole of params.yaml."""

    data: DataParams
    sample: SampleParams
    prepare: PrepareParams
    metric: MetricParams
    model: ModelParams
    train: TrainParams
    evaluate: EvaluateParams
    predict_test: PredictTestParams
    plot: PlotParams

    @model_validator(mode="after")
    def _loss_fits_network(self) -> Self:
        loss, bins = self.train.loss, self.model.chroma_bins
        if (loss == "cross_entropy") != bool(bins):
            raise ValueError(
                f"train.loss is {loss} and model.chroma_bins is {bins}; "
                "cross_entropy goes with chroma_bins 2 or more, other losses with 0"
            )
        if self.model.color_space == "lab" and loss not in LAB_LOSSES:
            raise ValueError(f"train.loss is {loss}; model.color_space lab needs mse or l1")
        return self


SectionType = TypeVar("SectionType", bound=Section)


def load_params(file: Path = PARAMS_FILE) -> Params:
    """Read and validate params.yaml. Raises InputError that names each wrong key in one line."""
    return validated(read_yaml(file), Params, str(file))


def validated(
    values: Mapping[str, Any], section_type: type[SectionType], place: str
) -> SectionType:
    """Validate values as a section; `place` begins the message of an InputError."""
    try:
        return section_type.model_validate(values)
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            # A key that allows several types has a problem for each, with a longer location.
            key = ".".join(map(str, problem["loc"][:2]))  # empty for rules of several sections
            if key and not isinstance(problem["input"], dict | BaseModel):
                key += f" is {problem['input']!r}"
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{key}: {message}" if key else message)
        raise InputError(f"{place}: {'; '.join(lines)}") from None
