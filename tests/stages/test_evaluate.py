from pathlib import Path

import numpy as np
import pytest

from colorizer.data.splits import open_split
from tests.stages.conftest import metrics, series


@pytest.mark.usefixtures("built")
def test_the_files_have_what_was_measured(run_stage, params, capsys):
    before = metrics("metrics/evaluate.json")
    params["evaluate"] |= {"flip_tta": True, "largest_margin": 20}
    run_stage("evaluate")
    measured, curve = metrics("metrics/evaluate.json"), series("plots/margin_curve.csv")
    scores = ["margin_error", "accuracy", "mse", "mae", "psnr", "ssim", "gain_over_table"]
    assert [*measured] == [*scores, "gray", "table_median", "table_mode"]
    assert measured["mse"] != before["mse"]
    assert [*curve[12]] == ["margin", "network", "gray", "table_median", "table_mode"]
    assert [row["margin"] for row in curve] == list(range(21))
    assert curve[12]["network"] == measured["margin_error"]
    images = np.load("data/predictions/estimations_val.npy")
    off = np.abs(images.astype(int) - open_split(Path("data/prepared/val")).rgb)
    assert measured["accuracy"] == pytest.approx((off < 12).mean(), abs=1e-6)
    assert (
        f"{-measured['gain_over_table']:.4f} worse than a lookup table" in capsys.readouterr().out
    )
