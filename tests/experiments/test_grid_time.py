import sys

import pandas as pd
import pytest

from colorizer.errors import InputError
from experiments import grid_time
from experiments.grid_time import REPORT_BEST, comparison, count_epochs
from experiments.reporting.figures import grid_settings
from experiments.runs.sweeps import SWEEPS_FILE, read_sweep
from experiments.runs.timing import reference_epochs
from tests.conftest import REPOSITORY

QUEUED, FINISHED = "2026-01-01T00:00:00+00:00", "2026-01-01T00:10:00+00:00"


def test_epochs_are_counted_for_each_network():
    runs = read_sweep(REPOSITORY / SWEEPS_FILE, "grid", "faces")
    rows = pd.DataFrame({"name": run.name, "epochs": "10"} for run in runs)
    epochs = count_epochs(rows, grid_settings(runs))
    # Five learning rates; three numbers of kernels, which make no difference with one layer.
    several = {(layers, kernels): 50 for layers in (2, 4) for kernels in (2, 4, 8)}
    assert epochs.to_dict() == {(1, 0): 150, **several}


def test_times_are_compared():
    rows = pd.DataFrame([{"started": QUEUED, "finished": FINISHED}])  # 600 seconds
    text = comparison(
        rows,
        pd.Series({(1, 0): 100, (2, 2): 200}),
        {(1, 0): [2, 9, 1], (2, 2): [5, 4, 9], REPORT_BEST: [8, 8, 8]},
    )
    assert "| 1 conv | 2.00 (1.00..9.00) | 100 |" in text
    assert "1 runs, 300 epochs, 0:10:00 of wall time" in text
    assert "with each network: 0:20:00, 2.0 times that" in text  # 100 * 2 + 200 * 5
    assert "16 kernels: 0:40:00, 4.0 times that" in text  # 300 * 8


def test_an_epoch_of_the_reference_loop_is_timed(raw, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    (seconds,) = reference_epochs(raw, 1, 0, epochs=2)
    assert 0 < seconds < 60


def test_results_without_a_grid_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "argv", ["grid_time", "photos", str(tmp_path)])
    with pytest.raises(InputError, match=r"runs_of_sweeps.csv: has no run of the grid on photos"):
        grid_time.main()
