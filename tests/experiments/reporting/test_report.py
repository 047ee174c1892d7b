from pathlib import Path

from experiments.reporting import report as report_module
from experiments.reporting.comparisons import KERNELS_8
from experiments.reporting.report import PUBLISHED_FILE, report, write_report
from experiments.runs.results import (
    CURVES_FILE,
    HISTORIES_FILE,
    RUNS_FILE,
    Row,
    read_rows,
)
from tests.conftest import REPOSITORY
from tests.experiments.conftest import BASE, histories, row, rows_of


def test_points_that_differ_from_the_published_errors_are_listed(runs):
    grid = "grid/conv_layers_2-kernels_8-learning_rate_{}"
    rows = [
        *rows_of(KERNELS_8, 0.2260, 0.2262, 0.2264),  # published 0.2321: differs by 0.0059
        *rows_of("seeds/conv2_kernels2", 0.2386, 0.2386, 0.2400),  # 0.2346: differs by 0.0045
        row("seeds/conv1", 483, 1.0, diverged="1"),
        row(grid.format(0.0001), 483, 0.6),
        row(grid.format(10), 483, 1.0, diverged="1"),
        row(grid.format(0.01), 483, 0.6),
    ]
    published = read_rows(REPOSITORY / PUBLISHED_FILE)
    text = report("faces", runs, rows, set(), published, [], None)
    assert "\nOf 3 networks with the report's recipe" in text
    assert "2 differ by more than 0.005:" in text
    assert (
        # 4.303 * 0.0002 * sqrt(1 + 1/3) = 0.0010
        "\n- seeds/conv2_kernels8: 0.2262 ± 0.0002 here (3 seeds, 0.2260 to 0.2264), "
        "published 0.2321, outside the 95% interval of further seeds, 0.2252 to 0.2272\n" in text
    )
    assert "\n- seeds/conv1: diverged here, published 0.2484" in text
    assert "- seeds/conv2_kernels2" not in text

    lines = {line.split(" | ")[0]: line for line in text.splitlines()}
    assert lines["| conv2_kernels8"].endswith("| 46 | 0.008399 | 0.008512 | 0.2321 | -0.0059 |")
    assert lines["| conv_layers_2-kernels_8-learning_rate_10"].endswith(
        "| diverged |  |  |  | 1 |  |  | diverged |  |"
    )
    assert lines["| conv_layers_2-kernels_8-learning_rate_0.01"].endswith("|  |  |  |  |  |")


def test_points_with_the_same_params_are_compared_with_the_published_error_together(runs):
    again, further = "l2/weight_decay_0.0", "more_seeds/conv4_kernels4"
    rows = [
        *rows_of("seeds/conv4_kernels4", 0.25, 0.26),
        row(again, 483, 0.25, params="of seeds/conv4_kernels4 483"),
        row(further, 484, 0.26, params="of seeds/conv4_kernels4 484"),
        row(further, 486, 0.24),
        # One layer has no kernels: these are the same network, which the report ran once.
        row("grid/conv_layers_1-kernels_2-learning_rate_0.1", 483, 0.25),
        row("grid/conv_layers_1-kernels_4-learning_rate_0.1", 483, 0.25),
    ]
    text = report("faces", runs, rows, set(), read_rows(REPOSITORY / PUBLISHED_FILE), [], None)
    assert "\nOf 2 networks" in text
    assert (
        f"\n- seeds/conv4_kernels4, {again}, {further}: 0.2500 ± 0.0100 here "
        "(3 seeds, 0.2400 to 0.2600), published 0.2618, "
        "inside the 95% interval of further seeds, 0.2003 to 0.2997\n"
    ) in text


def test_sections_without_rows_are_left_out(runs):
    text = report("sample", runs, [row("seeds/tanh", 483, 0.4)], set(), [], [], None)
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Sweeps on sample",
        "## Against a table with one color per gray level",
        "## Sweep seeds",
    ]
    assert "published" not in text
    assert "faces-grid-" not in text  # it was not started
    assert "| grid | 0 | 45 | 0 |" in text


def test_intervals_decide_whether_networks_are_better_than_a_table(runs):
    def gaining(place: str, *gains: float) -> list[Row]:
        some = rows_of(place, *[0.25] * len(gains))
        return [one | {"gain_over_table": str(gain)} for one, gain in zip(some, gains, strict=True)]

    rows = [
        *gaining(KERNELS_8, 0.01, 0.01),
        *gaining("seeds/conv1", -0.03, -0.01),  # 12.706 * 0.01414 / sqrt(2) = 0.1271
        *gaining("seeds/rate0.01", -0.021, -0.02, -0.019),  # 4.303 * 0.001 / sqrt(3) = 0.0025
        *gaining("grid/better", 0.1),
        *gaining("grid/worse", -0.1),
        row("seeds/tanh", 483, 1.0, gain_over_table="-0.8", diverged="1"),
    ]
    rows += [
        dict(one, sweep="grid") for one in gaining(KERNELS_8, 0.01)
    ]  # the same params under another name
    text = report("faces", runs, rows, set(), [], [], None)
    assert (
        "\n- 1 better: seeds/conv2_kernels8 (+0.0100 ± 0.0000)\n"
        "- 1 worse: seeds/rate0.01 (-0.0200 ± 0.0025)\n"
        "- 1 undecided: seeds/conv1 (-0.0200 ± 0.1271)\n"
        "- 1 of 2 networks with one seed are better\n"
    ) in text


def test_charts_are_written_beside_the_report_and_removed_without_rows(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(report_module, "DPI", 20)
    monkeypatch.setattr(report_module, "PUBLISHED_FILE", Path("nowhere.csv"))
    curve = [{"name": BASE[0]["name"], "margin": "12", "network": "0.25"}]
    other = tmp_path / "examples.png"
    other.touch()
    tables = {
        RUNS_FILE: BASE,
        HISTORIES_FILE: histories(BASE[0]["name"]),
        CURVES_FILE: curve,
    }
    write_report(tmp_path, "faces", runs, tables, set())
    drawn = {"learning_seeds.png", "margins_seeds.png"}
    assert {path.name for path in tmp_path.glob("*.png")} == drawn | {other.name}
    assert all(f"({name})" in (tmp_path / "report.md").read_text() for name in drawn)
    assert "ablation.md" not in (tmp_path / "report.md").read_text()
    (tmp_path / "ablation.md").touch()
    write_report(tmp_path, "faces", runs, {file: [] for file in tables}, set())
    assert [*tmp_path.glob("*.png")] == [other]
    assert "(ablation.md)" in (tmp_path / "report.md").read_text()
