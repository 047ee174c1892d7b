import itertools
import statistics
from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.reporting.comparisons import KERNELS_8
from experiments.reporting.statistics import (
    failures,
    mean_and_std,
    mean_error,
    paired_differences,
    sign_flip_p,
    wall_time,
)
from tests.experiments.conftest import Row, results_of, row, rows_of


def test_a_run_failed_when_it_diverged_or_learned_nothing(runs):
    diverged = row(KERNELS_8, 483, 1.0, diverged="1")
    dead = row(KERNELS_8, 484, 0.793)  # after 0.8, where gray copied has 0.7362
    slow = row(KERNELS_8, 485, 0.79)
    immediate = row(KERNELS_8, 486, 0.25, first_margin_error="0.25")
    rows = results_of(runs, diverged, dead, slow, immediate).rows
    assert [*rows["failure"]] == ["diverged", "learned nothing", "", ""]
    assert failures(rows) == " (1 of 4 diverged) (1 of 4 learned nothing)"
    assert failures(rows[1:2]) == " (learned nothing)"
    assert failures(rows[2:3]) == failures(rows[2:]) == ""
    assert mean_error(rows) == "0.5200 ± 0.3818 (1 of 4 diverged) (1 of 4 learned nothing)"
    assert mean_error(rows[:1]) == "diverged"


def test_networks_with_the_same_params_share_their_seeds(runs):
    results = results_of(
        runs,
        row("seeds/conv4_kernels4", 484, 0.25),
        row("more_seeds/conv4_kernels4", 489, 0.27),
        row("l2/weight_decay_0.0", 484, 0.25),
        row("l2/weight_decay_0.0", 483, 0.24),
        row("l2/weight_decay_0.001", 485, 0.9),
        row("grid/conv_layers_4-kernels_4-learning_rate_0.1", 483, 0.24),
        row("seeds/tanh", 483, 0.3),
    )
    for network in ("seeds/conv4_kernels4", "report/conv4_kernels4", "l2/weight_decay_0.0"):
        rows = results.of_network(network)
        assert [*zip(rows["seed"], rows["margin_error"], strict=True)] == [
            (483, 0.24),
            (484, 0.25),
            (489, 0.27),
        ]
    assert results.of_network("seeds/conv1").empty


def test_differences_are_paired_by_seed(runs):
    tanh = rows_of("seeds/tanh", 0.30, 0.28, 0.26)
    tanh[1]["diverged"] = "1"
    base = [row(KERNELS_8, seed, 0.2) for seed in (485, 484, 486, 483)]
    results = results_of(runs, *tanh, *base)
    found = paired_differences(*map(results.of_network, ("seeds/tanh", KERNELS_8)))
    assert found.round(6).to_dict() == {483: 0.1, 485: 0.06}


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=8))
def test_p_is_the_share_of_signs_with_a_mean_as_far_from_0(differences):
    """Fisher's randomization test, by listing all signs."""
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    expected = statistics.mean(total >= abs(sum(differences)) for total in sums)
    # SciPy doubles one tail, which is the same as long as signs can be swapped.
    assert sign_flip_p(pd.Series(differences, dtype=float)) == pytest.approx(expected)


def test_one_difference_decides_nothing():
    assert sign_flip_p(pd.Series([0.5])) == 1
    assert sign_flip_p(pd.Series([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])) == pytest.approx(2 / 2**6)


def test_mean_and_deviation():
    assert mean_and_std(pd.Series([0.22, 0.23, 0.24]), 4) == "0.2300 ± 0.0100"
    assert mean_and_std(pd.Series([2.5]), 1) == "2.5"


def test_wall_time_is_that_of_the_union_of_intervals():
    def between(queued: str, finished: str) -> Row:
        return {"started": queued, "finished": finished}

    rows = [
        between("2026-11-23T10:30:00+00:00", "2026-11-23T12:00:00+00:00"),
        between("2026-11-23T10:00:00+00:00", "2026-11-23T11:00:00+00:00"),
        between("2026-11-23T10:10:00+00:00", "2026-11-23T10:20:00+00:00"),
        between("2026-11-23T16:00:00+03:00", "2026-11-23T13:15:00+00:00"),  # 13:00 in UTC
        between("", "2026-11-24T00:00:00+00:00"),
    ]
    assert wall_time(pd.DataFrame(rows)) == timedelta(hours=2, minutes=15)
    assert wall_time(pd.DataFrame(rows[4:])) == timedelta()
