import json
from pathlib import Path

import pytest

from colorizer.errors import InputError
from experiments.collect import main
from experiments.runs.identity import code_digest, holding, of_lock, params_digest, source_digest
from experiments.runs.results import read_table
from experiments.runs.sweeps import SWEEPS_FILE, Run, read_sweep
from tests.experiments.conftest import (
    CODE,
    PARAMS,
    RUN,
    SWEEPS,
    experiment,
    git,
    lock,
    write,
)

pytestmark = pytest.mark.usefixtures("repository")


def runs() -> list[Run]:
    return read_sweep(SWEEPS_FILE, "few", "photos")


def names(rows: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["name"] for row in rows["runs_of_sweeps"]]


def test_a_row_has_the_values_in_the_commit_of_its_experiment(collected):
    rows = collected({RUN: experiment(4, 2), "faces-few-wide-2": git("rev-parse", "HEAD")})
    (row,) = rows["runs_of_sweeps"]
    digests = [row.pop(name) for name in ("code", "params", "data")]
    assert all(len(digest) == 12 and int(digest, 16) >= 0 for digest in digests)
    assert row == {
        "name": RUN,
        "sweep": "few",
        "point": "wide",
        "seed": "2",
        "commit": git("rev-parse", "HEAD"),
        "machine": "x86_64 AVX512",
        "started": "2026-11-23T18:55:00+00:00",
        "finished": "2026-11-24T19:00:00+00:00",
        "epochs": "9",
        "best_epoch": "4",
        "diverged": "0",
        "train_mse": "0.01",
        "val_mse": "0.02",
        "margin_error": "0.25",
        "mse": "0.02",
        "psnr": "23.5",
        "ssim": "0.9",
        "gain_over_table": "0.1",
        "table_margin_error": "0.35",
        "gray_margin_error": "0.6",
        "first_margin_error": "0.3",
    }
    errors = {"train_mse": "0.1", "val_mse": "0.2", "val_margin_error": "0.25"}
    assert rows["histories"][1] == {"name": RUN, "epoch": "2"} | errors
    assert rows["margin_curves"] == [
        {"name": RUN, "margin": "0", "network": "1"},
        {"name": RUN, "margin": "12", "network": "0.25"},
    ]
    report = Path("results/report.md").read_text()
    assert "1 day, 0:05:00" in report


def test_the_commit_of_a_row_is_the_last_that_changed_code_params_or_pipeline(collected):
    code = git("rev-parse", "HEAD")
    write({"data/raw/photos.dvc": "outs: [{path: photos, md5: d1.dir}]", "plot.py": "# other"})
    git("add", "-A")
    git("commit", "-qm", "photographs")
    (row,) = collected({RUN: experiment(4, 2)})["runs_of_sweeps"]
    assert row["commit"] == code


def test_a_run_started_by_hand_has_no_wall_time(collected):
    rows = collected({RUN: experiment(4, 2, message="dvc: commit experiment 17")})
    assert rows["runs_of_sweeps"][0]["started"] == rows["runs_of_sweeps"][0]["machine"] == ""
    assert "Wall time" not in Path("results/report.md").read_text()


def test_experiments_with_other_code_or_params_are_left_out(collected, capsys):
    others = {RUN: experiment(8, 2), "photos-few-plain-2": experiment(8, 1)}
    rows = collected({**others, "photos-few-plain-1": experiment(8, 1)})
    assert names(rows) == ["photos-few-plain-1"]
    assert (
        f"left out, since they have other code, params or data: {', '.join(sorted(others))}"
        in capsys.readouterr().out
    )


def test_nothing_is_collected_when_params_are_not_as_committed(collected):
    before = collected({RUN: experiment(4, 2)})
    write({"params.yaml": PARAMS.replace("margin: 12", "margin: 10")})
    with pytest.raises(InputError, match=r"^params.yaml: not as committed; "):
        collected({})
    git("checkout", "params.yaml")
    assert collected({}) == before


def test_failed_and_missing_runs_are_listed(collected):
    collected({RUN: experiment(4, 2)}, ("photos-few-plain-1", RUN))  # which ran a second time
    report = Path("results/report.md").read_text()
    assert "| few | 1 | 2 | 1 |" in report
    assert "\nFailed: photos-few-plain-1." in report
    assert "\nMissing in sweeps that were started: photos-few-wide-1, photos-few-plain-2." in report


def test_a_report_without_runs(collected):
    assert names(collected({})) == []
    assert "No run was collected." in Path("results/report.md").read_text()


def test_rows_outlive_their_experiments_and_are_replaced_by_new_ones(collected):
    first = collected({RUN: experiment(4, 2), "photos-few-plain-1": experiment(8, 1)})
    assert collected({}) == first

    rows = collected({RUN: experiment(4, 2, error=0.5)})
    assert names(rows) == ["photos-few-plain-1", RUN]  # in the order of the sweep
    assert [row["margin_error"] for row in rows["runs_of_sweeps"]] == ["0.25", "0.5"]
    assert len(rows["histories"]) == len(rows["margin_curves"]) == 4


def test_rows_of_other_data_are_not_in_the_report(collected, capsys):
    collected({"photos-few-plain-1": experiment(8, 1)})
    rows = collected({RUN: experiment(4, 2, raw="d2.dir")})
    assert names(rows) == ["photos-few-plain-1", RUN]
    assert "report.md: 1 of 4 runs, 1 collected now\n1 rows of " in capsys.readouterr().out
    report = Path("results/report.md").read_text()
    assert "| few | 1 | 3 | 0 |" in report
    assert "| wide |" in report
    assert "| plain |" not in report


def test_rows_that_are_not_valid_are_removed_only_when_that_is_asked_for(collected, monkeypatch):
    collected({RUN: experiment(4, 2), "photos-few-plain-1": experiment(8, 1)})
    before = Path("results/runs_of_sweeps.csv").read_bytes()
    write({"params.yaml": PARAMS.replace("kernels: 8", "kernels: 6")})
    git("commit", "-qam", "another network")

    def run(*options: str) -> None:
        monkeypatch.setattr("sys.argv", ["collect", "photos", "results", *options])
        main()

    run()
    assert Path("results/runs_of_sweeps.csv").read_bytes() == before
    assert "| few | 1 | 3 | 0 |" in Path("results/report.md").read_text()
    run("--discard")
    assert [*read_table(Path("results/runs_of_sweeps.csv"), ())["name"]] == [RUN]  # has its kernels
    assert {*read_table(Path("results/histories/few.csv"), ())["name"]} == {RUN}


def test_a_row_holds_until_its_code_or_params_change(collected):
    both = {RUN, "photos-few-plain-1"}
    collected({RUN: experiment(4, 2), "photos-few-plain-1": experiment(8, 1)})
    results = Path("results")
    assert holding(results, runs()) == both
    assert holding(Path("nowhere"), runs()) == set()

    def after(path: str, old: str, new: str) -> set[str]:
        text = Path(path).read_text()
        assert old in text
        Path(path).write_text(text.replace(old, new))
        held = holding(results, runs())
        Path(path).write_text(text)
        return held

    for unused in (("plot.py", "plot", "draw"), ("params.yaml", "dpi: 100", "dpi: 50")):
        assert after(*unused) == both
    for path in CODE:
        assert after(path, "path", "place") == set()
        assert after(path, "path =", '"""Its path."""\n\npath  =  \\\n') == both
    assert after("params.yaml", "margin: 12", "margin: 10") == set()
    assert after("params.yaml", "kernels: 8", "kernels: 6") == {RUN}  # the other run changes it
    assert after(str(SWEEPS_FILE), "kernels: 4", "kernels: 5") == {"photos-few-plain-1"}

    tracked = "outs: [{path: photos, md5: %s}]"
    write({"data/raw/photos.dvc": tracked % "d1.dir"})
    assert holding(results, runs()) == both
    write({"data/raw/photos.dvc": tracked % "d2.dir"})  # other photographs under the same name
    assert holding(results, runs()) == set()
    Path("data/raw/photos.dvc").unlink()
    sample = {"stages": {"sample": {"outs": [{"path": "data/raw/photos", "md5": "d2.dir"}]}}}
    write({"dvc.lock": json.dumps(sample)})  # or data that a stage writes
    assert holding(results, runs()) == set()
    Path("dvc.lock").unlink()

    write({str(SWEEPS_FILE): SWEEPS.replace("wide", "broad")})
    assert holding(results, runs()) == {"photos-few-plain-1"}  # of the runs that there are


def test_code_params_and_raw_data_have_separate_digests():
    run = {run.name: run for run in runs()}[RUN]
    locked = of_lock(lock(4, 2, "d1.dir"), "HEAD")
    assert locked[:2] == (code_digest(), params_digest(run.changes))
    others = of_lock(lock(8, 2, "d1.dir"), "HEAD"), of_lock(lock(4, 2, "d2.dir"), "HEAD")
    assert [[a == b for a, b in zip(locked, other, strict=True)] for other in others] == [
        [True, False, True],
        [True, True, False],
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x = 1", "x = (1)  # one", True),
        ("def f(a):\n  return a", 'def f(a):\n    """Give a."""\n\n    return a', True),
        ("class A:\n  '''Old.'''", 'class A:\n  """New."""', True),
        ("async def f():\n  '''Old.'''", 'async def f():\n  """New."""', True),
        ("'''Module.'''", "", True),
        ("x = 'a'", "x = 'b'", False),
        ("x = 1", "x = 1.0", False),
        ("x = 1", "x = True", False),
        ("x = '1'", "x = 1", False),
        ("x = None", "x = ...", False),
        ("def f(a):\n  return a", "def f(b):\n  return b", False),
        ("def f():\n  x = 'a'", "def f():\n  x = 'b'", False),
        ("a - b", "b - a", False),
    ],
)
def test_a_digest_is_that_of_the_meaning_of_code(one, other, same):
    assert (source_digest(one) == source_digest(other)) == same


def test_a_commit_without_results_is_an_error_of_one_line(collected):
    with pytest.raises(InputError, match=r"^git show \w+:./metrics/train.json: .*$"):
        collected({RUN: git("rev-parse", "HEAD")})
