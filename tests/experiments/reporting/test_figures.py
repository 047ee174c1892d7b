import math

import numpy as np

from experiments.reporting.figures import figures, grid_errors, grid_figure
from experiments.runs.results import CURVES_FILE, HISTORIES_FILE, RUNS_FILE
from tests.experiments.conftest import BASE, histories, row


def test_the_heat_map_shows_each_error_in_its_cell(runs):
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


def test_learning_curves_are_those_of_the_first_seed_of_runs_with_rows(runs):
    rows = [*BASE, row("grid/conv_layers_4-kernels_2-learning_rate_0.1", 483, 0.3)]
    lines = histories(*(some["name"] for some in rows), "faces-seeds-tanh-483")
    drawn = figures(runs, {RUNS_FILE: rows, HISTORIES_FILE: lines, CURVES_FILE: []})
    assert set(drawn) == {"grid", "learning_seeds", "learning_grid"}
    (axes,) = drawn["learning_seeds"].axes
    (line,) = axes.get_lines()
    assert line.get_label() == "conv2 kernels8"
    np.testing.assert_array_equal(line.get_xydata(), [[1, 1], [2, 0.5]])
    (line,) = drawn["learning_grid"].axes[0].get_lines()
    assert line.get_label() == "4 conv, 2 kernels"


def test_margin_curves_are_drawn_minus_that_of_the_lowest_margin_error(runs):
    rows = [*BASE, row("seeds/tanh", 483, 0.2), row("seeds/conv1", 483, 0.3)]
    curves = [
        {"name": some["name"], "margin": str(margin), "network": str(share)}
        for some, shares in zip(rows[2:], ((9, 9), (1, 0.25), (1, 0.5)), strict=True)
        for margin, share in zip((0, 12), shares, strict=True)
    ]
    curves += [dict(some, name=BASE[0]["name"]) for some in curves[-2:]]
    tables = {RUNS_FILE: rows, HISTORIES_FILE: [], CURVES_FILE: curves}
    (axes,) = figures(runs, tables)["margins_seeds"].axes
    drawn = {str(line.get_label()): line.get_xydata().tolist() for line in axes.get_lines()}
    assert drawn == {
        "conv2 kernels8": [[0, 0], [12, 0.25]],
        "tanh": [[0, 0], [12, 0]],
        "conv1": [[0, 0], [12, 0.25]],
    }
    assert axes.get_ylabel().endswith("minus that of tanh")
