"""Colorize test photographs with the trained network, as the course asks for."""

import colorizer.openmp  # noqa: F401 before PyTorch

import argparse
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from colorizer.data.arrays import array_writer
from colorizer.data.splits import open_split
from colorizer.device import available_device, configure_torch
from colorizer.errors import one_line_errors
from colorizer.files import atomic_write, write_text
from colorizer.inference.prediction import predict, to_uint8
from colorizer.later_stages import PredictTestParams
from colorizer.models.model_file import load_network
from colorizer.params import PARAMS_FILE, read_section


def choose_photos(total: int, params: PredictTestParams) -> np.ndarray:
    """Draw which of `total` photographs to colorize: indices in ascending order.

    All of them when there are no more than `params.count`.
    """
    if params.count == "all" or params.count >= total:
        return np.arange(total)
    drawn = np.random.default_rng(params.seed).choice(total, params.count, replace=False)
    return np.sort(drawn)


def main() -> None:
    """Colorize the chosen photographs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("test", type=Path, help="prepared test split")
    parser.add_argument("model", type=Path, help="model file")
    parser.add_argument("predictions", type=Path, help=".npy file to write, uint8 (count, H, W, 3)")
    parser.add_argument("names", type=Path, help="text file to write, their names in that order")
    paths = parser.parse_args()
    params = read_section(PARAMS_FILE, "predict_test", PredictTestParams)
    test = open_split(paths.test)
    chosen = choose_photos(len(test), params)
    configure_torch(params.threads)
    network = load_network(paths.model).to(available_device())

    with (
        atomic_write(paths.predictions) as (partial,),
        array_writer(partial, np.uint8, test.rgb.shape[1:]) as predictions,
        tqdm(total=len(chosen), desc="predict_test", unit="photo") as progress,
    ):
        gray = torch.from_numpy(test.gray)
        batches = torch.from_numpy(chosen).split(network.params.eval_batch_size)
        for prediction in predict(network, (gray[rows] for rows in batches), params.flip_tta):
            predictions.append(to_uint8(prediction))
            progress.update(len(prediction))
    write_text(paths.names, "".join(f"{test.names[index]}\n" for index in chosen))
    print(f"colorized {len(chosen)} of {len(test)} test photographs: {paths.predictions}")
    if params.count != "all" and params.count > len(test):
        print(f"predict_test.count is {params.count}, but there are only {len(test)}")


if __name__ == "__main__":
    with one_line_errors():
        main()
