import math
from itertools import pairwise

import pandas as pd
import pytest

from experiments.reporting.comparisons import (
    AGAINST_TABLE,
    COLUMNS,
    answer_rows,
    answers,
    paired_differences,
    read_questions,
)
from experiments.reporting.published import read_published
from tests.experiments.conftest import BASE, KERNELS_8, results_of, row, rows_of

TANH = pd.DataFrame(
    [{"question": "Tanh?", "change": "tanh", "network": "seeds/tanh", "reference": KERNELS_8}]
)


def cells(results, question="Tanh?", published=None) -> dict[str, dict[str, str]]:
    """The cells of each row of a question's table, by change."""
    differences = paired_differences(TANH, results)
    found = answers(differences, results, pd.Series(published or {}, dtype=float))
    rows = answer_rows(found.loc[[question]]) if question in found.index else ()
    return {cells[0]: dict(zip(COLUMNS[1:], cells[1:], strict=True)) for cells in rows}


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ((0.21, 0.22, 0.23), "lower"),
        ((0.29, 0.28, 0.27), "higher"),
        ((0.29, 0.24, 0.29), "unclear"),
        ((0.26, 0.27, 0.30), "unclear"),  # +0.0267, 4.303 * 0.0120
        ((0.29, 0.29), "higher"),
        ((0.29, 0.28), "unclear"),  # 0.035, 12.71 * 0.005
        ((0.29,), "untested"),
        ((0.8, 0.8, 0.8), "failed"),  # they learned nothing
    ],
)
def test_the_verdict_is_that_of_the_interval(runs, errors, verdict):
    (answer,) = cells(results_of(runs, *BASE, *rows_of("seeds/tanh", *errors))).values()
    assert answer["verdict"] == verdict


def test_a_comparison_shows_what_was_seen(runs):
    tanh = [row("seeds/tanh", seed, error) for seed, error in ((0, 0.27), (483, 0.24))]
    tanh += [row("seeds/tanh", 484, 0.28), row("seeds/tanh", 485, 1.0, diverged="1")]
    tanh += [row("seeds/tanh", 486, 0.2)]  # of a seed that the reference does not have
    results = results_of(runs, row(KERNELS_8, 0, 0.25), *BASE, *tanh)
    published = {results.recipes["seeds/tanh"]: 0.3, results.recipes[KERNELS_8]: 0.26}
    # Of 0.02, -0.01 and 0.03 the standard deviation is 0.020817; Student's t with 2 degrees of
    # freedom is 4.3027 at 97.5%: 4.3027 * 0.020817 / sqrt(3) = 0.0517.
    assert cells(results, published=published) == {
        "tanh (1 of 5 diverged)": {
            "difference": "+0.0133",
            "95% interval": "-0.0384 to +0.0650",
            "seeds lower": "1 of 3",
            "the report": "+0.0400",
            "verdict": "unclear",
        }
    }
    for others in ({}, {results.recipes["seeds/tanh"]: math.nan}):
        some = {results.recipes[KERNELS_8]: 0.26} | others
        (answer,) = cells(results, published=some).values()
        assert answer["the report"] == ""


def test_a_comparison_without_rows_of_both_is_left_out(runs):
    assert paired_differences(TANH, results_of(runs, BASE[0])).empty
    assert paired_differences(TANH, results_of(runs)).empty


def test_networks_are_compared_with_the_table_by_all_seeds_of_a_recipe(runs):
    rows = [
        *rows_of("seeds/conv4_kernels4", 0.25, 0.25),
        row("grid/conv_layers_4-kernels_4-learning_rate_0.1", 483, 0.25),
        row("l2/weight_decay_0.0", 485, 0.25),
        row("seeds/tanh", 483, 0.25),
    ]
    for some, gain in zip(rows, (0.01, 0.02, 0.01, -0.06, 0.5), strict=True):
        some["gain_over_table"] = str(gain)
    ((network, answer),) = cells(results_of(runs, *rows), AGAINST_TABLE).items()
    assert network == "seeds/conv4_kernels4"  # tanh has one seed
    assert answer["difference"] == "+0.0100"
    assert answer["seeds lower"] == "2 of 3"


def test_a_question_is_asked_once_and_each_change_has_a_name_of_its_own():
    questions = read_questions()
    assert not questions.duplicated(["question", "change"]).any()
    changes = sum(before != after for before, after in pairwise(questions["question"]))
    assert changes == questions["question"].nunique() - 1  # rows of a question are together


def test_questions_and_published_errors_are_of_networks_that_exist(runs):
    networks = {f"{run.sweep}/{run.point}" for run in runs}
    questions = read_questions()
    assert {*questions["network"], *questions["reference"]} <= networks
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
