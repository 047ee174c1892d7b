"""Colorize test photographs with the trained network, as the course asks for."""

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from colorizer.data.splits import PREPARED, create_array, open_split
from colorizer.device import available_device, configure_torch
from colorizer.errors import one_line_errors
from colorizer.files import atomic_write, write_text
from colorizer.models.colorizer import predict_rows, to_uint8
from colorizer.models.model_file import MODEL_FILE, load_model
from colorizer.params import PredictTestParams, load_params

PREDICTIONS = Path("data/predictions/estimations_test.npy")
NAMES = Path("data/predictions/test_images.txt")


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
    params = load_params().predict_test
    test = open_split(PREPARED / "test")
    chosen = choose_photos(len(test), params)
    configure_torch(params.threads)
    network = load_model(MODEL_FILE).network.to(available_device())

    with atomic_write(PREDICTIONS) as (partial,):
        shape = (len(chosen), *test.rgb.shape[1:])
        predictions = create_array(partial, np.uint8, shape)
        gray, rows = torch.from_numpy(test.gray), torch.from_numpy(chosen)
        with tqdm(total=len(chosen), desc="predict_test", unit="photo") as progress:
            for batch, prediction in predict_rows(network, gray, rows, params.flip_tta):
                predictions[progress.n : progress.n + len(batch)] = to_uint8(prediction)
                progress.update(len(batch))
    write_text(NAMES, "".join(f"{test.names[index]}\n" for index in chosen))
    print(f"colorized {len(chosen)} of {len(test)} test photographs: {PREDICTIONS}")


if __name__ == "__main__":
    with one_line_errors():
        main()
