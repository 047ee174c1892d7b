"""Small networks."""

import torch

from colorizer.models.colorizer import Colorizer
from colorizer.params import ModelParams
from tests.conftest import small_params

MARGIN = 12
BASELINE = small_params()["model"] | {"kernels": 8}
UNET = {
    "network": "unet",
    "color_space": "ycbcr",
    "batch_norm": "hidden",
    "depth": 2,
    "kernels": 4,
    "output_stride": 2,
    "coord_channels": True,
}


def build(**changes: object) -> Colorizer:
    """The baseline with changes to its configuration, always with the same weights."""
    torch.manual_seed(0)
    return Colorizer(ModelParams(**BASELINE | changes), MARGIN)
