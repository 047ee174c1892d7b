import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from skimage.color import rgb2lab

from colorizer.data.color import luma, rgb_to_lab
from tests.conftest import REPOSITORY

IMAGES = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


@pytest.fixture(scope="module")
def many_colors() -> np.ndarray:
    """Every 5th value of each channel, 52^3 colors, as an image."""
    values = np.arange(0, 256, 5, dtype=np.uint8)
    return np.stack(np.meshgrid(values, values, values), axis=-1).reshape(52, -1, 3)


def test_luma_equals_pillow_for_every_color():
    colors = np.arange(2**24, dtype="<u4").view(np.uint8).reshape(4096, 4096, 4)[..., :3]
    rgb = np.ascontiguousarray(colors)
    np.testing.assert_array_equal(luma(rgb), Image.fromarray(rgb).convert("L"))


@given(IMAGES)
def test_luma_is_within_one_level_of_the_formula_in_bt601(rgb):
    np.testing.assert_allclose(luma(rgb), rgb @ [0.299, 0.587, 0.114], atol=0.51)


def test_luma_of_gray_is_gray():
    gray = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(luma(np.stack([gray] * 3, axis=-1)), gray)


def test_lab_equals_scikit_image(many_colors):
    lab = rgb_to_lab(many_colors)
    assert lab.dtype == np.float32
    np.testing.assert_allclose(lab, rgb2lab(many_colors), atol=2e-3)


@given(IMAGES)
def test_lab_of_a_batch_equals_scikit_image(rgb):
    np.testing.assert_allclose(rgb_to_lab(rgb[None]), rgb2lab(rgb[None]), atol=2e-3)


def test_lab_of_white_and_black():
    lab = rgb_to_lab(np.array([[255, 255, 255], [0, 0, 0]], np.uint8))
    np.testing.assert_allclose(lab, [[100, 0, 0], [0, 0, 0]], atol=0.01)


def test_lab_has_the_same_bits_with_every_cpu_feature_set_of_numpy():
    code = (
        "import hashlib, numpy as np; from colorizer.data.color import rgb_to_lab;"
        "rgb = np.random.default_rng(0).integers(0, 256, (2000000, 3), dtype=np.uint8);"
        "print(hashlib.md5(rgb_to_lab(rgb).astype(np.float16)).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=REPOSITORY,
            env={**os.environ, **features},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for features in ({}, {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"})
    }
    assert len(digests) == 1
