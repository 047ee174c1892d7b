"""Small networks."""

from torch import nn

from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from tests.conftest import small_params

MARGIN = 12
BASELINE = small_params()["model"] | {"kernels": 8}
UNET = {
    "network": "unet",
    "color_space": "ycbcr",
    "conv_layers": 2,
    "kernels": 4,
    "batch_norm": "hidden",
    "depth": 2,
    "patch_size": 1,
    "output_stride": 2,
    "coord_channels": True,
}


def build(**changes: object) -> Colorizer:
    """The baseline with changes to its configuration."""
    return Colorizer(ModelParams(**(BASELINE | changes)), MARGIN)


def count_weights(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())
