import shutil

import pandas as pd

from experiments.reporting import report as report_module
from experiments.reporting.report import write_report
from experiments.runs.results import COLUMNS, CURVES_FOLDER, HISTORIES_FOLDER, RUNS_FILE, Tables
from tests.experiments.conftest import BASE, KERNELS_8, Row, histories, row, rows_of

AGAINST_TABLE_CHART = "against_a_table_with_one_color_per_gray_level.png"


def tables_of(*rows: Row) -> Tables:
    return {
        RUNS_FILE: pd.DataFrame(rows, columns=[*row(KERNELS_8, 0, 0.0)], dtype=str),
        HISTORIES_FOLDER: histories(*(some["name"] for some in rows), "other"),
        CURVES_FOLDER: pd.DataFrame(columns=COLUMNS[CURVES_FOLDER], dtype=str),
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


def test_charts_are_written_beside_the_report_and_removed_without_rows(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(report_module, "DPI", 20)
    other = tmp_path / "examples.png"
    other.touch()
    tables = tables_of(*BASE, row("seeds/tanh", 483, 0.3))
    curve = {"name": BASE[0]["name"], "margin": "12", "network": "0.25"}
    tables[CURVES_FOLDER] = pd.DataFrame([curve])
    write_report(tmp_path, "faces", runs, tables, set())
    charts = tmp_path / "charts"
    drawn = {"learning_seeds.png", "margins_seeds.png", "tanh.png", AGAINST_TABLE_CHART}
    assert {path.name for path in charts.iterdir()} == drawn
    assert all(f"(charts/{name})" in (tmp_path / "report.md").read_text() for name in drawn)
    assert "ablation.md" not in (tmp_path / "report.md").read_text()
    (tmp_path / "ablation.md").touch()
    write_report(tmp_path, "faces", runs, tables_of(), set())
    assert [*charts.iterdir()] == []
    assert other.exists()
    assert "(ablation.md)" in (tmp_path / "report.md").read_text()


def test_hidden_kernels_are_grouped_with_their_errors(runs, tmp_path):
    rows = [*rows_of("seeds/tanh", 0.23, 0.25, 0.24), row("more_seeds/tanh", 488, 0.22)]
    rows.append(row("more_seeds/tanh", 489, 0.2200001))
    (tmp_path / "hidden_kernels.csv").write_text(
        "name,margin_error,dead,always_on,bending,dead_layers,saturated\n"
        "faces-seeds-tanh-483,0.23,1,2,5,0,0.01\n"
        "faces-seeds-tanh-484,0.25,2,6,0,1,0.03\n"
        "faces-seeds-tanh-485,0.24,2,6,0,1,0.02\n"
        "faces-more_seeds-tanh-488,0.22,1,2,5,0,0.01\n"
        "faces-more_seeds-tanh-489,0.22,8,0,0,1,0.01\n"  # trained again since: another error
        "faces-seeds-conv1-483,0.25,0,0,0,0,0\n"
    )
    text = report(runs, tmp_path, "sample", *rows)
    section = text.partition("## What the hidden kernels do")[2]
    assert "| seeds/tanh | 5 | 2 | 1 | 0 | 2 | 483, 488 | 0.2200 to 0.2300 | 1.0% |\n" in section
    assert (
        "| seeds/tanh | 0 | 6 | 2 | 1 | 2 | 484, 485 | 0.2400 to 0.2500 | 2.0% to 3.0% |" in section
    )
    shutil.rmtree(tmp_path)
    assert "hidden kernels" not in report(runs, tmp_path, "sample", *rows)
