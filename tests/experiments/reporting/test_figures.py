import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.reporting.comparisons import QUESTIONS, answers
from experiments.reporting.figures import (
    differences_figure,
    draw_learning,
    figures,
    grid_errors,
    grid_figure,
)
from experiments.runs.results import CURVES_FILE, HISTORIES_FILE
from tests.experiments.conftest import BASE, histories, results_of, row

NO_CURVES = pd.DataFrame(columns=["name", "margin", "network"])


def test_the_heat_map_shows_each_error_in_its_cell(runs):
    place = "grid/conv_layers_{}-kernels_{}-learning_rate_{}"
    results = results_of(
        runs,
        row(place.format(1, 2, 0.1), 483, 0.25),
        row(place.format(4, 8, 0.1), 483, 0.75, first_margin_error="0.9"),
        row(place.format(4, 2, 0.1), 483, 0.79, first_margin_error="0.79"),  # learned nothing
        row(place.format(2, 4, 10), 483, 1.0, diverged="1"),
    )
    errors = grid_errors(runs, results)
    found = {tuple(some[:3]): some[3:] for some in errors.itertuples(index=False, name=None)}
    assert found == {
        (0.1, 1, 2): (0.25, True),
        (0.1, 4, 8): (0.75, True),
        (0.1, 4, 2): (0.79, False),
        (10, 2, 4): (math.inf, False),
    }
    maps = grid_figure(errors).axes
    assert [cell.get_title() for cell in maps] == ["learning rate 0.1", "learning rate 10"]
    (image,) = maps[0].images
    expected = [[0.25, math.nan], [0.79, 0.75]]  # conv layers down, kernels across
    np.testing.assert_array_equal(np.ma.filled(image.get_array(), math.nan), expected)
    assert image.get_clim() == (0.25, 0.75)  # without the one that learned nothing
    texts = [{text.get_text(): text.get_position() for text in cell.texts} for cell in maps]
    assert texts[0]["0.7500"] == (1, 1)
    assert texts[1] == {"diverged": (0, 0)}


def test_differences_are_a_dot_for_each_seed(runs):
    tanh = [row("seeds/tanh", seed, error) for seed, error in ((0, 0.30), (483, 0.28))]
    results = results_of(runs, row("seeds/conv2_kernels8", 0, 0.25), *BASE, *tanh)
    figure = differences_figure({"Tanh": answers(QUESTIONS["Tanh"], results, {})})
    (axes,) = figure.axes
    drawn = {
        str(points.get_label()): points.get_offsets().round(6).tolist()
        for points in axes.collections
    }
    assert drawn == {
        "the report's seed, 0": [[0.05, 1]],
        "other seeds": [[0.03, 1]],
        "mean": [[0.04, 1]],
    }
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["Tanh", "with tanh at the end"]


def test_learning_curves_are_means_over_seeds_and_failed_runs_have_a_panel(runs):
    failed = row("seeds/tanh", 483, 0.795)
    results = results_of(runs, *BASE, failed, row("seeds/tanh", 484, 1.0, diverged="1"))
    names = [some["name"] for some in BASE]
    lines = histories(*names, failed["name"], "faces-seeds-tanh-484", "faces-seeds-conv1-483")
    lines.loc[lines["name"] == names[0], "val_margin_error"] = "0.4"
    tables = {HISTORIES_FILE: lines, CURVES_FILE: NO_CURVES}
    drawn = figures(runs, results, tables, {})
    assert set(drawn) == {"learning_seeds"}
    axes, panel = drawn["learning_seeds"].axes
    (line,) = axes.get_lines()
    assert line.get_label() == "conv2 kernels8"
    np.testing.assert_allclose(line.get_xydata(), [[1, 2.4 / 3], [2, 1.4 / 3]])
    (line,) = panel.get_lines()
    assert line.get_label() == "tanh"
    np.testing.assert_array_equal(line.get_xydata(), [[1, 1], [2, 0.5]])


def test_a_mean_ends_where_half_of_the_runs_have_ended():
    axes = Figure().add_subplot()
    lengths = {"a": 2, "b": 4, "c": 5}
    history = pd.DataFrame(
        {"name": name, "epoch": epoch, "error": 1 / epoch}
        for name, length in lengths.items()
        for epoch in range(1, length + 1)
    )
    draw_learning(axes, {"some": history}, "error", every_run=False)
    (line,) = axes.get_lines()
    np.testing.assert_allclose(line.get_xydata(), [[epoch, 1 / epoch] for epoch in (1, 2, 3, 4)])
    low, high = axes.get_ylim()
    assert low < 0.25 < 0.5 < high


def test_margin_curves_are_drawn_minus_that_of_the_lowest_margin_error(runs):
    rows = [*BASE, row("seeds/tanh", 483, 0.2), row("seeds/conv1", 483, 0.3)]
    curves = [
        {"name": some["name"], "margin": str(margin), "network": str(share)}
        for some, shares in zip(rows[1:], ((1, 0.4), (1, 0.6), (1, 0.25), (1, 0.5)), strict=True)
        for margin, share in zip((0, 12), shares, strict=True)
    ]
    tables = {HISTORIES_FILE: histories("other"), CURVES_FILE: pd.DataFrame(curves)}
    (axes,) = figures(runs, results_of(runs, *rows), tables, {})["margins_seeds"].axes
    drawn = {str(line.get_label()): line.get_xydata().tolist() for line in axes.get_lines()}
    assert drawn == {
        "conv2 kernels8": [[0, 0], [12, 0.25]],  # the mean of two seeds
        "tanh": [[0, 0], [12, 0]],
        "conv1": [[0, 0], [12, 0.25]],
    }
    assert axes.get_ylabel().endswith("minus that of tanh")


def test_nothing_is_drawn_without_rows(runs):
    tables = {HISTORIES_FILE: histories("other"), CURVES_FILE: NO_CURVES}
    assert figures(runs, results_of(runs), tables, {}) == {}
