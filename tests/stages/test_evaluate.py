from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from colorizer.data.splits import open_split
from colorizer.errors import InputError
from colorizer.inference.prediction import predict
from colorizer.metrics.baselines import gray_table, histogram_by_gray, median_table, mode_table
from colorizer.models.model_file import load_network
from tests.stages.conftest import (
    COLORED_VAL,
    CURVE,
    EVALUATION,
    METRICS,
    MODEL,
    TRAIN,
    VAL,
    metrics,
    series,
)


@pytest.fixture
def evaluate(run):
    def train_and_evaluate() -> dict:
        run("train")
        run("evaluate")
        return metrics(EVALUATION)

    return train_and_evaluate


def test_the_metrics_follow_from_the_saved_network(evaluate):
    measured = evaluate()
    split = open_split(Path(VAL))
    (output,) = predict(load_network(Path(MODEL)), [torch.from_numpy(split.gray)], flip_tta=False)
    prediction = output.numpy()
    distance = np.abs(prediction.astype(np.float64) - split.rgb)
    assert measured["margin_error"] == pytest.approx((distance >= 12).mean(), abs=1e-6)
    assert measured["mse"] == pytest.approx((distance**2).mean() / 127.5**2, abs=1e-6)
    assert measured["mae"] == pytest.approx(distance.mean(), rel=1e-5)

    images = np.load(COLORED_VAL)
    np.testing.assert_array_equal(images, np.rint(prediction).clip(0, 255))
    off = np.abs(images.astype(np.int64) - split.rgb.astype(np.int64)) >= 12
    assert measured["accuracy"] == pytest.approx(1 - off.mean(), abs=1e-6)
    psnr = peak_signal_noise_ratio(split.rgb, images, data_range=255)
    assert measured["psnr"] == pytest.approx(psnr, abs=1e-6)
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    ssim = [
        structural_similarity(*pair, channel_axis=-1, data_range=255, **wang)
        for pair in zip(images, split.rgb, strict=True)
    ]
    assert measured["ssim"] == pytest.approx(np.mean(ssim), abs=1e-6)


def test_the_margin_error_is_the_one_that_training_reported(evaluate):
    assert evaluate()["margin_error"] == metrics(METRICS)["val_margin_error"]


def test_flip_tta_is_measured(evaluate, params):
    params["evaluate"]["flip_tta"] = True
    measured = evaluate()
    split = open_split(Path(VAL))
    (output,) = predict(load_network(Path(MODEL)), [torch.from_numpy(split.gray)], flip_tta=True)
    off = np.abs(output.numpy().astype(np.float64) - split.rgb) >= 12
    assert measured["margin_error"] == pytest.approx(off.mean(), abs=1e-6)
    assert measured["margin_error"] != metrics(METRICS)["val_margin_error"]


def test_baselines_are_measured_beside_the_network(evaluate, capsys):
    measured = evaluate()
    val = open_split(Path(VAL))
    histogram = histogram_by_gray(open_split(Path(TRAIN)))
    tables = {
        "gray": gray_table(),
        "table_median": median_table(histogram),
        "table_mode": mode_table(histogram, 12),
    }
    for method, table in tables.items():
        off = np.abs(table[val.gray] - val.rgb) >= 12
        assert measured[method]["margin_error"] == pytest.approx(off.mean(), abs=1e-6)
    best = min(measured[table]["margin_error"] for table in ("table_median", "table_mode"))
    gain = best - measured["margin_error"]
    assert measured["gain_over_table"] == pytest.approx(gain, abs=2e-6)
    # Gray determines color in these images, so a table is hard to beat in three epochs.
    assert gain < 0
    assert "does NOT beat the better table" in capsys.readouterr().out


def test_the_margin_curve_agrees_with_the_metrics(evaluate):
    measured, curve = evaluate(), series(CURVE)
    assert [row["margin"] for row in curve] == list(range(41))
    assert curve[12]["network"] == pytest.approx(measured["margin_error"], rel=1e-5)
    for method in ("gray", "table_median", "table_mode"):
        assert curve[12][method] == pytest.approx(measured[method]["margin_error"], abs=1e-6)
    assert all(curve[0][method] == 1 for method in ("network", "gray", "table_median"))


def test_the_margin_curve_may_end_before_the_margin(evaluate, params):
    params["evaluate"]["largest_margin"] = 3
    measured = evaluate()
    assert len(series(CURVE)) == 4
    assert measured["margin_error"] == metrics(METRICS)["val_margin_error"]


def test_a_diverged_network_gets_the_largest_errors(evaluate, params):
    params["train"]["learning_rate"] = 1e6
    params["train"]["epochs"] = 9
    measured = evaluate()
    assert metrics(METRICS)["diverged"] == 1
    assert (measured["margin_error"], measured["mse"], measured["mae"]) == (1, 4, 255)
    assert not np.load(COLORED_VAL).any()


def test_a_broken_model_is_named_and_nothing_is_written(run):
    run("train")
    Path(MODEL).write_bytes(b"no model")
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read as a model"):
        run("evaluate")
    assert not Path(EVALUATION).exists()
    assert not Path(COLORED_VAL).exists()
