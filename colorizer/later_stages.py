"""Sections of params.yaml of the stages after training, here so that train can check them first."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from colorizer.params import Section, read_section


class EvaluateParams(Section):
    """Section `evaluate` of params.yaml."""

    threads: int = Field(ge=1, le=1024)
    flip_tta: bool
    largest_margin: int = Field(ge=0, le=255)  # levels


class PredictTestParams(Section):
    """Section `predict_test` of params.yaml."""

    seed: int = Field(ge=0)
    threads: int = Field(ge=1, le=1024)
    flip_tta: bool
    count: Annotated[int, Field(ge=1)] | Literal["all"]


class PlotParams(Section):
    """Section `plot` of params.yaml."""

    seed: int = Field(ge=0)
    pictures: int = Field(ge=1, le=20)
    dpi: int = Field(ge=50, le=600)


def check_later_sections(file: Path) -> None:
    """Raise InputError for a wrong key or value in one of these sections.

    No result of training depends on them: train checks them without declaring them in dvc.yaml, so
    that DVC does not train again when they change.
    """
    read_section(file, "evaluate", EvaluateParams)
    read_section(file, "predict_test", PredictTestParams)
    read_section(file, "plot", PlotParams)
