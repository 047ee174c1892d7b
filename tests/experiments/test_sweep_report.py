import math
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from experiments import sweep_report
from experiments.rows import Row, read_rows
from experiments.sweep_report import (
    AT_8,
    PUBLISHED_FILE,
    QUESTIONS,
    Comparison,
    answer,
    figures,
    grid_errors,
    grid_figure,
    points_of,
    report,
    wall_time,
    write_report,
)
from experiments.sweeps import SWEEPS_FILE, Run, read_sweep
from tests.conftest import REPOSITORY

SWEEPS = ("grid", "seeds", "l2", "batch_norm", "batch_norm_rates", "batch_norm_batches")
SEEDS = (483, 484, 485)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    sweeps = (*SWEEPS, "luck", "proposals")
    return [run for name in sweeps for run in read_sweep(REPOSITORY / SWEEPS_FILE, name, "faces")]


def row(place: str, seed: int, error: float, **others: str) -> Row:
    sweep, _, point = place.partition("/")
    return {
        "name": f"faces-{sweep}-{point}-{seed}",
        "sweep": sweep,
        "point": point,
        "seed": str(seed),
        "params": f"of {place} {seed}",
        "commit": "abcdef0123",
        "machine": "x86_64",
        "queued": "",
        "finished": "",
        "best_epoch": "7",
        "diverged": "0",
        "train_mse": "0.01",
        "val_mse": "0.02",
        "margin_error": str(error),
        "psnr": "23",
        "ssim": "0.9",
        "gain_over_table": "0.01",
        "table_margin_error": "0.2347",
        **others,
    }


def rows_of(place: str, *errors: float) -> list[Row]:
    return [row(place, seed, error) for seed, error in zip(SEEDS, errors, strict=False)]


def said(*rows: Row) -> str | None:
    return answer(Comparison("tanh", "seeds/tanh", AT_8), points_of(rows), {})


BASE = rows_of(AT_8, 0.25, 0.25, 0.25)


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


def test_wall_time_is_of_the_union_of_intervals():
    def between(queued: str, finished: str) -> Row:
        return row(AT_8, 483, 0.2, queued=queued, finished=finished)

    rows = [
        between("2026-11-23T10:30:00+00:00", "2026-11-23T12:00:00+00:00"),
        between("2026-11-23T10:00:00+00:00", "2026-11-23T11:00:00+00:00"),
        between("2026-11-23T10:10:00+00:00", "2026-11-23T10:20:00+00:00"),
        between("2026-11-23T16:00:00+03:00", "2026-11-23T13:15:00+00:00"),  # 13:00 in UTC
        between("", "2026-11-24T00:00:00+00:00"),
    ]
    assert wall_time(rows) == timedelta(hours=2, minutes=15)
    assert wall_time([]) == timedelta()


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


def test_the_heat_map_shows_each_error_at_its_place(runs):
    place = "grid/conv_layers_{}-kernels_{}-learning_rate_{}"
    rows = [
        row(place.format(1, 2, 0.1), 483, 0.25),
        row(place.format(4, 8, 0.1), 483, 0.75),
        row(place.format(2, 4, 10), 483, 1.0, diverged="1"),
    ]
    axes, errors = grid_errors(runs, rows)
    assert axes == [[0.0001, 0.001, 0.01, 0.1, 10], [1, 2, 4], [2, 4, 8]]
    expected = np.full((5, 3, 3), math.nan)
    expected[3, 0, 0], expected[3, 2, 2], expected[4, 1, 1] = 0.25, 0.75, math.inf
    np.testing.assert_array_equal(errors, expected)

    maps = [cell for cell in grid_figure(axes, errors).axes if cell.get_title()]
    assert [cell.get_title() for cell in maps][3:] == ["learning rate 0.1", "learning rate 10"]
    for cell, some in zip(maps, expected, strict=True):
        (image,) = cell.images
        shown = np.ma.filled(image.get_array(), math.nan)
        np.testing.assert_array_equal(shown, np.where(np.isfinite(some), some, math.nan))
        assert image.get_clim() == (0.25, 0.75)
    texts = [{text.get_text(): text.get_position() for text in cell.texts} for cell in maps[3:]]
    assert texts[0]["0.7500"] == (2, 2)  # kernels across, conv layers down
    assert texts[1]["diverged"] == (1, 1)


def histories(*names: str) -> list[Row]:
    return [
        {"name": name, "epoch": str(epoch), "val_margin_error": str(1 / epoch)}
        for name in names
        for epoch in (1, 2)
    ]


def test_learning_curves_are_of_the_first_seed_and_of_runs_that_are_there(runs):
    rows = [*BASE, row("grid/conv_layers_4-kernels_2-learning_rate_0.1", 483, 0.3)]
    lines = histories(*(some["name"] for some in rows), "faces-seeds-tanh-483")
    drawn = figures(runs, rows, lines, [])
    assert set(drawn) == {"grid", "learning_seeds", "learning_grid"}
    (axes,) = drawn["learning_seeds"].axes
    (line,) = axes.get_lines()
    assert line.get_label() == "conv2 kernels8"
    np.testing.assert_array_equal(line.get_xydata(), [[1, 1], [2, 0.5]])
    (line,) = drawn["learning_grid"].axes[0].get_lines()
    assert line.get_label() == "4 conv, 2 kernels"


def test_margin_curves_are_told_from_that_of_the_least_margin_error(runs):
    rows = [*BASE, row("seeds/tanh", 483, 0.2), row("seeds/conv1", 483, 0.3)]
    curves = [
        {"name": some["name"], "margin": str(margin), "network": str(share)}
        for some, shares in zip(rows[2:], ((9, 9), (1, 0.25), (1, 0.5)), strict=True)
        for margin, share in zip((0, 12), shares, strict=True)
    ]
    curves += [dict(some, name=BASE[0]["name"]) for some in curves[-2:]]
    (axes,) = figures(runs, rows, [], curves)["margins_seeds"].axes
    drawn = {str(line.get_label()): line.get_xydata().tolist() for line in axes.get_lines()}
    assert drawn == {
        "conv2 kernels8": [[0, 0], [12, 0.25]],
        "tanh": [[0, 0], [12, 0]],
        "conv1": [[0, 0], [12, 0.25]],
    }
    assert axes.get_ylabel().endswith("less that of tanh")


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
