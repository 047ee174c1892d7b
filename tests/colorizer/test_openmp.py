import os
import subprocess
import sys

import pytest

from colorizer import openmp
from tests.conftest import REPOSITORY


@pytest.fixture
def processors(monkeypatch):
    """Let a machine have processors that are busy by these percentages."""

    def set_busy(*percentages: float) -> tuple[float, int]:
        monkeypatch.setattr(openmp.psutil, "cpu_percent", lambda *_, **__: list(percentages))
        monkeypatch.setattr(os, "cpu_count", lambda: len(percentages))
        allowed = set(range(len(percentages)))
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed, raising=False)
        idle, count = openmp.idle_processors(0.05)
        monkeypatch.setattr(openmp, "IDLE", idle)
        monkeypatch.setattr(openmp, "PROCESSORS", count)
        return idle, count

    return set_busy


@pytest.mark.parametrize(
    ("busy", "sleeps"),
    [((0, 0), False), ((20, 4), False), ((100, 0), True), ((40, 60), True), ((5, 100, 9, 0), True)],
)
def test_waiting_threads_sleep_on_a_busy_machine(processors, monkeypatch, busy, sleeps):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    openmp.choose_wait_policy(*processors(*busy))
    assert os.environ.get("OMP_WAIT_POLICY") == ("PASSIVE" if sleeps else None)


def test_the_choice_of_the_user_stays(processors, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    openmp.choose_wait_policy(*processors(100, 100))
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_only_processors_of_this_process_count(processors, monkeypatch):
    processors(100, 100, 0, 10)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3}, raising=False)
    assert openmp.idle_processors(0.05) == (pytest.approx(1.9), 2)


def test_all_listed_processors_count_where_some_are_offline(processors, monkeypatch):
    processors(100, 50)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 5}, raising=False)
    assert openmp.idle_processors(0.05) == (pytest.approx(0.5), 2)


def test_a_busy_machine_is_named_when_threads_would_wait(processors):
    processors(100, 30)
    assert "0.7 of 2 processors are idle" in openmp.busy_warning(2)
    assert openmp.busy_warning(1) is None
    processors(0, 10)
    assert openmp.busy_warning(2) is None
    processors(100, 100, 0, 0)
    assert openmp.busy_warning(2) is None
    assert openmp.busy_warning(3)


@pytest.mark.parametrize(
    "module", ["stages.train", "stages.evaluate", "stages.predict_test", "colorizer.__main__"]
)
def test_the_choice_is_made_before_pytorch_is_loaded(module):
    """PyTorch's OpenMP library prints its settings, as it has read them."""
    code = f"""
import psutil
psutil.cpu_percent = lambda *_, percpu: [100.0] * psutil.cpu_count()
import {module}
"""
    environment = {**os.environ, "OMP_DISPLAY_ENV": "true"}
    environment.pop("OMP_WAIT_POLICY", None)
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in process.stderr
