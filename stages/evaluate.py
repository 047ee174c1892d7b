"""Measure the trained network and the baselines on the validation split."""

from pathlib import Path

import numpy as np

from colorizer.data.splits import PREPARED, create_array, open_split
from colorizer.device import available_device, configure_torch
from colorizer.errors import one_line_errors
from colorizer.files import atomic_write, write_csv, write_metrics
from colorizer.inference.evaluation import evaluate
from colorizer.models.model_file import MODEL_FILE, load_model
from colorizer.params import load_params

PREDICTIONS = Path("data/predictions/estimations_val.npy")


def main() -> None:
    """Measure the network."""
    params = load_params()
    training, validation = open_split(PREPARED / "train"), open_split(PREPARED / "val")
    configure_torch(params.evaluate.threads)
    network = load_model(MODEL_FILE).network.to(available_device())
    margin = params.metric.margin

    with atomic_write(PREDICTIONS) as (partial,):
        predictions = create_array(partial, np.uint8, validation.rgb.shape)
        metrics, margin_curve = evaluate(
            network, training, validation, margin, params.evaluate, predictions
        )
    write_metrics(Path("metrics/evaluate.json"), metrics)
    write_csv(Path("plots/margin_curve.csv"), margin_curve)
    gain = metrics["gain_over_table"]
    print(
        f"validation {margin}-margin error {metrics['margin_error']:.4f}, "
        f"{abs(gain):.4f} {'better' if gain > 0 else 'worse'} than a lookup table"
    )


if __name__ == "__main__":
    with one_line_errors():
        main()
