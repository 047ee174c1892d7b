from datetime import timedelta

from experiments.reporting.comparisons import KERNELS_8
from experiments.reporting.statistics import failure, failures, wall_time
from experiments.runs.results import Row
from tests.experiments.conftest import row


def test_a_run_failed_when_it_diverged_or_learned_nothing():
    diverged = row(KERNELS_8, 483, 1.0, diverged="1")
    dead = row(KERNELS_8, 484, 0.793)  # after 0.8, where gray copied has 0.7362
    slow = row(KERNELS_8, 485, 0.79)
    immediate = row(KERNELS_8, 486, 0.25, first_margin_error="0.25")
    rows = [diverged, dead, slow, immediate]
    assert [*map(failure, rows)] == ["diverged", "learned nothing", "", ""]
    assert failures(rows) == " (1 of 4 diverged) (1 of 4 learned nothing)"
    assert failures([dead]) == " (learned nothing)"
    assert failures([slow]) == failures([slow, immediate]) == ""


def test_wall_time_is_that_of_the_union_of_intervals():
    def between(queued: str, finished: str) -> Row:
        return row(KERNELS_8, 483, 0.2, queued=queued, finished=finished)

    rows = [
        between("2026-11-23T10:30:00+00:00", "2026-11-23T12:00:00+00:00"),
        between("2026-11-23T10:00:00+00:00", "2026-11-23T11:00:00+00:00"),
        between("2026-11-23T10:10:00+00:00", "2026-11-23T10:20:00+00:00"),
        between("2026-11-23T16:00:00+03:00", "2026-11-23T13:15:00+00:00"),  # 13:00 in UTC
        between("", "2026-11-24T00:00:00+00:00"),
    ]
    assert wall_time(rows) == timedelta(hours=2, minutes=15)
    assert wall_time([]) == timedelta()
