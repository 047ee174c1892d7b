import csv
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from colorizer.device import available_device, processor_name
from colorizer.errors import InputError
from experiments import recheck
from experiments.recheck import find_candidates, stamp
from experiments.runs.identity import code_digest, holding
from experiments.runs.rechecks import draw
from experiments.runs.results import CURVES_FOLDER, HISTORIES_FOLDER, RUNS_FILE, Tables, read_tables
from experiments.runs.runner import Cluster
from experiments.runs.sweeps import SWEEPS_FILE, Run, read_sweep
from experiments.runs.worker import Project
from tests.experiments.conftest import (
    CURVE,
    HISTORY,
    PARAMS,
    RUN,
    SWEEPS,
    experiment,
    git,
    publish,
    write,
)

NAMES = ["photos-few-plain-1", "photos-few-wide-1", "photos-few-plain-2", RUN]
RESULTS = Path("results")
MACHINE = processor_name(available_device())

Recheck = Callable[..., list[str]]


def runs() -> list[Run]:
    return read_sweep(SWEEPS_FILE, "few", "photos")


def commit_of_run(name: str, **values: Any) -> str:
    """Commit what a run measures; `values` are those that differ from its row."""
    _, _, point, seed = name.split("-")
    return experiment({"plain": 8, "wide": 4}[point], int(seed), **values)


def edit_code(path: str = "train.py", text: str = "other = 'train.py'\n") -> None:
    """Commit an edit of the code after which no row holds."""
    write({path: text})
    git("commit", "-qam", "rename")
    assert holding(RESULTS, runs()) == set()


def assert_stamped(before: Tables) -> None:
    """Nothing has changed in the results but the digest of the code."""
    expected = before | {RUNS_FILE: before[RUNS_FILE].assign(code=code_digest())}
    for file, rows in read_tables(RESULTS).items():
        pd.testing.assert_frame_equal(rows, expected[file])


def rechecks() -> list[dict[str, str]]:
    with (RESULTS / "rechecks.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def files() -> dict[str, bytes]:
    files = (path for path in RESULTS.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


@pytest.fixture(autouse=True)
def rows(repository, collected) -> None:
    """Rows of four runs in results/."""
    collected({name: commit_of_run(name) for name in NAMES})
    assert holding(repository / RESULTS, runs()) == {*NAMES}


@pytest.fixture
def run_recheck(monkeypatch) -> Recheck:
    """Recheck without DVC; the names of the runs that were run."""

    def run(
        *options: str, rows: int = 2, seed: int = 7, failed: Sequence[str] = (), **values: Any
    ) -> list[str]:
        """`values` are those that differ in the last rerun from the row."""
        names: list[str] = []

        def run_missing(
            _: Project,
            runs: Sequence[Run],
            held: set[str],
            cluster: Cluster,
            options: tuple[str, ...],
        ) -> dict[str, tuple[str, str]]:
            assert (held, cluster) == (set(), Cluster(3, None, None, {}))
            assert options == ("--force",)  # or DVC's run cache would answer
            names.extend(run.name for run in runs)
            *others, last = [name.removeprefix("recheck-") for name in names]
            commits = {name: commit_of_run(name) for name in others}
            commits[last] = commit_of_run(last, **values)
            publish({f"recheck-{name}": commit for name, commit in commits.items()})
            return dict.fromkeys(failed, ("is unlucky", ""))

        project = Project("", git("rev-parse", "HEAD"), "", None, ("a", "a@b"))
        monkeypatch.setattr(recheck, "committed_project", lambda *_: project)
        monkeypatch.setattr(recheck, "run_missing", run_missing)
        words = ["photos", "results", "--rows", str(rows), "--seed", str(seed), "--jobs", "3"]
        monkeypatch.setattr(sys, "argv", ["recheck", *words, *options])
        recheck.main()
        return names

    return run


def test_after_identical_reruns_all_rows_hold_for_the_new_code(run_recheck, capsys):
    before, charts = read_tables(RESULTS), {*RESULTS.glob("*.png")}
    edit_code()
    reran = run_recheck()
    assert len(reran) == 2
    assert {*reran} <= {f"recheck-{name}" for name in NAMES}
    assert_stamped(before)
    assert {*before[RUNS_FILE]["code"]} != {code_digest()}
    assert holding(RESULTS, runs()) == {*NAMES}
    assert {*RESULTS.glob("*.png")} == charts
    assert "2 of 4 rows rerun, identical: all hold for this code" in capsys.readouterr().out

    commit = git("rev-parse", "HEAD")
    assert rechecks() == [
        {
            "table": RUNS_FILE,
            "commit": commit,
            "code": code_digest(),
            "machine": MACHINE,
            "seed": "7",
            "rerun": "2",
            "rows": "4",
            "compared_with": "the rows",
        }
    ]
    assert (
        f"\nLast checked on {commit[:7]}: 2 of 4 rows rerun (drawn with seed 7, on {MACHINE}), "
        "identical to the rows.\n"
    ) in (RESULTS / "report.md").read_text()


def test_each_recheck_adds_a_line_and_the_report_shows_the_last_one(run_recheck):
    edit_code()
    run_recheck()
    first = rechecks()
    edit_code("room/layers.py", "other = 2\n")
    run_recheck(rows=9, seed=8)
    lines = rechecks()
    assert lines[:-1] == first
    assert (lines[-1]["rerun"], lines[-1]["rows"], lines[-1]["seed"]) == ("4", "4", "8")
    report = (RESULTS / "report.md").read_text()
    assert report.count("Last checked on") == 1
    assert f"Last checked on {git('rev-parse', 'HEAD')[:7]}: 4 of 4 rows rerun" in report


@pytest.mark.parametrize(
    ("values", "difference"),
    [
        ({"error": 0.2500001}, f"margin_error is 0.2500001, expected 0.25 ({RUNS_FILE})"),
        (
            {"history": HISTORY.replace("2,0.1,0.2,", "2,0.1,0.2000001,")},
            f"val_mse is 0.2000001, expected 0.2 ({HISTORIES_FOLDER})",
        ),
        (
            {"curve": CURVE.replace("12,0.25", "12,0.2500001")},
            f"network is 0.2500001, expected 0.25 ({CURVES_FOLDER})",
        ),
        ({"curve": CURVE + "13,0.2,0.4\n"}, f"has 3 rows of {CURVES_FOLDER}, expected 2"),
    ],
    ids=["a metric", "an epoch", "a margin", "another margin"],
)
def test_after_a_rerun_that_differs_no_file_is_changed(run_recheck, values, difference):
    edit_code()
    before = files()
    with pytest.raises(InputError) as error:
        run_recheck(rows=4, **values)
    assert str(error.value).splitlines() == [
        "reruns differ, and no row was changed:",
        f"  {RUN}: {difference}",
    ]
    assert files() == before
    assert holding(RESULTS, runs()) == set()


def test_rows_of_other_params_are_not_stamped(run_recheck):
    plain = [name for name in NAMES if "plain" in name]
    write({str(SWEEPS_FILE): SWEEPS.replace("kernels: 4", "kernels: 5")})
    edit_code()
    rows = read_tables(RESULTS)[RUNS_FILE]
    candidates = find_candidates(rows, runs())
    assert [run.name for run in candidates] == plain
    expected = {
        name: code_digest() if name in plain else code
        for name, code in zip(rows["name"], rows["code"], strict=True)
    }
    stamped = stamp(rows, candidates)
    assert dict(zip(stamped["name"], stamped["code"], strict=True)) == expected

    assert sorted(run_recheck(rows=4)) == [f"recheck-{name}" for name in sorted(plain)]
    assert holding(RESULTS, runs()) == {*plain}
    after = read_tables(RESULTS)[RUNS_FILE]
    assert dict(zip(after["name"], after["code"], strict=True)) == expected
    report = (RESULTS / "report.md").read_text()
    assert "| plain |" in report
    assert "| wide |" not in report


def test_rows_of_other_code_are_rechecked_first():
    rows = read_tables(RESULTS)[RUNS_FILE]
    assert [run.name for run in find_candidates(rows, runs())] == NAMES
    edit_code()
    rows.loc[1, "code"] = code_digest()
    others = [name for name in NAMES if name != rows.loc[1, "name"]]
    assert [run.name for run in find_candidates(rows, runs())] == others


def test_the_draw_depends_on_the_seed_alone(run_recheck):
    assert draw("abcdefghij", 3, 0) == draw("abcdefghij", 3, 0) == ["a", "g", "j"]
    assert len({tuple(draw(range(10), 3, seed)) for seed in range(20)}) > 10
    assert draw([3, 1, 2], 5, 0) == [3, 1, 2]
    edit_code()
    first = run_recheck()
    edit_code("room/layers.py", "other = 2\n")
    assert run_recheck() == first


def test_a_baseline_is_compared_with_instead_of_the_rows(collected, run_recheck):
    RESULTS.rename("original")
    collected({name: commit_of_run(name, error=0.26) for name in NAMES})
    RESULTS.rename("baseline")
    Path("original").rename(RESULTS)
    before = read_tables(RESULTS)
    edit_code()
    unchanged = files()
    difference = f"{RUN}: margin_error is 0.25, expected 0.26"
    with pytest.raises(InputError, match=difference):
        run_recheck("--baseline", "baseline", rows=4)
    with pytest.raises(InputError, match=f"has 1 rows of {RUNS_FILE}, expected 0"):
        run_recheck("--baseline", "nowhere", rows=4)
    assert files() == unchanged

    run_recheck("--baseline", "baseline", rows=1, error=0.26)
    assert_stamped(before)  # they keep their own errors
    (line,) = rechecks()
    assert line["compared_with"] == "reruns of the earlier code on the same machine"
    report = (RESULTS / "report.md").read_text()
    assert f"on {MACHINE}), identical to {line['compared_with']}.\n" in report


def test_a_rerun_that_fails_changes_no_file(run_recheck):
    edit_code()
    before = files()
    with pytest.raises(InputError, match=f"^failed twice: recheck-{RUN}$"):
        run_recheck(failed=[f"recheck-{RUN}"])
    assert files() == before


def test_uncommitted_code_is_not_rechecked(run_recheck):
    write({"train.py": "other = 'train.py'\n"})
    with pytest.raises(InputError, match=r"^train.py: not as committed; "):
        run_recheck()


def test_results_without_rows_of_the_current_params_are_refused(run_recheck):
    write({"params.yaml": PARAMS.replace("margin: 12", "margin: 10")})
    edit_code()
    with pytest.raises(InputError, match=r"has no row of the current params and data$"):
        run_recheck()
