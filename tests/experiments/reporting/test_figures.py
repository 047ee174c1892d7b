import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.reporting.comparisons import answers, paired_differences, read_questions
from experiments.reporting.figures import (
    differences_figure,
    draw_runs,
    figures,
    grid_figure,
    grid_settings,
    set_error_limits,
    steps_figure,
)
from experiments.runs.results import CURVES_FOLDER, HISTORIES_FOLDER
from tests.experiments.conftest import BASE, KERNELS_8, histories, results_of, row

NO_CURVES = pd.DataFrame(columns=["name", "margin", "network"])
GRID_POINT = "grid/conv_layers_{}-kernels_{}-learning_rate_{}"


def test_the_heat_map_shows_each_error_in_its_cell(runs):
    results = results_of(
        runs,
        row(GRID_POINT.format(1, 2, 0.1), 483, 0.23),
        row(GRID_POINT.format(2, 2, 0.1), 483, 0.26),
        row(GRID_POINT.format(4, 8, 0.1), 483, 0.75, first_margin_error="0.9"),
        row(GRID_POINT.format(4, 2, 0.1), 483, 0.79, first_margin_error="0.79"),
        row(GRID_POINT.format(2, 4, 10), 483, 1.0, diverged="1"),
    )
    low, high, bar = grid_figure(grid_settings(runs).merge(results.rows, on="name")).axes
    assert [cells.get_title() for cells in (low, high)] == ["learning rate 0.1", "learning rate 10"]
    texts = {text.get_position(): text.get_text() for text in low.texts}
    # Conv layers 1, 2 and 4 down, kernels 2 and 8 across.
    assert texts == {
        (0, 0): "0.2300",
        (0, 1): "0.2600",
        (0, 2): "learned\nnothing",
        (1, 0): "missing",
        (1, 1): "missing",
        (1, 2): "0.7500",
    }
    assert [text.get_text() for text in high.texts] == ["diverged"]
    (image,) = low.images
    colors = image.cmap(image.norm(image.get_array()))
    shades = image.norm(image.get_array())
    # 0.23 differs from 0.26 at least a third as much as from 0.75; failed runs are gray.
    assert shades[0, 0] == 0
    assert shades[2, 1] == 1
    assert shades[1, 0] > 1 / 3
    np.testing.assert_allclose(colors[2, 0, :3], 211 / 255)
    assert bar.get_ylabel() == "margin error, lower is better"
    labels = [text.get_text() for text in bar.get_yticklabels()]
    assert (labels[0], labels[-1]) == ("0.230", "0.750")


def test_a_grid_in_which_every_run_failed_is_drawn(runs):
    results = results_of(runs, row(GRID_POINT.format(2, 4, 10), 483, 1.0, diverged="1"))
    cells, _ = grid_figure(grid_settings(runs).merge(results.rows, on="name")).axes
    assert [text.get_text() for text in cells.texts] == ["diverged"]


def test_differences_are_a_dot_for_each_seed_and_an_interval(runs):
    tanh = [row("seeds/tanh", seed, error) for seed, error in ((0, 0.30), (483, 0.28), (484, 0.29))]
    results = results_of(runs, row(KERNELS_8, 0, 0.25), *BASE, *tanh)
    differences = paired_differences(read_questions(), results)
    published = pd.Series({results.recipes["seeds/tanh"]: 0.3, results.recipes[KERNELS_8]: 0.28})
    found = answers(differences, results, published).loc[["Tanh"]]
    figure = differences_figure(found, differences[differences["question"] == "Tanh"])
    axes = figure.axes[0]
    drawn = {
        str(points.get_label()): points.get_offsets()[:, 0].round(6).tolist()
        for points in axes.collections
        if not str(points.get_label()).startswith("_")
    }
    assert drawn == {
        "the report's seed, 0": [0.05],
        "other seeds": [0.03, 0.04],
        "the report": [0.02],
    }
    (bars,) = axes.containers
    (interval,) = bars.lines[2][0].get_segments()
    np.testing.assert_allclose(interval[:, 0], 0.04 + np.array([-1, 1]) * 0.02484, atol=1e-5)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["with tanh at the end"]
    (right,) = axes.child_axes
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["n = 3, higher"]
    low, high = axes.get_xlim()
    assert low < 0 < interval[1, 0] < high


def test_an_interval_of_two_seeds_does_not_stretch_the_axis(runs):
    tanh = [row("seeds/tanh", 483, 0.28), row("seeds/tanh", 484, 0.29)]  # 0.03 to 0.04, +-0.064
    results = results_of(runs, *BASE, *tanh)
    differences = paired_differences(read_questions(), results)
    found = answers(differences, results, pd.Series(dtype=float)).loc[["Tanh"]]
    axes = differences_figure(found, differences[differences["question"] == "Tanh"]).axes[0]
    assert max(map(abs, axes.get_xlim())) < 0.05


def test_learning_curves_have_a_panel_for_each_network(runs):
    failed = row("seeds/tanh", 483, 0.795)
    results = results_of(runs, *BASE, failed, row("seeds/tanh", 484, 1.0, diverged="1"))
    names = [some["name"] for some in BASE]
    lines = histories(*names, failed["name"], "faces-seeds-tanh-484", "faces-seeds-conv1-483")
    lines.loc[lines["name"] == names[0], "val_margin_error"] = "0.4"
    tables = {HISTORIES_FOLDER: lines, CURVES_FOLDER: NO_CURVES}
    drawn = figures(runs, results, tables)
    assert set(drawn) == {"learning_seeds"}
    kernels, tanh = drawn["learning_seeds"].axes
    assert kernels.get_title() == "conv2 kernels8"
    (mean,) = (line for line in kernels.get_lines() if line.get_label() == "conv2 kernels8")
    np.testing.assert_allclose(mean.get_xydata(), [[1, 2.4 / 3], [2, 1.4 / 3]])
    assert len(kernels.get_lines()) == 1 + 3 + 1  # gray means, runs, their mean
    assert tanh.get_title() == "tanh (1 of 2 learned nothing) (1 of 2 diverged)"
    assert [line.get_color() for line in tanh.get_lines()[:1]] == ["gray"]


def test_a_run_that_has_ended_counts_with_its_last_value():
    axes = Figure().add_subplot()
    history = pd.DataFrame(
        {"name": name, "epoch": epoch, "error": 1 / epoch}
        for name, length in {"a": 2, "b": 4}.items()
        for epoch in range(1, length + 1)
    )
    draw_runs(axes, history, "error", "C0", "some")
    *runs, mean = axes.get_lines()
    assert [len(line.get_xydata()) for line in runs] == [2, 4]
    expected = [[1, 1], [2, 1 / 2], [3, (1 / 2 + 1 / 3) / 2], [4, (1 / 2 + 1 / 4) / 2]]
    np.testing.assert_allclose(mean.get_xydata(), expected)


def test_the_first_epochs_do_not_stretch_the_axis():
    axes = Figure().add_subplot()
    set_error_limits(axes, pd.Series([0.9, *np.linspace(0.3, 0.25, 20)]))
    low, high = axes.get_ylim()
    assert 0.24 < low < 0.25
    assert 0.29 < high < 0.31


def test_margin_curves_are_drawn_minus_that_of_the_lowest_margin_error(runs):
    rows = [*BASE, row("seeds/tanh", 483, 0.2), row("seeds/conv1", 483, 0.3)]
    curves = [
        {"name": some["name"], "margin": str(margin), "network": str(share)}
        for some, shares in zip(rows[1:], ((1, 0.4), (1, 0.6), (1, 0.25), (1, 0.5)), strict=True)
        for margin, share in zip((0, 12), shares, strict=True)
    ]
    tables = {HISTORIES_FOLDER: histories("other"), CURVES_FOLDER: pd.DataFrame(curves)}
    (axes,) = figures(runs, results_of(runs, *rows), tables)["margins_seeds"].axes
    drawn = {str(line.get_label()): line.get_xydata().tolist() for line in axes.get_lines()}
    assert {label: points for label, points in drawn.items() if label[0] != "_"} == {
        "conv2 kernels8": [[0, 0], [12, 0.25]],  # the mean of two seeds
        "tanh": [[0, 0], [12, 0]],
        "conv1": [[0, 0], [12, 0.25]],
    }
    assert axes.get_ylabel().endswith("minus that of tanh; lower is better")


def test_nothing_is_drawn_without_rows(runs):
    tables = {HISTORIES_FOLDER: histories("other"), CURVES_FOLDER: NO_CURVES}
    assert figures(runs, results_of(runs), tables) == {}


def test_steps_are_drawn_against_their_time_and_named_from_low_to_high():
    steps = pd.DataFrame(
        {"time": [0.2, 0.04, 0.8], "margin_error": [0.23, 0.2, 0.19], "deviation": [0.01, None, 0]},
        index=["first", "fast", "last"],
    )
    (axes,) = steps_figure(steps).axes
    assert axes.get_xscale() == "log"
    path = axes.lines[1].get_xydata()
    np.testing.assert_array_equal(path, [[0.2, 0.23], [0.04, 0.2], [0.8, 0.19]])
    names = sorted((text.xyann[1], text.get_text(), text.xy) for text in axes.texts)
    assert [name for _, name, _ in names] == ["last 0.1900", "fast 0.2000", "first 0.2300"]
    assert [point for _, _, point in names] == [(0.8, 0.19), (0.04, 0.2), (0.2, 0.23)]
    (bars,) = axes.collections  # of one deviation, then none for a single seed
    spans = [np.ptp(bar[:, 1]) for bar in bars.get_segments()]
    np.testing.assert_allclose(spans, [0.02, 0, 0], atol=1e-12)
