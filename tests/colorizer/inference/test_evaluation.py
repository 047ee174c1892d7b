import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from colorizer.inference.evaluation import evaluate
from colorizer.models.colorizer import Colorizer
from colorizer.params import EvaluateParams, ModelParams
from tests.conftest import draw_photos, small_params

MARGIN = 12
torch.manual_seed(0)
NETWORK = Colorizer(ModelParams(**small_params()["model"]), MARGIN)


@pytest.mark.parametrize("flip_tta", [False, True])
def test_errors_by_numpy_and_scikit_image(make_split, flip_tta):
    split = make_split(draw_photos(5, seed=1))  # batches of 4 and 1
    images = np.empty_like(split.rgb)
    params = EvaluateParams(threads=1, flip_tta=flip_tta, largest_margin=15)
    metrics, curve = evaluate(NETWORK, split, split, MARGIN, params, images)
    prediction = NETWORK.eval().predict(torch.from_numpy(split.gray), flip_tta).numpy()
    np.testing.assert_array_equal(images, np.rint(prediction).clip(0, 255))
    distance = np.abs(prediction.astype(np.float64) - split.rgb)
    assert metrics["margin_error"] == pytest.approx((distance >= MARGIN).mean(), abs=1e-6)
    assert metrics["mse"] == pytest.approx((distance**2).mean() / 127.5**2, rel=1e-5)
    assert metrics["mae"] == pytest.approx(distance.mean(), rel=1e-5)
    wrong = np.abs(images.astype(int) - split.rgb) >= MARGIN
    assert metrics["accuracy"] == pytest.approx(1 - wrong.mean())
    assert metrics["psnr"] == pytest.approx(peak_signal_noise_ratio(split.rgb, images))
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    ssim = [
        structural_similarity(*pair, channel_axis=-1, data_range=255, **wang)
        for pair in zip(images, split.rgb, strict=True)
    ]
    assert metrics["ssim"] == pytest.approx(np.mean(ssim))
    shares = [(distance >= margin).mean() for margin in range(16)]
    assert curve["network"].tolist() == pytest.approx(shares, abs=1e-6)


def test_baselines_are_measured_beside_the_network(make_split):
    """Color follows from gray here, so that a table has no errors on photographs it has seen."""
    rgb = draw_photos(4, seed=1)
    split = make_split(rgb)
    black = make_split(np.zeros_like(rgb), "black")  # a table copies gray that it has not seen
    params = EvaluateParams(threads=1, flip_tta=False, largest_margin=3)
    distance = np.abs(split.gray[..., None].astype(int) - rgb)
    gray = (distance >= MARGIN).mean()
    for training, is_exact in ((split, True), (black, False)):
        metrics, curve = evaluate(NETWORK, training, split, MARGIN, params, rgb.copy())
        table = 0 if is_exact else gray
        expected = {"gray": gray, "table_median": table, "table_mode": table}
        assert {name: metrics[name]["margin_error"] for name in expected} == expected
        assert metrics["gain_over_table"] == pytest.approx(table - metrics["margin_error"])
        assert list(curve) == ["margin", "network", *expected]
        assert curve["gray"].tolist() == [(distance >= margin).mean() for margin in range(4)]
