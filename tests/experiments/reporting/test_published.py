import math

import pandas as pd
import pytest

from experiments.reporting.published import COLUMNS, published_rows
from tests.experiments.conftest import Row, results_of, row


def shown(runs, error: float, *rows: Row) -> dict[str, str]:
    figures = {"network": "report/tanh", "title": "tanh", "epochs": 38.0, "margin_error": error}
    found = published_rows(results_of(runs, *rows), pd.DataFrame([figures]))
    return dict(zip(COLUMNS, next(found), strict=True))


def test_the_seed_of_the_report_and_all_seeds_are_beside_its_error(runs):
    rows = [row("seeds/tanh", seed, error) for seed, error in ((483, 0.23), (0, 0.2478), (1, 0.8))]
    assert shown(runs, 0.25, *rows) == {
        "network": "tanh, `report/tanh`",
        "the report": "0.2500",
        "seed 0 here": "0.2478",
        "difference": "-0.0022",
        "epochs: the report's, here": "38, 7",
        "all seeds": "3 (1 of 3 learned nothing)",
        "range": "0.2300 to 0.2478",
        "verdict": "within 0.005",
    }


@pytest.mark.parametrize(
    ("published", "errors", "verdict"),
    [
        (0.25, {0: 0.2449, 1: 0.2451}, "within 0.005 with 1 of 2 seeds"),
        (0.25, {0: 0.24, 1: 0.26}, "between the seeds' errors"),
        (0.25, {0: 0.24, 1: 0.23}, "not seen"),
        (0.25, {1: 0.23}, "not seen"),
        (math.nan, {0: 0.24}, "trained here"),
    ],
)
def test_the_verdict_says_where_the_error_of_the_report_was_seen(runs, published, errors, verdict):
    rows = [row("seeds/tanh", seed, error) for seed, error in errors.items()]
    assert shown(runs, published, *rows)["verdict"] == verdict


def test_a_network_that_diverged_there_and_here(runs):
    cells = shown(runs, math.nan, row("report/tanh", 0, 1.0, diverged="1", best_epoch="0"))
    assert (cells["the report"], cells["seed 0 here"]) == ("diverged", "diverged")
    assert (cells["difference"], cells["range"], cells["verdict"]) == ("", "", "diverged, too")
