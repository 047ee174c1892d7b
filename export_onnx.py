"""Write a trained network as ONNX, for programs without PyTorch.

Input `gray` (n, 1, H, W), output `rgb` (n, 3, H, W), both float32 on [-1, 1], any n, H and W. The
file's metadata say which network it is and what size of pictures it learnt from.
"""

import argparse
import copy
import logging
import warnings
from pathlib import Path

import torch
from torch import nn

from colorizer.errors import one_line_errors
from colorizer.files import replacing
from colorizer.layers import Conv2d
from colorizer.network import LEARNT_SIZE, MODEL, Colorizer, load_network, read_learnt_size

EXAMPLE = (2, 1, 80, 96)  # whose sizes differ, so that none is taken for another


def with_layers_of_pytorch(network: Colorizer) -> Colorizer:
    """A copy that computes the same with torch.nn's convolutions, which can be exported."""
    network = copy.deepcopy(network).eval()
    for module in [*network.modules()]:
        for name, child in module.named_children():
            if isinstance(child, Conv2d):
                side = child.kernel_size[0]
                layer = nn.Conv2d(child.in_channels, child.out_channels, side, padding=side // 2)
                layer.load_state_dict(child.state_dict())
                setattr(module, name, layer)
    return network


def export(network: Colorizer, learnt_size: tuple[int, int], path: Path) -> None:
    """Write a network as ONNX."""
    any_size = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what PyTorch uses and will not
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # nor of what is not installed
        program = torch.onnx.export(
            with_layers_of_pytorch(network),
            (torch.zeros(EXAMPLE),),
            dynamo=True,
            input_names=["gray"],
            output_names=["rgb"],
            dynamic_shapes=({0: any_size, 2: any_size, 3: any_size},),
            verbose=False,
        )
    assert program is not None  # which it is only where it writes the file itself
    program.model.metadata_props[MODEL] = network.params.model_dump_json()
    program.model.metadata_props[LEARNT_SIZE] = str([*learnt_size])
    with replacing(path) as (partial,):
        program.save(partial)


def main() -> None:
    """Export a model file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model file")
    parser.add_argument("onnx", type=Path, help="ONNX file to write")
    given = parser.parse_args()
    export(load_network(given.model), read_learnt_size(given.model), given.onnx)
    print(f"{given.onnx}: {given.onnx.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    with one_line_errors():
        main()
