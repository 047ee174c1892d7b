import os
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis.extra.numpy import arrays

from colorizer.data.color import luma, rgb_to_lab
from tests.conftest import REPOSITORY

IMAGES = arrays(np.uint8, (2, 3, 4, 3))


@given(IMAGES)
def test_luma_is_the_rounded_formula_of_bt601(rgb):
    # Pillow's weights are multiples of 2**-16, which can round a half to the other side.
    np.testing.assert_allclose(luma(rgb), rgb @ [0.299, 0.587, 0.114], rtol=0, atol=0.51)


def test_lab_equals_published_values():
    """Of red, green, blue and white, by Bruce Lindbloom's CIE color calculator."""
    rgb = np.uint8([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]])
    red, green, blue = (53.24, 80.09, 67.20), (87.73, -86.18, 83.18), (32.30, 79.20, -107.86)
    np.testing.assert_allclose(
        rgb_to_lab(rgb), [red, green, blue, (100, 0, 0), (0, 0, 0)], rtol=0, atol=0.03
    )


def test_lab_has_the_same_bits_with_other_instructions_of_the_processor():
    code = (
        "import hashlib, numpy as np; from colorizer.data.color import rgb_to_lab;"
        "rgb = np.random.default_rng(0).integers(0, 256, (200000, 3), dtype=np.uint8);"
        "print(hashlib.md5(rgb_to_lab(rgb)).hexdigest())"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    digests = set()
    for features in ("", "X86_V4 AVX512_ICL AVX512_SPR"):
        environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": features}
        digests.add(subprocess.check_output(command, cwd=REPOSITORY, env=environment))
    assert len(digests) == 1
