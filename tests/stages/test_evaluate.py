from pathlib import Path

import numpy as np
import pytest
import torch

from colorizer.data.splits import open_split
from colorizer.models.model_file import load_model
from tests.stages.conftest import metrics, series

VAL = Path("data/prepared/val")


def share_of_errors(flip_tta: bool, margin: int) -> float:
    """Of what the saved network predicts for the validation split, all at once."""
    network, val = load_model(Path("models/colorizer.safetensors")).network.eval(), open_split(VAL)
    prediction = network.predict(torch.from_numpy(val.gray), flip_tta).double().numpy()
    return (np.abs(prediction - val.rgb) >= margin).mean()


@pytest.mark.usefixtures("built")
def test_the_files_have_what_was_measured(run_stage, capsys):
    run_stage("evaluate")
    measured, curve = metrics("metrics/evaluate.json"), series("plots/margin_curve.csv")
    scores = ["margin_error", "accuracy", "mse", "mae", "psnr", "ssim", "gain_over_table"]
    assert [*measured] == [*scores, "gray", "table_median", "table_mode"]
    assert [*curve[12]] == ["margin", "network", "gray", "table_median", "table_mode"]
    assert [row["margin"] for row in curve] == list(range(41))
    errors = [share_of_errors(flip_tta=False, margin=margin) for margin in range(41)]
    assert measured["margin_error"] == pytest.approx(errors[12], abs=1e-6)
    assert [row["network"] for row in curve] == pytest.approx(errors, abs=1e-6)
    images = np.load("data/predictions/estimations_val.npy")
    accuracy = (np.abs(images.astype(int) - open_split(VAL).rgb) < 12).mean()
    assert measured["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    worse = -measured["gain_over_table"]
    assert f"{worse:.4f} worse than a lookup table" in capsys.readouterr().out


@pytest.mark.usefixtures("built")
def test_flip_tta_and_the_end_of_the_curve_are_those_of_the_params(run_stage, params):
    params["evaluate"] |= {"flip_tta": True, "largest_margin": 3}
    run_stage("evaluate")
    error = share_of_errors(flip_tta=True, margin=12)
    assert metrics("metrics/evaluate.json")["margin_error"] == pytest.approx(error, abs=1e-6)
    assert len(series("plots/margin_curve.csv")) == 4
