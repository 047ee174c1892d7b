import shutil

import pandas as pd

from experiments.reporting import report as report_module
from experiments.reporting.comparisons import KERNELS_8
from experiments.reporting.report import write_report
from experiments.runs.results import COLUMNS, CURVES_FILE, HISTORIES_FILE, RUNS_FILE, Tables
from tests.experiments.conftest import BASE, Row, histories, row, rows_of


def tables_of(*rows: Row) -> Tables:
    return {
        RUNS_FILE: pd.DataFrame(rows, columns=[*row(KERNELS_8, 0, 0.0)], dtype=str),
        HISTORIES_FILE: histories(*(some["name"] for some in rows), "other"),
        CURVES_FILE: pd.DataFrame(columns=COLUMNS[CURVES_FILE], dtype=str),
    }


def report(runs, tmp_path, data: str, *rows: Row, failed: tuple[str, ...] = ()) -> str:
    write_report(tmp_path, data, runs, tables_of(*rows), {*failed})
    return (tmp_path / "report.md").read_text()


def test_sections_without_rows_are_left_out(runs, tmp_path):
    text = report(runs, tmp_path, "sample", row("seeds/tanh", 483, 0.4))
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Sweeps on sample",
        "## Sweep seeds",
    ]
    assert "The report's networks" not in text
    assert "faces-grid-" not in text  # it was not started
    assert "| grid | 0 | 45 | 0 |" in text
    assert "\nMissing in sweeps that were started: faces-seeds-conv1-483" in text


def test_on_the_data_of_the_report_its_errors_are_beside(runs, tmp_path):
    text = report(runs, tmp_path, "faces", *BASE, row("seeds/tanh", 0, 0.2478))
    assert "\n## The report's networks\n" in text
    assert "| 0.2500 | 0.2478 | -0.0022 |" in text
    text = report(runs, tmp_path, "sample", *BASE, row("seeds/tanh", 0, 0.2478))
    assert "0.2500 | 0.2478" not in text


def test_failed_runs_are_listed_and_left_out_of_means(runs, tmp_path):
    tanh = rows_of("seeds/tanh", 0.3, 0.2)
    tanh.append(row("seeds/tanh", 485, 1.0, diverged="1"))
    text = report(runs, tmp_path, "sample", *tanh, failed=("faces-seeds-conv1-483",))
    assert "\nFailed: faces-seeds-conv1-483.\n" in text
    (line,) = (line for line in text.splitlines() if line.startswith("| tanh |"))
    _, _, seeds, *_, error, _, _, _, _ = (cell.strip() for cell in line.split("|"))
    assert (seeds, error) == ("483, 484, 485", "0.2500 ± 0.0707 (1 of 3 diverged)")


def test_gains_over_the_table_are_those_of_all_seeds_of_a_recipe(runs, tmp_path):
    gains = {"seeds": (0.01, 0.02), "grid": (0.01,)}
    rows = [
        *rows_of("seeds/conv4_kernels4", 0.25, 0.25),
        row("grid/conv_layers_4-kernels_4-learning_rate_0.1", 483, 0.25),
        row("l2/weight_decay_0.0", 485, 0.25),
        row("seeds/tanh", 483, 0.25),
    ]
    for some, gain in zip(rows, (*gains["seeds"], *gains["grid"], -0.06, 0.5), strict=True):
        some["gain_over_table"] = str(gain)
    text = report(runs, tmp_path, "sample", *rows)
    section = text.partition("## Against a table")[2].partition("## Sweep")[0]
    assert "| seeds/conv4_kernels4 | 3 | -0.0100 | -0.0600 | +0.0200 | 2 of 3 | " in section
    assert "tanh" not in section  # one seed


def test_charts_are_written_beside_the_report_and_removed_without_rows(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(report_module, "DPI", 20)
    other = tmp_path / "examples.png"
    other.touch()
    tables = tables_of(*BASE, row("seeds/tanh", 483, 0.3))
    curve = {"name": BASE[0]["name"], "margin": "12", "network": "0.25"}
    tables[CURVES_FILE] = pd.DataFrame([curve])
    write_report(tmp_path, "faces", runs, tables, set())
    drawn = {"learning_seeds.png", "margins_seeds.png", "differences.png"}
    assert {path.name for path in tmp_path.glob("*.png")} == drawn | {other.name}
    assert all(f"({name})" in (tmp_path / "report.md").read_text() for name in drawn)
    assert "ablation.md" not in (tmp_path / "report.md").read_text()
    (tmp_path / "ablation.md").touch()
    write_report(tmp_path, "faces", runs, tables_of(), set())
    assert [*tmp_path.glob("*.png")] == [other]
    assert "(ablation.md)" in (tmp_path / "report.md").read_text()


def test_hidden_kernels_are_grouped_with_their_errors(runs, tmp_path):
    rows = [*rows_of("seeds/tanh", 0.23, 0.25, 0.24), row("more_seeds/tanh", 488, 0.22)]
    (tmp_path / "hidden_kernels.csv").write_text(
        "name,dead,always_on,bending,dead_layers,saturated\n"
        "faces-seeds-tanh-483,1,2,5,0,0.01\n"
        "faces-seeds-tanh-484,2,6,0,1,0.03\n"
        "faces-seeds-tanh-485,2,6,0,1,0.02\n"
        "faces-more_seeds-tanh-488,1,2,5,0,0.01\n"
        "faces-seeds-conv1-483,0,0,0,0,0\n"
    )
    text = report(runs, tmp_path, "sample", *rows)
    section = text.partition("## What the hidden kernels do")[2]
    assert "| seeds/tanh | 5 | 2 | 1 | 0 | 2 | 483, 488 | 0.2200 to 0.2300 | 1.0% |\n" in section
    assert (
        "| seeds/tanh | 0 | 6 | 2 | 1 | 2 | 484, 485 | 0.2400 to 0.2500 | 2.0% to 3.0% |" in section
    )
    shutil.rmtree(tmp_path)
    assert "hidden kernels" not in report(runs, tmp_path, "sample", *rows)
