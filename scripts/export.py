"""Export a trained network: as ONNX, or as a model file in half precision, of half the size.

ONNX is for programs without PyTorch: input `gray` (N, 1, H, W), output `rgb` (N, 3, H, W), both
float32 on [-1, 1], for any N, H and W. The metadata of the file hold the configuration of the
network, its margin and the size of the images that it was trained on.
"""

import argparse
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from colorizer.errors import InputError, one_line_errors
from colorizer.files import atomic_write
from colorizer.models.colorizer import Colorizer
from colorizer.models.layers import BatchNorm2d, SameConv2d
from colorizer.models.model_file import TrainedModel, load_model, save_model


class FromGray(Colorizer):
    """A network from gray to rgb: a Colorizer for lab sees L* instead."""

    def forward(self, gray: Tensor) -> Tensor:
        """Gray (N, 1, H, W) to rgb (N, 3, H, W)."""
        return super().forward(self.lightness(gray))


# Classes that compute the same for the exporter, which cannot follow those of this project.
EXPORTED = {Colorizer: FromGray, SameConv2d: nn.Conv2d, BatchNorm2d: nn.BatchNorm2d}


def main() -> None:
    """Export a model file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model file")
    parser.add_argument("out", type=Path, help="file to write: .onnx or .safetensors")
    args = parser.parse_args()
    model = load_model(args.model)
    with atomic_write(args.out) as (partial,):
        if args.out.suffix == ".onnx":
            export_onnx(partial, model)
        elif args.out.suffix == ".safetensors":
            model.network.half()
            save_model(partial, model)
        else:
            raise InputError(f"{args.out}: should end with .onnx or .safetensors")
    print(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB")


def export_onnx(path: Path, model: TrainedModel) -> None:
    """Write a network as ONNX."""
    network = model.network.eval()
    for module in network.modules():
        module.__class__ = EXPORTED.get(type(module), type(module))
    warnings.simplefilter("ignore")  # deprecations inside PyTorch
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # missing optional packages
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 1, 80, 96),),  # sizes that differ, so that the exporter confuses none
        input_names=["gray"],
        output_names=["rgb"],
        dynamic_shapes=[dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)],
        verbose=False,
    )
    assert program is not None  # it is None only when the exporter writes the file itself
    program.model.metadata_props["model"] = network.params.model_dump_json()
    program.model.metadata_props["margin"] = str(network.margin)
    program.model.metadata_props["image_size"] = str([*model.image_size])
    program.save(path)


if __name__ == "__main__":
    with one_line_errors():
        main()
