import math
from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from experiments.reporting.statistics import failures, mean_and_std, mean_intervals, wall_time
from tests.experiments.conftest import KERNELS_8, Row, results_of, row


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


# Student's t at 97.5%, from a printed table, by degrees of freedom.
T_TABLE = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 6: 2.447, 10: 2.228, 30: 2.042}


@pytest.mark.parametrize(("freedom", "t"), T_TABLE.items())
def test_the_interval_is_as_wide_as_students_t_says(freedom, t):
    values = pd.Series([*range(freedom + 1)], dtype=float)
    found = mean_intervals(values, [pd.Series(0, values.index)]).iloc[0]
    half = t * values.std() / math.sqrt(freedom + 1)
    assert (found["mean"], found["count"]) == (freedom / 2, freedom + 1)
    assert found["high"] - found["mean"] == pytest.approx(half, rel=1e-3)
    assert found["mean"] - found["low"] == pytest.approx(half, rel=1e-3)


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=2, max_size=9).filter(
        lambda pairs: len({first - second for first, second in pairs}) > 1
    )
)
def test_the_interval_excludes_0_when_the_paired_t_test_does(pairs):
    errors, others = map(pd.Series, zip(*pairs, strict=True))
    found = mean_intervals(errors - others, [pd.Series(0, errors.index)]).iloc[0]
    excludes_0 = found["low"] > 0 or found["high"] < 0
    assert excludes_0 == (ttest_rel(errors, others).pvalue < 0.05)


def test_groups_have_intervals_of_their_own_and_missing_values_are_not_counted():
    values = pd.Series([0.1, 0.3, -0.2, None, None])
    found = mean_intervals(values, [pd.Series(["a", "a", "b", "b", "c"], name="group")])
    assert found["mean"].fillna(9).round(6).to_dict() == {"a": 0.2, "b": -0.2, "c": 9}
    assert found["count"].to_dict() == {"a": 2, "b": 1, "c": 0}
    assert found["below"].to_dict() == {"a": 0, "b": 1, "c": 0}
    assert found["low"].isna().to_dict() == {"a": False, "b": True, "c": True}


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
