"""Configuration of a network: section `model` of params.yaml, also kept in the model file."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from colorizer.models.color_spaces import ColorSpace
from colorizer.params import Section


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError("should be odd, so that a pixel has as many neighbors on each side")
    return size


class ModelParams(Section):
    """Section `model` of params.yaml, and the configuration in a model file."""

    network: Literal["plain", "unet"]
    color_space: ColorSpace
    conv_layers: int = Field(ge=1, le=64)
    kernels: int = Field(ge=1, le=4096)
    kernel_size: Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]
    batch_norm: Literal["none", "hidden", "all"]
    track_running_stats: bool
    tanh: bool
    dropout: float = Field(ge=0, le=0.9)
    depth: int = Field(ge=0, le=8)
    patch_size: int = Field(ge=1, le=16)
    output_stride: int = Field(ge=1, le=4096)
    coord_channels: bool
    chroma_bins: int = Field(ge=0, le=256)
    chroma_range: float = Field(ge=0.05, le=1)
    eval_batch_size: int = Field(ge=1, le=65536)

    @property
    def up_blocks(self) -> int:
        """Number of U-Net blocks that double the resolution, 0..depth."""
        return self.depth - (self.output_stride // self.patch_size).bit_length() + 1

    @field_validator("batch_norm", "dropout")
    @classmethod
    def _has_a_hidden_layer(cls, value: str | float, info: ValidationInfo) -> str | float:
        is_single = (info.data.get("network"), info.data.get("conv_layers")) == ("plain", 1)
        if is_single and value == "hidden":
            raise ValueError("one convolution has no hidden layer; should be none or all")
        if is_single and info.field_name == "dropout" and value:
            raise ValueError("one convolution has no hidden layer; should be 0.0")
        if value == "all" and info.data.get("network") == "unet":
            raise ValueError("the U-Net has it in its blocks only; should be none or hidden")
        return value

    @field_validator("track_running_stats")
    @classmethod
    def _needs_batch_norm(cls, value: bool, info: ValidationInfo) -> bool:
        if not value and info.data.get("batch_norm") == "none":
            raise ValueError("there is no batch norm; should be true, or batch_norm hidden or all")
        return value

    @field_validator("depth", "patch_size", "output_stride", "coord_channels")
    @classmethod
    def _needs_unet(cls, value: int, info: ValidationInfo) -> int:
        neutral = {"depth": 0, "coord_channels": False}.get(str(info.field_name), 1)
        if value != neutral and info.data.get("network") == "plain":
            raise ValueError(
                f"network plain has none; should be {str(neutral).lower()}, or network be unet"
            )
        return value

    @field_validator("output_stride")
    @classmethod
    def _is_reached(cls, value: int, info: ValidationInfo) -> int:
        depth, patch_size = info.data.get("depth"), info.data.get("patch_size")
        if depth is None or patch_size is None:  # they are refused themselves
            return value
        strides = [patch_size * 2**level for level in range(depth + 1)]
        if value not in strides:
            raise ValueError(
                f"depth is {depth} and patch_size is {patch_size}; "
                f"should be {' or '.join(map(str, strides))}"
            )
        if value > 1 and info.data.get("color_space") == "rgb":
            raise ValueError(
                "color_space is rgb, which would lose detail; should be 1, or color_space be "
                "ycbcr or lab"
            )
        return value

    @field_validator("chroma_bins")
    @classmethod
    def _needs_ycbcr(cls, value: int, info: ValidationInfo) -> int:
        if value == 1:
            raise ValueError("should be 0, for no bins, or 2 or more")
        if value and info.data.get("color_space") != "ycbcr":
            raise ValueError("color_space should then be ycbcr, whose chroma the bins divide")
        if value and info.data.get("tanh"):
            raise ValueError("tanh should then be false, since the outputs are logits")
        return value

    @field_validator("chroma_range")
    @classmethod
    def _needs_bins(cls, value: float, info: ValidationInfo) -> float:
        if value != 1 and info.data.get("chroma_bins") == 0:
            raise ValueError("there are no chroma bins; should be 1.0, or chroma_bins 2 or more")
        return value
