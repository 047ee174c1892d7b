from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from colorizer.data.splits import open_split
from colorizer.metrics import gray_table, histogram_by_gray, median_table, mode_table
from colorizer.models.model_file import load_model
from tests.stages.conftest import metrics, series

VAL = Path("data/prepared/val")


def predicted(flip_tta: bool) -> np.ndarray:
    """What the network predicts for the validation split, all at once."""
    network = load_model(Path("models/colorizer.safetensors")).network.eval()
    return network.predict(torch.from_numpy(open_split(VAL).gray), flip_tta).numpy()


@pytest.mark.usefixtures("built")
def test_the_metrics_follow_from_the_saved_network():
    measured, target = metrics("metrics/evaluate.json"), open_split(VAL).rgb
    images = np.load("data/predictions/estimations_val.npy")
    np.testing.assert_array_equal(images, np.rint(predicted(flip_tta=False)).clip(0, 255))
    distance = np.abs(predicted(flip_tta=False).astype(np.float64) - target)
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    ssim = [
        structural_similarity(*pair, channel_axis=-1, data_range=255, **window)
        for pair in zip(images, target, strict=True)
    ]
    expected = {
        "margin_error": (distance >= 12).mean(),
        "accuracy": (np.abs(images.astype(int) - target) < 12).mean(),
        "mse": (distance**2).mean() / 127.5**2,
        "mae": distance.mean(),
        "psnr": peak_signal_noise_ratio(target, images, data_range=255),
        "ssim": np.mean(ssim),
    }
    assert [*measured][:6] == [*expected]
    assert {name: measured[name] for name in expected} == pytest.approx(expected, abs=2e-6)


@pytest.mark.usefixtures("built")
def test_baselines_and_the_margin_curve_are_those_of_the_tables(run_stage, capsys):
    run_stage("evaluate")
    measured, curve = metrics("metrics/evaluate.json"), series("plots/margin_curve.csv")
    assert [row["margin"] for row in curve] == list(range(41))
    val, histogram = open_split(VAL), histogram_by_gray(open_split(Path("data/prepared/train")))
    tables = gray_table(), median_table(histogram), mode_table(histogram, 12)
    for method, table in zip(("gray", "table_median", "table_mode"), tables, strict=True):
        distance = np.abs(table[val.gray] - val.rgb)
        assert measured[method] == {"margin_error": round((distance >= 12).mean(), 6)}
        expected = [(distance >= margin).mean() for margin in range(41)]
        assert [row[method] for row in curve] == pytest.approx(expected, abs=1e-6)
    assert curve[12]["network"] == pytest.approx(measured["margin_error"], abs=1e-6)
    best = min(measured[table]["margin_error"] for table in ("table_median", "table_mode"))
    gain = best - measured["margin_error"]
    assert measured["gain_over_table"] == pytest.approx(gain, abs=2e-6)
    assert f"{-gain:.4f} worse than a lookup table" in capsys.readouterr().out


@pytest.mark.usefixtures("built")
def test_flip_tta_and_the_end_of_the_curve_are_those_of_the_params(run_stage, params):
    params["evaluate"] |= {"flip_tta": True, "largest_margin": 3}
    run_stage("evaluate")
    off = np.abs(predicted(flip_tta=True).astype(np.float64) - open_split(VAL).rgb) >= 12
    assert metrics("metrics/evaluate.json")["margin_error"] == pytest.approx(off.mean(), abs=1e-6)
    assert len(series("plots/margin_curve.csv")) == 4
