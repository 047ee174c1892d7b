from pathlib import Path

from experiments import sweep_report
from experiments.comparisons import AT_8
from experiments.rows import read_rows
from experiments.sweep_report import PUBLISHED_FILE, report, write_report
from tests.conftest import REPOSITORY
from tests.experiments.conftest import BASE, histories, row, rows_of


def test_points_far_off_what_was_published_are_listed(runs):
    grid = "grid/conv_layers_2-kernels_8-learning_rate_{}"
    rows = [
        *rows_of(AT_8, 0.2260, 0.2262, 0.2264),  # published 0.2321: 0.0059 off
        *rows_of("seeds/conv2_kernels2", 0.2386, 0.2386, 0.2400),  # 0.2346: 0.0045 off
        row("seeds/conv1", 483, 1.0, diverged="1"),
        row(grid.format(0.0001), 483, 0.6),
        row(grid.format(10), 483, 1.0, diverged="1"),
        row(grid.format(0.01), 483, 0.6),
    ]
    published = read_rows(REPOSITORY / PUBLISHED_FILE)
    text = report("faces", runs, rows, set(), published, [])
    assert "\nOf 3 networks with the report's recipe" in text
    assert "2 are more than 0.005 off:" in text
    assert (
        "\n- seeds/conv2_kernels8: 0.2262 ± 0.0002 here (3 seeds, 0.2260 to 0.2264), published"
        in text
    )
    assert "\n- seeds/conv1: diverged here, published 0.2484" in text
    assert "- seeds/conv2_kernels2" not in text

    lines = {line.split(" | ")[0]: line for line in text.splitlines()}
    assert lines["| conv2_kernels8"].endswith("| 46 | 0.008399 | 0.008512 | 0.2321 | -0.0059 |")
    assert lines["| conv_layers_2-kernels_8-learning_rate_10"].endswith(
        "| diverged |  |  |  | 1 |  |  | diverged |  |"
    )
    assert lines["| conv_layers_2-kernels_8-learning_rate_0.01"].endswith("|  |  |  |  |  |")


def test_points_of_one_recipe_are_held_against_what_was_published_together(runs):
    again, further = "l2/weight_decay_0.0", "luck/conv4_kernels4"
    rows = [
        *rows_of("seeds/conv4_kernels4", 0.25, 0.26),
        row(again, 483, 0.25, params="of seeds/conv4_kernels4 483"),
        row(further, 484, 0.26, params="of seeds/conv4_kernels4 484"),
        row(further, 486, 0.24),
    ]
    text = report("faces", runs, rows, set(), read_rows(REPOSITORY / PUBLISHED_FILE), [])
    assert "\nOf 1 networks" in text
    assert (
        f"\n- seeds/conv4_kernels4, {again}, {further}: 0.2500 ± 0.0100 here "
        "(3 seeds, 0.2400 to 0.2600), published 0.2618"
    ) in text


def test_sections_without_rows_are_left_out(runs):
    text = report("sample", runs, [row("seeds/tanh", 483, 0.4)], set(), [], [])
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Sweeps on sample",
        "## Against a table with one color for each gray level",
        "## Sweep seeds",
    ]
    assert "published" not in text
    assert "faces-grid-" not in text  # none of it was begun
    assert "| grid | 0 | 45 | 0 |" in text


def test_networks_that_a_table_beats_are_named(runs):
    rows = [
        *rows_of(AT_8, 0.25, 0.25),
        row("seeds/conv1", 483, 0.3, gain_over_table="-0.03"),
        row("seeds/conv1", 484, 0.3, gain_over_table="-0.01"),
        row("seeds/tanh", 483, 1.0, gain_over_table="-0.8", diverged="1"),
    ]
    text = report("faces", runs, rows, set(), [], [])
    assert "\n1 of 2 points have a lower margin error than the better" in text
    assert "seeds/conv2_kernels8 does best, +0.0100." in text
    assert "\n- seeds: 1 of 2: conv1 (-0.0200)" in text
    many = [row(f"grid/{n}", 483, 0.5, gain_over_table="-0.1") for n in range(7)]
    text = report("faces", runs, [*rows, *many], set(), [], [])
    assert "\n- seeds: 1 of 2: conv1 (-0.0200)\n- grid: 7 of 7\n" in text


def test_charts_lie_beside_the_report_and_go_with_their_rows(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_report, "DPI", 20)
    monkeypatch.setattr(sweep_report, "PUBLISHED_FILE", Path("nowhere.csv"))
    curve = [{"name": BASE[0]["name"], "margin": "12", "network": "0.25"}]
    other = tmp_path / "examples.png"
    other.touch()
    write_report(tmp_path, "faces", runs, BASE, histories(BASE[0]["name"]), curve, set())
    drawn = {"learning_seeds.png", "margins_seeds.png"}
    assert {path.name for path in tmp_path.glob("*.png")} == drawn | {other.name}
    assert all(f"({name})" in (tmp_path / "report.md").read_text() for name in drawn)
    assert "ablation.md" not in (tmp_path / "report.md").read_text()
    (tmp_path / "ablation.md").touch()
    write_report(tmp_path, "faces", runs, [], [], [], set())
    assert [*tmp_path.glob("*.png")] == [other]
    assert "(ablation.md)" in (tmp_path / "report.md").read_text()
