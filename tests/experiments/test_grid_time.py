import sys
from collections import Counter

import pytest

from colorizer.errors import InputError
from experiments import grid_time
from experiments.grid_time import REPORT_BEST, comparison, epochs_of
from experiments.sweeps import SWEEPS_FILE, read_sweep
from tests.conftest import REPOSITORY

BEGAN, ENDED = "2026-01-01T00:00:00+00:00", "2026-01-01T00:10:00+00:00"


def test_epochs_are_counted_by_network():
    runs = read_sweep(REPOSITORY / SWEEPS_FILE, "grid", "faces")
    epochs = epochs_of([{"name": run.name, "epochs": "10"} for run in runs], runs)
    # Five learning rates; kernels make three networks of several layers, but one of one.
    several = {(layers, kernels): 50 for layers in (2, 4) for kernels in (2, 4, 8)}
    assert epochs == {(1, 0): 150, **several}


def test_times_are_compared():
    rows = [{"queued": BEGAN, "finished": ENDED}]  # 600 seconds
    said = comparison(
        rows,
        Counter({(1, 0): 100, (2, 2): 200}),
        {(1, 0): [2, 9, 1], (2, 2): [5, 4, 9], REPORT_BEST: [8, 8, 8]},
    )
    assert "| 1 conv | 2.00 (1.00..9.00) | 100 |" in said
    assert "1 runs, 300 epochs, 0:10:00 of wall time" in said
    assert "own epochs: 0:20:00, 2.0 times that" in said  # 100 * 2 + 200 * 5
    assert "16 kernels: 0:40:00, 4.0 times that" in said  # 300 * 8


def test_an_epoch_of_the_report_is_timed(raw, monkeypatch):
    monkeypatch.setattr(grid_time, "TIMED", 2)
    monkeypatch.chdir(REPOSITORY)
    (seconds,) = grid_time.seconds_of(raw, (1, 0))
    assert 0 < seconds < 60


def test_no_grid_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "argv", ["grid_time", "photos", str(tmp_path)])
    with pytest.raises(InputError, match=r"runs_of_sweeps.csv: has no run of the grid on photos"):
        grid_time.main()
