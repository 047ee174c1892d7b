import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from colorizer.metrics.picture_metrics import PictureTotals, ssim


def score(images: np.ndarray, targets: np.ndarray) -> PictureTotals:
    totals = PictureTotals(12)
    totals.add(images, targets)
    return totals


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 16, 20, 3), dtype=np.uint8)


def test_accuracy_by_hand():
    target = np.full((1, 16, 16, 3), 100, np.uint8)
    image = target.copy()
    image[0, :4] += 11  # within the margin
    image[0, 4:8] -= 12  # outside
    assert score(image, target).accuracy == 0.75


def test_differences_do_not_wrap_around():
    black, white = np.zeros((1, 16, 16, 3), np.uint8), np.full((1, 16, 16, 3), 250, np.uint8)
    assert score(black, white).accuracy == 0
    assert score(white, black).accuracy == 0


def test_psnr_equals_scikit_image_on_all_images_together(images):
    target = images[::-1]
    expected = peak_signal_noise_ratio(target, images, data_range=255)
    assert score(images, target).psnr == pytest.approx(expected)
    assert expected == pytest.approx(10 * np.log10(255**2 / mean_squared_error(images, target)))


def test_exact_images_have_finite_scores(images):
    scores = score(images, images)
    assert scores.accuracy == 1
    assert scores.ssim == pytest.approx(1)
    assert scores.psnr == pytest.approx(10 * np.log10(255**2 * images.size))


def test_ssim_equals_the_published_formula_on_uniform_images():
    # Without contrast the structure term is 1, and what remains is the luminance term.
    bright, dark = np.full((1, 16, 16, 3), 200, np.uint8), np.full((1, 16, 16, 3), 100, np.uint8)
    constant = (0.01 * 255) ** 2
    expected = (2 * 200 * 100 + constant) / (200**2 + 100**2 + constant)
    assert score(bright, dark).ssim == pytest.approx(expected)


@given(
    st.tuples(st.integers(11, 24), st.integers(11, 40)).flatmap(
        lambda size: arrays(np.uint8, (2, *size, 3))
    )
)
def test_ssim_equals_scikit_image(pair):
    expected = structural_similarity(
        *pair,
        data_range=255,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(*pair) == pytest.approx(expected, rel=0, abs=1e-11)


def test_scores_do_not_depend_on_batches(images):
    target = images[::-1]
    whole, parts = score(images, target), score(images[:2], target[:2])
    parts.add(images[2:], target[2:])
    for name in ("accuracy", "psnr", "ssim"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name))
