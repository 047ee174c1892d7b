import pytest

from experiments.comparisons import AT_8, QUESTIONS, Comparison, answer
from experiments.rows import Row, points_of, read_rows
from experiments.sweep_report import PUBLISHED_FILE
from tests.conftest import REPOSITORY
from tests.experiments.conftest import BASE, SEEDS, row, rows_of


def said(*rows: Row) -> str | None:
    return answer(Comparison("tanh", "seeds/tanh", AT_8), points_of(rows), {})


# Differences 0.04, 0.03, 0.02: deviation 0.01, and 4.303 * 0.01 / sqrt(3) is 0.0248.
@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ((0.21, 0.22, 0.23), "tanh: lower by 0.0300 (0.0052 to 0.0548; seeds 483, 484, 485)"),
        ((0.29, 0.28, 0.27), "tanh: higher by 0.0300 (0.0052 to 0.0548; seeds 483, 484, 485)"),
        # 0.04, 0.02, 0.00: twice the deviation, 0.02 between -0.0297 and 0.0697
        (
            (0.29, 0.27, 0.25),
            "tanh: no difference larger than seed noise (-0.0297 to +0.0697; seeds 483, 484, 485)",
        ),
        # Two seeds: 0.031 and 0.029 deviate by 0.001414, times 12.706 / sqrt(2): 0.0127
        ((0.281, 0.279), "tanh: higher by 0.0300 (0.0173 to 0.0427; seeds 483, 484)"),
    ],
)
def test_the_interval_of_differences_decides_what_is_said(errors, verdict):
    assert said(*BASE, *rows_of("seeds/tanh", *errors)) == verdict


# The report's tanh is 0.02 higher, or lower, than what it is compared with.
@pytest.mark.parametrize(
    ("errors", "published", "verdict"),
    [
        ((0.29, 0.28, 0.27), "0.27", "the report has +0.0200"),
        ((0.21, 0.22, 0.23), "0.27", "**this contradicts the report**, which has +0.0200"),
        ((0.21, 0.22, 0.23), "0.23", "the report has -0.0200"),
        ((0.29, 0.27, 0.25), "0.27", "the report's +0.0200 is within that noise"),  # of 0.0497
        ((0.251, 0.249, 0.25), "0.27", "the report's +0.0200 is beyond that noise"),  # of 0.0025
    ],
)
def test_what_the_report_found_stands_beside(errors, published, verdict):
    points = points_of([*BASE, *rows_of("seeds/tanh", *errors)])
    known = {"seeds/tanh": {"margin_error": published}, AT_8: {"margin_error": "0.25"}}
    said = answer(Comparison("tanh", "seeds/tanh", AT_8), points, known)
    assert str(said).endswith(verdict)
    nothing = {"seeds/tanh": {"margin_error": ""}, AT_8: {"margin_error": "0.25"}}
    assert "report" not in str(answer(Comparison("tanh", "seeds/tanh", AT_8), points, nothing))


def test_more_seeds_narrow_the_interval():
    # Differences 0.02, 0.04 and three times 0.03: deviation 0.00707, times 2.776 / sqrt(5): 0.0088
    errors = {483: 0.27, 484: 0.29, 485: 0.28, 486: 0.28, 487: 0.28}
    tanh = [row("seeds/tanh", seed, error) for seed, error in errors.items()]
    base = [row(AT_8, seed, 0.25) for seed in errors]
    assert str(said(*base, *tanh)).startswith("tanh: higher by 0.0300 (0.0212 to 0.0388; seeds")


def test_seeds_are_paired():
    # Every seed differs by 0.01 though seeds differ by 0.1.
    rows = [*rows_of(AT_8, 0.2, 0.3, 0.4), *rows_of("seeds/tanh", 0.19, 0.29, 0.39)]
    assert said(*rows) == "tanh: lower by 0.0100 (0.0100 to 0.0100; seeds 483, 484, 485)"


def test_one_seed_is_held_against_the_deviation_of_what_it_is_compared_with():
    base = rows_of(AT_8, 0.24, 0.25, 0.26)  # deviation 0.01
    assert said(*base, row("seeds/tanh", 483, 0.265)) == (
        "tanh: higher by 0.0250 with the one seed that both have (483): cannot be told from noise"
    )
    assert said(*base, row("seeds/tanh", 483, 0.205)) == (
        "tanh: lower by 0.0350 with the one seed that both have (483), "
        "more than three times the deviation over seeds"
    )
    # Other points deviate as they like; the same one under another name tells of its seeds.
    elsewhere = [row("l2/weight_decay_0.1", seed, seed % 2) for seed in SEEDS]
    renamed = [dict(some, sweep="grid", point="again") for some in base]
    assert str(said(base[0], *renamed, *elsewhere, row("seeds/tanh", 483, 0.205))).endswith(
        "more than three times the deviation over seeds"
    )
    alone = [row(AT_8, 483, 0.2), row("seeds/tanh", 483, 0.9)]
    assert str(said(*alone)).endswith("what is noise is not known")
    known = {"seeds/tanh": {"margin_error": "0.27"}, AT_8: {"margin_error": "0.25"}}
    beside = answer(Comparison("tanh", "seeds/tanh", AT_8), points_of(alone), known)
    assert str(beside).endswith("what is noise is not known; the report has +0.0200")
    assert said(row(AT_8, 483, 0.2), row("seeds/tanh", 484, 0.9)) == "tanh: no seed in common"
    assert said(*base) is None


def test_diverged_runs_are_told_of_and_not_averaged():
    tanh = rows_of("seeds/tanh", 1.0, 0.22, 0.22)
    tanh[0]["diverged"] = "1"
    assert said(*BASE, *tanh) == (
        "tanh: training diverged with seed 483; lower by 0.0300 (0.0300 to 0.0300; seeds 484, 485)"
    )
    for some in tanh:
        some["diverged"] = "1"
    assert said(*BASE, *tanh) == "tanh: training diverged with seeds 483, 484, 485"


def test_questions_and_what_was_published_are_of_points_that_there_are(runs):
    points = {f"{run.sweep}/{run.point}" for run in runs}
    asked = [place for each in QUESTIONS.values() for one in each for place in one[1:]]
    assert set(asked) <= points
    published = read_rows(REPOSITORY / PUBLISHED_FILE)
    assert {f"{some['sweep']}/{some['point']}" for some in published} <= points
    errors = {some["point"]: some["margin_error"] for some in published}
    assert errors["running_averages_false-weight_decay_0.0"] == "0.3450"
    assert errors["conv_layers_2-kernels_8-learning_rate_10"] == ""
