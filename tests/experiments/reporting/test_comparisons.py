import pytest

from experiments.reporting.comparisons import KERNELS_8, QUESTIONS, Comparison, answer
from experiments.reporting.report import PUBLISHED_FILE
from experiments.reporting.statistics import points_of
from experiments.runs.results import Row, read_rows
from tests.conftest import REPOSITORY
from tests.experiments.conftest import BASE, SEEDS, row, rows_of

TANH = Comparison("tanh", "seeds/tanh", KERNELS_8)
PUBLISHED = {"seeds/tanh": {"margin_error": "0.27"}, KERNELS_8: {"margin_error": "0.25"}}


def answer_without_published(*rows: Row) -> str | None:
    return answer(TANH, points_of(rows), {})


# Differences 0.04, 0.03, 0.02: deviation 0.01, and 4.303 * 0.01 / sqrt(3) is 0.0248.
@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ((0.21, 0.22, 0.23), "tanh: lower by 0.0300 (0.0052 to 0.0548; seeds 483, 484, 485)"),
        ((0.29, 0.28, 0.27), "tanh: higher by 0.0300 (0.0052 to 0.0548; seeds 483, 484, 485)"),
        # 0.04, 0.02, 0.00: twice the deviation, 0.02 between -0.0297 and 0.0697
        (
            (0.29, 0.27, 0.25),
            "tanh: +0.0200, within seed noise (-0.0297 to +0.0697; seeds 483, 484, 485)",
        ),
        # Two seeds: 0.031 and 0.029 deviate by 0.001414, times 12.706 / sqrt(2): 0.0127
        ((0.281, 0.279), "tanh: higher by 0.0300 (0.0173 to 0.0427; seeds 483, 484)"),
    ],
)
def test_the_interval_of_differences_decides_the_verdict(errors, verdict):
    assert answer_without_published(*BASE, *rows_of("seeds/tanh", *errors)) == verdict


# The report's tanh is 0.02 higher than its reference. When three seeds deviate by 0.01, 95% of
# further seeds are within 4.303 * 0.01 * sqrt(1 + 1/3) = 0.0497 of their mean.
@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ((0.29, 0.28, 0.27), "which one run of each may give"),
        ((0.27, 0.25, 0.26), "which one run of each may give"),
        ((0.21, 0.22, 0.23), "-0.0797 to +0.0197"),
        ((0.251, 0.249, 0.25), "-0.0050 to +0.0050"),
    ],
)
def test_the_published_difference_is_shown_beside(errors, verdict):
    points = points_of([*BASE, *rows_of("seeds/tanh", *errors)])
    text = str(answer(TANH, points, PUBLISHED))
    assert text.endswith(verdict)
    outside = (
        "; the report has +0.0200, **outside the 95% interval of differences of one run each**, "
    )
    assert (outside in text) == ("to" in verdict)
    assert ("; the report has +0.0200, which" in text) == ("may" in verdict)
    incomplete = {"seeds/tanh": {"margin_error": ""}, KERNELS_8: {"margin_error": "0.25"}}
    assert "report" not in str(answer(TANH, points, incomplete))


def test_one_run_of_each_is_not_paired():
    # All differences are 0.01; but both points deviate by 0.01, and 0.0497 * sqrt(2) is 0.0703.
    points = points_of(
        [*rows_of(KERNELS_8, 0.24, 0.25, 0.26), *rows_of("seeds/tanh", 0.25, 0.26, 0.27)]
    )
    for tanh, verdict in ((0.330, "one run of each may give"), (0.331, "-0.0603 to +0.0803")):
        published = PUBLISHED | {"seeds/tanh": {"margin_error": str(tanh)}}
        text = str(answer(TANH, points, published))
        assert text.startswith("tanh: higher by 0.0100 (0.0100 to 0.0100; seeds 483, 484, 485); ")
        assert text.endswith(verdict)


def test_more_seeds_narrow_the_interval():
    # Differences 0.02, 0.04 and three times 0.03: deviation 0.00707, times 2.776 / sqrt(5): 0.0088
    errors = {483: 0.27, 484: 0.29, 485: 0.28, 486: 0.28, 487: 0.28}
    tanh = [row("seeds/tanh", seed, error) for seed, error in errors.items()]
    base = [row(KERNELS_8, seed, 0.25) for seed in errors]
    assert str(answer_without_published(*base, *tanh)).startswith(
        "tanh: higher by 0.0300 (0.0212 to 0.0388; seeds"
    )


def test_seeds_are_paired():
    # Every seed differs by 0.01 though seeds differ by 0.1.
    rows = [*rows_of(KERNELS_8, 0.2, 0.3, 0.4), *rows_of("seeds/tanh", 0.19, 0.29, 0.39)]
    assert (
        answer_without_published(*rows)
        == "tanh: lower by 0.0100 (0.0100 to 0.0100; seeds 483, 484, 485)"
    )


def test_one_seed_is_compared_with_the_deviation_of_the_reference():
    # Deviation 0.01: 95% of differences of two runs are within 4.303 * sqrt(2) * 0.01 = 0.0609.
    base = rows_of(KERNELS_8, 0.24, 0.25, 0.26)
    assert answer_without_published(*base, row("seeds/tanh", 483, 0.3)) == (
        "tanh: higher by 0.0600 with the only common seed (483), within seed noise"
    )
    assert answer_without_published(*base, row("seeds/tanh", 483, 0.179)) == (
        "tanh: lower by 0.0610 with the only common seed (483), more than seed noise"
    )
    # The deviation of other points does not count; that of the same params under another name does.
    elsewhere = [row("l2/weight_decay_0.1", seed, seed % 2) for seed in SEEDS]
    renamed = [dict(some, sweep="grid", point="again") for some in base]
    assert str(
        answer_without_published(base[0], *renamed, *elsewhere, row("seeds/tanh", 483, 0.179))
    ).endswith(", more than seed noise")
    alone = [row(KERNELS_8, 483, 0.2), row("seeds/tanh", 483, 0.7)]
    assert str(answer_without_published(*alone)).endswith("the seed noise is unknown")
    beside = answer(TANH, points_of(alone), PUBLISHED)
    assert str(beside).endswith("the seed noise is unknown; the report has +0.0200")
    assert (
        answer_without_published(row(KERNELS_8, 483, 0.2), row("seeds/tanh", 484, 0.7))
        == "tanh: no common seed"
    )
    assert answer_without_published(*base) is None


def test_failed_runs_are_listed_and_not_averaged():
    tanh = rows_of("seeds/tanh", 1.0, 0.22, 0.22)
    tanh[0]["diverged"] = "1"
    assert answer_without_published(*BASE, *tanh) == (
        "tanh: training diverged with seed 483; lower by 0.0300 (0.0300 to 0.0300; seeds 484, 485)"
    )
    dead = rows_of("seeds/tanh", 0.795, 0.22, 0.22)  # 0.8 after its first epoch
    assert answer_without_published(*BASE, *dead) == (
        "tanh: training learned nothing with seed 483; "
        "lower by 0.0300 (0.0300 to 0.0300; seeds 484, 485)"
    )
    for some in tanh:
        some["diverged"] = "1"
    assert (
        answer_without_published(*BASE, *tanh) == "tanh: training diverged with seeds 483, 484, 485"
    )


def test_questions_and_published_errors_are_of_points_that_exist(runs):
    points = {f"{run.sweep}/{run.point}" for run in runs}
    asked = {point for each in QUESTIONS.values() for one in each for point in one[1:]}
    assert asked <= points
    published = read_rows(REPOSITORY / PUBLISHED_FILE)
    assert {f"{some['sweep']}/{some['point']}" for some in published} <= points
    errors = {some["point"]: some["margin_error"] for some in published}
    assert errors["track_running_stats_false-weight_decay_0.0"] == "0.3450"
    assert errors["conv_layers_2-kernels_8-learning_rate_10"] == ""
