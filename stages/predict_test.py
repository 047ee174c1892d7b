"""Color test photographs with the trained network: the course's deliverable."""

import argparse
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from tqdm import tqdm

from colorizer.errors import InputError, one_line_errors
from colorizer.files import replacing, write_text
from colorizer.network import available_device, load_network
from colorizer.params import PARAMS_FILE, Section, read_section
from colorizer.prediction import predict, to_pictures
from colorizer.splits import open_split


class PredictTestParams(Section):
    """Section `predict_test` of params.yaml."""

    seed: int = Field(ge=0)
    threads: int = Field(ge=1, le=1024)
    count: Annotated[int, Field(ge=1)] | Literal["all"]


def choose_photos(total: int, params: PredictTestParams) -> np.ndarray:
    """Draw which of `total` photographs to color; their indices, in rising order.

    Raises InputError when more are asked for than there are.
    """
    if params.count == "all":
        return np.arange(total)
    if params.count > total:
        raise InputError(
            f"{PARAMS_FILE}: predict_test.count is {params.count} but the test split has "
            f"{total} photographs; should be {total} or fewer, or all"
        )
    drawn = np.random.default_rng(params.seed).choice(total, params.count, replace=False)
    return np.sort(drawn)


def main() -> None:
    """Color the chosen photographs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("test", type=Path, help="prepared test split")
    parser.add_argument("model", type=Path, help="model file")
    parser.add_argument("pictures", type=Path, help=".npy file to write, uint8 (count, H, W, 3)")
    parser.add_argument("names", type=Path, help="text file to write, their names in that order")
    paths = parser.parse_args()
    params = read_section(PARAMS_FILE, "predict_test", PredictTestParams)
    test = open_split(paths.test)
    chosen = choose_photos(len(test), params)
    torch.set_num_threads(params.threads)
    network = load_network(paths.model).to(available_device())

    with replacing(paths.pictures) as (partial,):
        shape = (len(chosen), *test.rgb.shape[1:])
        pictures = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
        with tqdm(total=len(chosen), desc="predict_test", unit="photo") as progress:
            for rows, prediction in predict(network, test.gray[chosen]):
                pictures[rows] = to_pictures(prediction)
                progress.update(len(prediction))
        pictures.flush()
    write_text(paths.names, "".join(f"{test.names[index]}\n" for index in chosen))
    print(f"colored {len(chosen)} of {len(test)} test photographs: {paths.pictures}")


if __name__ == "__main__":
    with one_line_errors():
        main()
