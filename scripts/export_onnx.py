"""Export a trained network as ONNX, for programs without PyTorch.

Input `gray` (N, 1, H, W), output `rgb` (N, 3, H, W), both float32 on [-1, 1], for any N, H and W.
The metadata of the file hold the configuration of the network and the size of the images that it
was trained on.
"""

import argparse
import copy
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from colorizer.errors import one_line_errors
from colorizer.files import atomic_write
from colorizer.models.colorizer import Colorizer
from colorizer.models.layers import SameConv2d
from colorizer.models.model_file import (
    CONFIGURATION,
    IMAGE_SIZE,
    MARGIN,
    load_model,
)

EXAMPLE_SHAPE = (2, 1, 80, 96)  # sizes that differ, so that the exporter confuses none


def with_torch_layers(network: Colorizer) -> Colorizer:
    """A copy with the convolutions of torch.nn, which compute the same and can be exported."""
    network = copy.deepcopy(network).eval()
    for module in [*network.modules()]:
        for name, child in module.named_children():
            if isinstance(child, SameConv2d):
                size = child.kernel_size[0]
                layer = nn.Conv2d(child.in_channels, child.out_channels, size, padding=size // 2)
                layer.load_state_dict(child.state_dict())
                setattr(module, name, layer)
    return network


class FromGray(nn.Module):
    """A network from gray to rgb, for color spaces in which a Colorizer sees something else."""

    def __init__(self, network: Colorizer) -> None:
        """Take a network in evaluation mode."""
        super().__init__()
        self.network = network

    def forward(self, gray: Tensor) -> Tensor:
        """Gray (N, 1, H, W) to rgb (N, 3, H, W)."""
        rgb: Tensor = self.network(self.network.lightness(gray))
        return rgb


def export(network: Colorizer, image_size: tuple[int, int], path: Path) -> None:
    """Write a network and the size of the images that it was trained on as ONNX."""
    any_size = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside PyTorch
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # and optional packages
        program = torch.onnx.export(
            FromGray(with_torch_layers(network)),
            (torch.zeros(EXAMPLE_SHAPE),),
            dynamo=True,
            input_names=["gray"],
            output_names=["rgb"],
            dynamic_shapes=({0: any_size, 2: any_size, 3: any_size},),
            verbose=False,
        )
    assert program is not None  # it is None only when the exporter writes the file itself
    program.model.metadata_props[CONFIGURATION] = network.params.model_dump_json()
    program.model.metadata_props[MARGIN] = str(network.margin)
    program.model.metadata_props[IMAGE_SIZE] = str([*image_size])
    with atomic_write(path) as (partial,):
        program.save(partial)


def main() -> None:
    """Export a model file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model file")
    parser.add_argument("onnx", type=Path, help="ONNX file to write")
    args = parser.parse_args()
    model = load_model(args.model)
    export(model.network, model.image_size, args.onnx)
    print(f"{args.onnx}: {args.onnx.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    with one_line_errors():
        main()
