"""The report of a results folder: what it says of rows that are there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import report
from experiments.charts import ERROR_PANEL, curves_figure, differences_figure, grid_figure
from experiments.report import copy_tables, write_report
from experiments.rows import COLUMNS, HISTORIES, MEASURED, RUNS_FILE, add_rows
from experiments.runs import read_runs
from experiments.statistics import (
    failures,
    holm,
    rank_correlation,
    read_results,
)
from tests.conftest import REPOSITORY


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    """A results folder of the data set faces; the current folder is the repository."""
    monkeypatch.chdir(REPOSITORY)
    return tmp_path


def rows(**errors: float | dict[str, float]) -> pd.DataFrame:
    """Rows of runs.csv for runs of the sweep seeds, given as POINT_SEED."""
    runs = {f"{run.point}_{run.seed}": run for run in read_runs("faces", ["seeds"])}
    table = []
    for key, error in errors.items():
        run = runs[key]
        measured = dict.fromkeys(MEASURED, 0.1) | {
            "best_epoch": 2,
            "diverged": 0,
            "gray_margin_error": 0.7,
            "first_margin_error": 0.8,
        }
        measured |= error if isinstance(error, dict) else {"margin_error": error}
        facts = {name: getattr(run, name) for name in ("name", "sweep", "point", "seed", "params")}
        table.append(facts | {"commit": "abcdef0123", "machine": "x86"} | measured)
    return pd.DataFrame(table)[COLUMNS].astype(str)


def histories(table: pd.DataFrame) -> pd.DataFrame:
    columns = {"train_mse": "0.1", "val_mse": "0.2", "val_margin_error": "0.3"}
    return pd.DataFrame(
        {"name": name, "epoch": epoch, **columns} for name in table["name"] for epoch in "123"
    )


def read_report(results: Path, table: pd.DataFrame) -> list[str]:
    add_rows(results, {RUNS_FILE: table, HISTORIES / "seeds.csv": histories(table)})
    path, _ = write_report("faces", results)
    return path.read_text().splitlines()


def cells(lines: list[str], first: str) -> list[str]:
    """The other cells of the line of a table that begins with a cell."""
    (line,) = (line for line in lines if line.startswith(f"| {first} "))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_networks_are_sorted_by_error_and_what_has_no_rows_is_left_out(results):
    lines = read_report(
        results,
        rows(
            conv2_kernels8_483=0.25,
            conv2_kernels8_484=0.27,
            conv2_kernels16_483=0.2,
            conv2_kernels16_484={"margin_error": 1, "diverged": 1},
            conv1_483=0.3,
        ),
    )
    start = lines.index("## Networks")
    table = [line.split()[1] for line in lines[start:] if line.startswith("| report/")]
    assert table == ["report/conv2_kernels16", "report/conv2_kernels8", "report/conv1"]
    assert cells(lines, "report/conv2_kernels8")[:2] == ["2", "0.2600 ± 0.0141"]
    assert cells(lines, "report/conv2_kernels16")[:2] == ["2", "0.2000"]
    assert cells(lines, "report/conv2_kernels16")[-1] == "1 of 2 diverged"
    text = "\n".join(lines)
    for absent in ("tanh", "0 of 0", "nan", "### Batch norm", "missing"):
        assert absent not in text


def test_a_question_is_answered_by_differences_of_the_same_seed(results):
    lines = read_report(
        results,
        rows(
            conv2_kernels8_0=0.24,
            conv2_kernels8_483=0.25,
            conv2_kernels8_484=0.27,
            conv2_kernels8_485=0.9,  # worse than gray, and has no partner
            conv2_kernels16_0=0.23,
            conv2_kernels16_483=0.2,
            conv2_kernels16_484={"margin_error": 1, "diverged": 1},
            conv1_483={"margin_error": 1, "diverged": 1},
        ),
    )
    assert cells(lines, "report/conv1") == ["1", *[""] * 7, "1 of 1 diverged"]
    failed = "1 of 3 diverged, reference: 1 of 4 learned nothing"
    answer = cells(lines, f"16 instead of 8 ({failed})")
    # Differences -0.01 and -0.05: mean -0.03, standard error 0.02, t of one degree 12.706.
    # Its p is 2 * (1/2 - arctan(1.5) / pi), with one degree of freedom, of one test.
    assert answer == ["-0.0300", "-0.2841 to +0.2241", "2 of 2", "-0.0031", "0.37", "unclear"]
    assert "![Kernels: differences, seed by seed](charts/kernels.png)" in lines
    assert (results / "charts/kernels.png").read_bytes().startswith(b"\x89PNG")


def test_the_report_s_figures_stand_beside_ours(results):
    lines = read_report(results, rows(tanh_0=0.2478, tanh_1=0.2498, tanh_483=0.23))
    tanh = cells(lines, "2 conv layers, 8 kernels, tanh, `report/tanh`")
    assert tanh == [
        *("38, 2", "0.00899, 0.10000", "0.00904, 0.10000", "0.2500, 0.2478"),
        *("0.2300 to 0.2498", "2 of 3"),
    ]


def test_documents_have_tables_of_the_report(results, tmp_path):
    with pytest.raises(report.InputError, match="has no rows"):
        write_report("faces", results)
    read_report(results, rows(conv1_0=0.25))
    _, tables = write_report("faces", results)
    document = tmp_path / "document.md"
    text = "<!-- chosen epochs of faces -->\n{}\nText\n<!-- a of sample -->\n"
    document.write_text(text.format("| old |\n"))
    for _ in range(2):
        copy_tables(document, "faces", tables)
        assert document.read_text() == text.format(f"{tables['chosen epochs']}\n")
    with pytest.raises(report.InputError, match="sample has no table a"):
        copy_tables(document, "sample", {})


def test_a_run_failed_when_it_diverged_or_learned_nothing(results):
    table = rows(
        tanh_483={"margin_error": 1, "diverged": 1},
        tanh_484=0.793,  # after 0.8, where the input unchanged has 0.7
        tanh_485=0.79,
        tanh_486={"margin_error": 0.25, "first_margin_error": 0.25},
    )
    add_rows(results, {RUNS_FILE: table})
    found = read_results(results, read_runs("faces"))
    assert [*found["failure"]] == ["diverged", "learned nothing", "", ""]
    assert failures(found) == "1 of 4 diverged, 1 of 4 learned nothing"
    assert {*found["network"]} == {"report/tanh"}


def test_p_values_are_corrected_for_the_number_of_those_that_are_known():
    # The smallest times 3, the next times 2, the largest times 1; none below the one before.
    corrected = holm([0.03, float("nan"), 0.01, 0.02])
    np.testing.assert_allclose(corrected, [0.04, float("nan"), 0.03, 0.04])


def test_a_rank_correlation_is_of_ranks():
    first, second = pd.Series([1, 2, 3, 4, 5]), pd.Series([10, 1000, 100, 10_000, 100_000])
    rho, low, high, p = rank_correlation(first, second)
    assert rho == pytest.approx(1 - 6 * 2 / (5 * 24))  # two ranks are off by 1
    assert low < rho < high < 1
    assert p == pytest.approx(2 * 5 / 120)  # 5 of all orders have this rho or more, 5 its negative
    *_, low, _, p = rank_correlation(first, -first)
    assert np.isnan(low)
    assert p == pytest.approx(2 / 120)


def test_differences_have_a_dot_for_each_seed_and_no_interval_of_two():
    differences = {
        "a": pd.Series([0.01, 0.02, 0.03], [0, 1, 2]),
        "b": pd.Series([0.05, 0.06], [1, 2]),
    }
    answers = pd.DataFrame(
        [["a", 0.02, -0.1, 0.1, 0.04, "unclear"], ["b", 0.055, -9, 9, None, ""]],
        columns=["change", "difference", "low", "high", "the report", "verdict"],
    )
    answers["differences"] = answers["change"].map(differences)
    axes, *_ = differences_figure(answers).axes
    points = sorted(float(x) for line in axes.lines[1:] for x in line.get_xdata())
    assert [point for point in points if point == point] == [
        *(-0.1, 0.01, 0.02, 0.02, 0.03, 0.04, 0.05, 0.06, 0.1)
    ]
    right = axes.child_axes[0].get_yticklabels()
    assert [label.get_text() for label in right] == ["n = 3, unclear", "n = 2"]


def test_the_grid_shows_each_error_and_each_failure():
    table = pd.DataFrame(
        {
            "learning_rate": [0.1, 0.1, 10.0, 10.0],
            "conv_layers": 1,
            "kernels": [2, 4, 2, 4],
            "seed": 483,
            "margin_error": [0.25, 0.5, 1.0, 0.75],
            "failure": ["", "", "diverged", ""],
        }
    )
    (axes,) = grid_figure(table).axes
    assert [text.get_text() for text in axes.texts] == ["0.2500", "diverged", "0.5000", "0.7500"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.1", "10"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1, 2", "1, 4"]


def test_curves_mark_the_chosen_epoch_and_the_published_error():
    history = pd.DataFrame(
        {
            "name": ["a"] * 3 + ["b"] * 2,
            "epoch": [1, 2, 3, 1, 2],
            "train_mse": [3.0, 2, 1, 3, 2],
            "val_mse": [4.0, 3, 2, 4, 3],
            "val_margin_error": [0.9, 0.5, 0.6, 0.9, 0.8],
        }
    )
    table = pd.DataFrame({"name": ["a", "b"], "seed": [0, 1], "best_epoch": [2, 2]})
    published = {"val_margin_error": 0.25}
    (axes,) = curves_figure("tanh", table, history, published, [ERROR_PANEL]).axes
    first, chosen, second, _, published = axes.lines
    assert [*first.get_ydata()] == [0.9, 0.5, 0.6]
    assert (chosen.get_xdata()[0], chosen.get_ydata()[0]) == (2, 0.5)
    assert first.get_linewidth() > second.get_linewidth()
    assert {*published.get_ydata()} == {0.25}
