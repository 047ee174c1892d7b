import math

import pytest

from experiments.reporting.comparisons import COLUMNS, KERNELS_8, QUESTIONS, Comparison, answers
from experiments.reporting.published import read_published
from tests.experiments.conftest import BASE, results_of, row, rows_of

TANH = Comparison("tanh", "seeds/tanh", KERNELS_8)


def cells(results, published=None) -> dict[str, str]:
    (answer,) = answers([TANH], results, published or {})
    return dict(zip(COLUMNS, answer.cells(), strict=True))


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ((0.21, 0.22, 0.23), "lower"),
        ((0.29, 0.28, 0.27), "higher"),
        ((0.29, 0.24, 0.29), "unclear"),
        ((0.29, 0.25, 0.29), "unclear"),  # one seed has no difference
        ((0.29, 0.29), "too few seeds"),
        ((0.8, 0.8, 0.8), "failed"),  # they learned nothing
    ],
)
def test_the_verdict_is_what_every_seed_says(runs, errors, verdict):
    assert cells(results_of(runs, *BASE, *rows_of("seeds/tanh", *errors)))["verdict"] == verdict


def test_a_comparison_shows_what_was_seen(runs):
    tanh = [row("seeds/tanh", seed, error) for seed, error in ((0, 0.27), (483, 0.24))]
    tanh += [row("seeds/tanh", 484, 0.28), row("seeds/tanh", 485, 1.0, diverged="1")]
    results = results_of(runs, row(KERNELS_8, 0, 0.25), *BASE, *tanh)
    published = {results.recipes["seeds/tanh"]: 0.3, results.recipes[KERNELS_8]: 0.26}
    assert cells(results, published) == {
        "change": "tanh (1 of 4 diverged)",
        "seeds": "3",
        "mean difference": "+0.0133",
        "lowest": "-0.0100",
        "highest": "+0.0300",
        "lower with": "1 of 3",
        # Of the 8 signs of 2, -1, 3, whose sum is 4, half have a sum of 4 or more, or -4 or less.
        "p": "0.500",
        "seed 0": "+0.0200",
        "the report": "+0.0400",
        "verdict": "unclear",
    }
    assert cells(results, {results.recipes[KERNELS_8]: 0.26})["the report"] == ""
    undefined = {results.recipes["seeds/tanh"]: math.nan, results.recipes[KERNELS_8]: 0.26}
    assert cells(results, undefined)["the report"] == ""


def test_a_comparison_without_rows_of_both_is_left_out(runs):
    assert answers([TANH], results_of(runs, *BASE), {}) == []
    assert answers([TANH], results_of(runs), {}) == []


def test_questions_and_published_errors_are_of_networks_that_exist(runs):
    networks = {f"{run.sweep}/{run.point}" for run in runs}
    asked = {name for each in QUESTIONS.values() for one in each for name in one[1:]}
    assert asked <= networks
    published = read_published().set_index("network")
    assert {*published.index} == {name for name in networks if name.startswith("report/")}
    assert published.loc["report/batch_norm", "margin_error"] == 0.3450
    assert math.isnan(published.loc["report/rate10", "margin_error"])


def test_networks_of_the_report_have_its_seed_and_its_recipe(runs):
    changes = {run.point: (run.seed, run.changes) for run in runs if run.sweep == "report"}
    assert {seed for seed, _ in changes.values()} == {0}
    own = {"train.threads", "evaluate.threads", "data.name", "train.seed"}
    norm = {"model.batch_norm": "all", "model.track_running_stats": False}
    expected = {
        "conv4_kernels4_l2": {
            "model.conv_layers": 4,
            "model.kernels": 4,
            "train.weight_decay": 0.0001,
        },
        "batch_norm_l2": norm | {"train.weight_decay": 0.01},
        "conv2_kernels8": {"model.kernels": 8},
    }
    for point, values in expected.items():
        _, changed = changes[point]
        assert {key: value for key, value in changed.items() if key not in own} == values
