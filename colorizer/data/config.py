"""Sections `data` and `prepare` of params.yaml, apart from the decoders, which import slowly."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from colorizer.params import Section


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError("should be the name of a folder: letters, digits, '_', '-' and '.'")
    return name


class DataParams(Section):
    """Section `data` of params.yaml."""

    name: Annotated[str, AfterValidator(_folder_name)]


class PrepareParams(Section):
    """Section `prepare` of params.yaml."""

    image_size: int = Field(ge=16, le=1024)
    train_fraction: float = Field(ge=0.001, le=1)
    bad_photos: Literal["fail", "skip"]
