import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from colorizer.errors import InputError
from experiments import collect
from experiments.identity import holding, of_lock, of_run
from experiments.sweeps import SWEEPS_FILE, Run, read_sweep

SWEEPS = """
few:
  seeds: [1, 2]
  runs:
    plain: {}
    wide: {model.kernels: 4}
"""
PIPELINE = """
stages:
  prepare:
    deps: [shared.py, prepare.py, 'data/raw/${data.name}']
    params: [data, prepare]
  train:
    deps: [shared.py, train.py, data/prepared]
    params: [metric, model, train]
  evaluate:
    deps: [evaluate.py, data/prepared]
    params: [evaluate, metric]
  plot:
    deps: [plot.py]
    params: [plot]
"""
PARAMS = """
data: {name: sample}
prepare: {image_size: 80}
metric: {margin: 12}
model: {kernels: 8, dropout: 0.0}  # as DVC locks them
train: {seed: 483, threads: 2, learning_rate: 0.1}
evaluate: {threads: 2}
plot: {dpi: 100}
"""
RUN = "photos-few-wide-2"
METRICS = {"epochs": 9, "best_epoch": 4, "train_mse": 0.01, "val_mse": 0.02, "diverged": 0}
EVALUATION = {"mse": 0.02, "psnr": 23.5, "ssim": 0.9, "gain_over_table": 0.1}
HISTORY = """\
epoch,train_mse,val_mse,val_margin_error,learning_rate
1,0.5,0.4,0.3,0.1
2,0.1,0.2,0.25,0.1
"""
CURVE = "margin,network,gray\n0,1,1\n12,0.25,0.5\n"
MESSAGE = "queued 2026-11-23T18:55:00+00:00 on x86_64 AVX512"


def git(*arguments: str, **environment: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    ended = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | environment
    )
    return ended.stdout.strip()


def load(path: str) -> Any:
    return YAML(typ="safe", pure=True).load(Path(path).read_text())


def lock(kernels: int, seed: int, raw: str) -> dict[str, Any]:
    """What DVC would lock for a run on the data set photos, with what is on disk."""
    params = load("params.yaml")
    params["data"]["name"] = "photos"
    params["model"]["kernels"] = kernels
    params["train"] |= {"seed": seed, "threads": 1}
    params["evaluate"]["threads"] = 1

    def locked(path: str) -> dict[str, str]:
        if path.endswith(".py"):
            return {"path": path, "md5": hashlib.md5(Path(path).read_bytes()).hexdigest()}
        return {"path": path.replace("${data.name}", "photos"), "md5": raw}

    return {
        "stages": {
            name: {
                "deps": [locked(path) for path in stage["deps"]],
                "params": {"params.yaml": {name: params[name] for name in stage["params"]}},
            }
            for name, stage in load("dvc.yaml")["stages"].items()
        }
    }


def write(files: dict[str, str]) -> None:
    for path, text in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)


def experiment(
    kernels: int, seed: int, raw: str = "d1.dir", message: str = MESSAGE, error: float = 0.25
) -> str:
    """Commit what a run would, five minutes and a day after it was queued; the commit's name."""
    evaluation = EVALUATION | {"margin_error": error, "table_mode": {"margin_error": 0.35}}
    evaluation["gray"] = {"margin_error": 0.6}
    write(
        {
            "metrics/train.json": json.dumps(METRICS),
            "metrics/evaluate.json": json.dumps(evaluation),
            "plots/history.csv": HISTORY,
            "plots/margin_curve.csv": CURVE,
            "dvc.lock": json.dumps(lock(kernels, seed, raw)),
        }
    )
    git("add", "-A", "metrics", "plots", "dvc.lock")
    git("commit", "-qm", message, GIT_COMMITTER_DATE="2026-11-24T19:00:00+00:00")
    revision = git("rev-parse", "HEAD")
    git("reset", "-q", "--hard", "HEAD~1")
    return revision


def shown(finished: dict[str, str], failed: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What `dvc exp show --json --hide-queued` says."""

    def entry(name: str, rev: str, state: str, error: object) -> dict[str, Any]:
        local = {"root": None, "log": "x.out", "pid": 1, "returncode": 0, "task_id": rev}
        revs = [{"rev": rev, "name": name, "data": {}, "error": error, "experiments": None}]
        executor = {"state": state, "name": "dvc-task", "local": local}
        return {"revs": revs, "executor": executor, "name": name}

    error = {"msg": "Experiment run failed", "type": ""}
    experiments = [
        *(entry(name, rev, "success", None) for name, rev in finished.items()),
        *(entry(name, "0" * 40, "failed", error) for name in failed),
        entry("photos-few-plain-2", "1" * 40, "running", None),
    ]
    states = {"data": {}, "error": None}
    return [
        {"rev": "workspace", "name": None, **states, "experiments": None},
        {"rev": git("rev-parse", "HEAD"), "name": "main", **states, "experiments": experiments},
    ]


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = {path: f"# {path}\n" for path in ("shared.py", "prepare.py", "train.py", "evaluate.py")}
    write({"dvc.yaml": PIPELINE, "params.yaml": PARAMS, str(SWEEPS_FILE): SWEEPS, **code})
    write({"plot.py": "# plot\n", ".gitignore": "results\n"})
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "baseline")


@pytest.fixture
def collected(monkeypatch) -> Callable[..., dict[str, list[dict[str, str]]]]:
    """Collect from what DVC shows; the rows of each file."""

    def run(*said: Any) -> dict[str, list[dict[str, str]]]:
        monkeypatch.setattr(collect, "show_experiments", lambda: shown(*said))
        monkeypatch.setattr(sys, "argv", ["collect", "photos", "results"])
        collect.main()
        rows = {}
        for path in Path("results").glob("*.csv"):
            with path.open(newline="") as file:
                rows[path.stem] = list(csv.DictReader(file))
        return rows

    return run


def runs() -> list[Run]:
    return read_sweep(SWEEPS_FILE, "few", "photos")


def names(rows: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["name"] for row in rows["runs_of_sweeps"]]


def test_a_row_holds_what_the_commit_of_an_experiment_does(collected):
    rows = collected({RUN: experiment(4, 2), "faces-few-wide-2": "2" * 40, "mine": "3" * 40})
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
        "queued": "2026-11-23T18:55:00+00:00",
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


def test_the_commit_of_a_row_is_the_last_that_changed_what_it_follows_from(collected):
    code = git("rev-parse", "HEAD")
    write({"data/raw/photos.dvc": "outs: [{path: photos, md5: d1.dir}]", "plot.py": "# other"})
    git("add", "-A")
    git("commit", "-qm", "photographs")
    (row,) = collected({RUN: experiment(4, 2)})["runs_of_sweeps"]
    assert row["commit"] == code


def test_a_run_started_by_hand_has_no_wall_time(collected):
    rows = collected({RUN: experiment(4, 2, message="dvc: commit experiment 17")})
    assert rows["runs_of_sweeps"][0]["queued"] == rows["runs_of_sweeps"][0]["machine"] == ""
    assert "Wall time" not in Path("results/report.md").read_text()


def test_what_is_not_of_this_code_or_params_is_left_out(collected, capsys):
    others = {RUN: experiment(8, 2), "photos-few-plain-2": experiment(8, 1)}
    rows = collected({**others, "photos-few-plain-1": experiment(8, 1)})
    assert names(rows) == ["photos-few-plain-1"]
    assert (
        f"left out, since they are of other code, params or data: {', '.join(sorted(others))}"
        in (capsys.readouterr().out)
    )


def test_nothing_is_collected_where_params_are_not_as_committed(collected):
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
    assert "\nMissing, of sweeps that were begun: photos-few-wide-1, photos-few-plain-2." in report


def test_nothing_collected_is_said(collected):
    assert names(collected({})) == []
    assert "No run was collected." in Path("results/report.md").read_text()


def test_rows_stay_when_their_experiments_are_gone_and_give_way_to_new_ones(collected):
    first = collected({RUN: experiment(4, 2), "photos-few-plain-1": experiment(8, 1)})
    assert collected({}) == first

    rows = collected({RUN: experiment(4, 2, error=0.5)})
    assert names(rows) == ["photos-few-plain-1", RUN]  # in the order of the sweep
    assert [row["margin_error"] for row in rows["runs_of_sweeps"]] == ["0.25", "0.5"]
    assert len(rows["histories"]) == len(rows["margin_curves"]) == 4


def test_rows_go_when_the_data_is_another(collected):
    collected({"photos-few-plain-1": experiment(8, 1)})
    rows = collected({RUN: experiment(4, 2, raw="d2.dir")})
    assert names(rows) == [RUN]
    assert {row["name"] for row in rows["histories"]} == {RUN}


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

    for unread in (("plot.py", "plot", "draw"), ("params.yaml", "dpi: 100", "dpi: 50")):
        assert after(*unread) == both
    for path in ("shared.py", "prepare.py", "train.py", "evaluate.py"):
        assert after(path, "#", "##") == set()
    assert after("params.yaml", "margin: 12", "margin: 10") == set()
    assert after("params.yaml", "kernels: 8", "kernels: 6") == {RUN}  # which changes it
    assert after(str(SWEEPS_FILE), "kernels: 4", "kernels: 5") == {"photos-few-plain-1"}

    tracked = "outs: [{path: photos, md5: %s}]"
    write({"data/raw/photos.dvc": tracked % "d1.dir"})
    assert holding(results, runs()) == both
    write({"data/raw/photos.dvc": tracked % "d2.dir"})  # other photographs under the same name
    assert holding(results, runs()) == set()
    Path("data/raw/photos.dvc").unlink()
    sample = {"stages": {"sample": {"outs": [{"path": "data/raw/photos", "md5": "d2.dir"}]}}}
    write({"dvc.lock": json.dumps(sample)})  # or those that a stage makes
    assert holding(results, runs()) == set()
    Path("dvc.lock").unlink()

    write({str(SWEEPS_FILE): SWEEPS.replace("wide", "broad")})
    assert names(collected({})) == ["photos-few-plain-1"]


def test_digests_are_of_code_params_and_raw_data_apart():
    run = {run.name: run for run in runs()}[RUN]
    locked = of_lock(lock(4, 2, "d1.dir"))
    assert locked[:2] == of_run(run.changes)
    others = of_lock(lock(8, 2, "d1.dir")), of_lock(lock(4, 2, "d2.dir"))
    assert [[a == b for a, b in zip(locked, other, strict=True)] for other in others] == [
        [True, False, True],
        [True, True, False],
    ]


def test_a_commit_without_results_is_said_in_one_line(collected):
    with pytest.raises(InputError, match=r"^git show \w+:metrics/train.json: .*$"):
        collected({RUN: git("rev-parse", "HEAD")})


def test_what_dvc_refuses_is_said_in_one_line(monkeypatch):
    monkeypatch.chdir("/")
    with pytest.raises(InputError, match=r"^dvc exp show: .+$"):
        collect.show_experiments()
