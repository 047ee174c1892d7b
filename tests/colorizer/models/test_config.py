import pytest

from colorizer.models.config import ModelParams
from tests.colorizer.models.conftest import BASELINE, UNET


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="should be odd"):
        ModelParams(**BASELINE | {"kernel_size": 4})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 1}, "network plain has none; should be 0"),
        ({"coord_channels": True}, "network plain has none; should be false"),
        ({"track_running_stats": False}, "there is no batch norm; should be true"),
        ({"conv_layers": 1, "batch_norm": "hidden"}, "has no hidden layer; should be none or all"),
        ({"conv_layers": 1, "dropout": 0.1}, r"has no hidden layer; should be 0\.0"),
        (UNET | {"batch_norm": "all"}, "in its blocks only; should be none or hidden"),
        ({"patch_size": 2}, "network plain has none; should be 1"),
        ({"output_stride": 2}, "network plain has none; should be 1"),
        (UNET | {"output_stride": 3}, "depth is 2 and patch_size is 1; should be 1 or 2 or 4"),
        (UNET | {"output_stride": 8}, "should be 1 or 2 or 4"),
        (UNET | {"patch_size": 4}, "patch_size is 4; should be 4 or 8 or 16"),
        (UNET | {"color_space": "rgb", "output_stride": 2, "patch_size": 2}, "color_space is rgb"),
        (UNET | {"color_space": "rgb"}, "color_space is rgb"),
        (UNET | {"chroma_bins": 1}, "should be 0, for no bins, or 2 or more"),
        (UNET | {"chroma_bins": 9, "color_space": "lab"}, "color_space should then be ycbcr"),
        (UNET | {"chroma_bins": 9, "tanh": True}, "tanh should then be false"),
        (UNET | {"chroma_range": 0.5}, r"there are no chroma bins; should be 1\.0"),
    ],
)
def test_inconsistent_combinations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ModelParams(**BASELINE | changes)
