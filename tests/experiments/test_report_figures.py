"""The figures of the report and its hidden kernels, from a real sweep of two small networks."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.hidden_kernels import active_shares, count_kernels
from experiments.report_figures import curves_figure, images_figure
from tests.colorizer.models.conftest import build
from tests.conftest import Run, draw_photos
from tests.experiments.conftest import histories, results_of, row

SWEEPS = """
report:
  seeds: [483]
  runs:
    conv2_kernels16: {}  # as committed, so that nothing runs
    tanh: {model.tanh: true, model.conv_layers: 3}
"""
PUBLISHED = """\
network,title,epochs,train_mse,val_mse,margin_error
report/conv2_kernels16,the best,35,0.008325,0.008407,0.2290
report/tanh,tanh,38,0.008992,0.009041,0.2500
"""


@pytest.fixture(scope="module")
def swept(built: Path, run: Run) -> Path:
    (built / "experiments/sweeps.yaml").write_text(SWEEPS)
    (built / "experiments/published.csv").write_text(PUBLISHED)
    run("git", "commit", "--quiet", "--all", "--message", "Two networks")
    run("dvc", "config", "--local", "cache.type", "hardlink,copy")  # as with many photographs
    run("python", "-m", "experiments.sweep", "tiny", "results", "report", "--jobs", "1")
    # A later commit that changes neither code nor params.
    run("git", "commit", "--quiet", "--allow-empty", "--message", "Words")
    return built


def test_each_network_has_its_figures(swept, run):
    words = ("python", "-m", "experiments.report_figures", "tiny", "results", "figures")
    assert run(*words).stdout == "figures: 2 figures\n"
    curves = {f"{name}_curves.png" for name in ("conv2_kernels16", "tanh")}
    assert {path.name for path in (swept / "figures").iterdir()} == curves
    run(*words, "--images", "data/prepared/val")
    images = {f"{name}_images.png" for name in ("conv2_kernels16", "tanh")}
    assert {path.name for path in (swept / "figures").iterdir()} == curves | images
    refused = run(*words, "--images", "data/prepared/train", succeeds=False)
    assert refused.stderr.endswith(
        "-estimations_val.npy: holds uint8 (6, 16, 16, 3), should hold uint8 (12, 16, 16, 3)\n"
    )


def test_hidden_kernels_of_a_sweep_are_counted(swept, run):
    run(
        "python",
        "-m",
        "experiments.hidden_kernels",
        "tiny",
        "data/prepared/val",
        "results",
        "report",
    )
    with (swept / "results/hidden_kernels.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    for name, kernels in (("tiny-report-conv2_kernels16-483", 4), ("tiny-report-tanh-483", 2 * 4)):
        assert sum(int(rows[name][kind]) for kind in ("dead", "always_on", "bending")) == kernels
    run("python", "-m", "experiments.collect", "tiny", "results")
    assert (rows["tiny-report-tanh-483"]["dead_layers"], len(rows)) == ("0", 2)
    assert "## What the hidden kernels do" in (swept / "results/report.md").read_text()


@pytest.mark.usefixtures("swept")
def test_a_network_that_was_not_run_is_named(run):
    words = ("python", "-m", "experiments.report_figures", "other", "results", "figures")
    refused = run(*words, succeeds=False).stderr
    assert refused == "error: results/runs_of_sweeps.csv: has no run of report/conv2_kernels16\n"


def test_kernels_are_counted_by_when_they_are_active():
    network = build(kernels=3, kernel_size=1, tanh=True)
    first, last = network.body[0], network.body[2]
    with torch.no_grad():
        first.weight.copy_(torch.tensor([-1.0, 1.0, 1.0]).view(3, 1, 1, 1))
        first.bias.copy_(torch.tensor([-1.0, 1.1, 0.0]))  # never, always, for half of the grays
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, 3.0, -3.0]))  # tanh(3) is 0.995
    gray = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).repeat(20, 1, 1)
    shares, saturated = active_shares(network, gray)
    (layer,) = shares
    assert layer.tolist() == pytest.approx([0, 1, 0.5])
    assert saturated == pytest.approx(2 / 3)
    counts = {"dead": 1, "always_on": 1, "bending": 1, "dead_layers": 0}
    assert count_kernels(shares) == counts
    dead = count_kernels([layer, torch.zeros(2)])
    assert dead == counts | {"dead": 3, "dead_layers": 1}
    assert active_shares(build(conv_layers=1), gray)[0] == []


def test_curves_are_those_of_all_seeds(runs):
    rows = [row("seeds/tanh", seed, 0.3) for seed in (0, 483)]
    rows.append(row("seeds/tanh", 484, 1.0, diverged="1"))
    lines = histories(*(some["name"] for some in rows), "other")
    lines = lines.astype(dict.fromkeys(lines.columns.drop("name"), float))
    found = results_of(runs, *rows).of_network("report/tanh")
    figure = curves_figure("tanh", found, lines)
    mse, margin_error = figure.axes
    assert [len(axes.get_lines()) for axes in (mse, margin_error)] == [
        2 * 3,
        3,
    ]  # two runs, their mean
    mean = margin_error.get_lines()[-1]
    np.testing.assert_allclose(mean.get_xydata(), [[1, 1], [2, 0.5]])
    assert figure.get_suptitle().startswith("tanh; seeds 0, 483, 484 (1 of 3 diverged)")
    nothing = curves_figure("tanh", found[found["failure"] == "diverged"], lines)
    assert not any(axes.get_lines() for axes in nothing.axes)


def test_rows_of_images_are_gray_prediction_and_target(make_split):
    split = make_split(draw_photos(6, seed=1), "val")
    predictions = 255 - split.rgb
    figure = images_figure("tanh", predictions, split, 4)
    drawn = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert len(drawn) == 12
    columns = pd.DataFrame({"gray": range(4), "prediction": range(4, 8), "target": range(8, 12)})
    for gray, prediction, target in columns.itertuples(index=False):
        (index,) = (number for number in range(6) if (split.rgb[number] == drawn[target]).all())
        np.testing.assert_array_equal(drawn[gray], split.gray[index])
        np.testing.assert_array_equal(drawn[prediction], predictions[index])
