from pathlib import Path

import pytest
from PIL import Image

from tests.stages.conftest import FIGURES, PATHS

NAMES = {
    "training_mse",
    "validation_mse",
    "both_mse",
    "margin_error",
    "margin_curve",
    "examples_1",
    "examples_2",
    "errors_1",
    "errors_2",
    "test",
}


@pytest.fixture
def draw(run):
    def run_all() -> dict[str, bytes]:
        for stage in PATHS:
            run(stage)
        return {path.stem: path.read_bytes() for path in Path(FIGURES).iterdir()}

    return run_all


def test_draws_the_report_s_figures_the_same_way_each_time(draw, run):
    first = draw()
    assert set(first) == NAMES
    for name in first:
        with Image.open(Path(FIGURES, f"{name}.png")) as image:
            assert min(image.size) > 100
    run("plot")
    assert {path.stem: path.read_bytes() for path in Path(FIGURES).iterdir()} == first


def test_the_user_s_own_settings_do_not_show(draw, run):
    import matplotlib

    first = draw()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        run("plot")
    assert {path.stem: path.read_bytes() for path in Path(FIGURES).iterdir()} == first


def test_a_diverged_run_can_be_drawn(draw, params):
    params["train"] |= {"learning_rate": 1e6, "epochs": 9}
    assert set(draw()) == NAMES


def test_few_photographs_are_enough(draw, params):
    params["plot"]["pictures"] = 20
    assert set(draw()) == NAMES
