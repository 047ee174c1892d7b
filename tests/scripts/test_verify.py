import subprocess
from hashlib import md5
from pathlib import Path

import pytest
import torch
from dvc.repo import Repo

from colorizer.device import processor_name
from colorizer.files import write_yaml
from scripts.verify import COMMITTED_ON, compare_metrics, environment_differences, flat, judge, main
from tests.conftest import REPOSITORY

OUTPUTS = {"model": "a1", "plots": "b2"}
METRICS = {"evaluate.margin_error": 0.25, "train.val_mse": 0.01, "train.best_epoch": 3}


def verdict(outputs: dict, metrics: dict, kind: str) -> int:
    committed = {"outputs": OUTPUTS, "metrics": METRICS}
    return judge(committed, {"outputs": OUTPUTS | outputs, "metrics": METRICS | metrics}, kind)


def test_identical_outputs_pass_on_any_processor(capsys):
    assert verdict({}, {}, COMMITTED_ON) == 0
    assert verdict({}, {}, "aarch64 DEFAULT") == 0
    assert "all 2 outputs are identical" in capsys.readouterr().out


def test_a_difference_is_an_error_on_the_same_kind_of_processor(capsys):
    assert verdict({"model": "changed"}, {}, COMMITTED_ON) == 1
    output = capsys.readouterr().out
    assert "model  DIFFERS" in output
    assert "plots  identical" in output


@pytest.mark.parametrize(
    ("metrics", "status"),
    [
        ({}, 0),
        ({"evaluate.margin_error": 0.2509}, 0),
        ({"evaluate.margin_error": 0.2511}, 1),
        ({"train.val_mse": 0.010009}, 0),
        ({"train.val_mse": 0.010011}, 1),
        ({"train.best_epoch": 4}, 0),
    ],
)
def test_on_another_kind_of_processor_metrics_may_differ_a_little(metrics, status, capsys):
    assert verdict({"model": "changed"}, metrics, "aarch64 DEFAULT") == status
    assert "this is aarch64 DEFAULT: floating point may differ" in capsys.readouterr().out


def test_an_output_or_metric_on_one_side_only_differs(capsys):
    committed = {"outputs": OUTPUTS, "metrics": METRICS}
    rebuilt = {"outputs": {"model": "a1"}, "metrics": {}}
    assert judge(committed, rebuilt, "aarch64 DEFAULT") == 1
    assert "plots  DIFFERS" in capsys.readouterr().out
    assert [row[0] for row in compare_metrics(METRICS, {})] == [
        "evaluate.margin_error",
        "train.val_mse",
    ]


def test_names_of_nested_metrics_are_joined():
    assert flat({"a": {"b": 1, "c": {"d": 2}}}, "x") == {"x.a.b": 1, "x.a.c.d": 2}


def test_the_name_of_the_processor_includes_the_limit_of_onednn(monkeypatch):
    assert processor_name(torch.device("cpu")).endswith(torch.backends.cpu.get_cpu_capability())
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert processor_name(torch.device("cpu")).endswith(", oneDNN up to AVX2")


def test_another_version_is_listed(tmp_path):
    (tmp_path / "constraints.txt").write_text("pytest==0.1\nno-such-package==1.0\n")
    (line,) = environment_differences(tmp_path / "constraints.txt")
    assert line.endswith("pinned 0.1")
    assert line.startswith("pytest is ")


def test_the_installed_versions_are_the_pinned_ones():
    assert environment_differences(REPOSITORY / "constraints.txt") == []


def test_every_direct_and_transitive_dependency_is_pinned():
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    direct = {line.split()[0] for line in lines if line and not line.startswith("#")}
    pinned = (REPOSITORY / "constraints.txt").read_text().splitlines()
    assert all("==" in line for line in [*direct, *pinned])
    assert {name.lower() for name in direct} <= {name.lower() for name in pinned}


def test_data_is_the_same_on_any_processor(capsys):
    assert verdict({"data/prepared/val": "changed"}, {}, "aarch64 DEFAULT") == 1
    assert "which does not explain these differences" in capsys.readouterr().out


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with one stage, in a folder of a larger Git repository; the current folder."""

    def git(*words: str) -> None:
        subprocess.run(["git", *words], check=True, cwd=tmp_path)

    git("init", "--quiet")
    folder = tmp_path / "work" / "colors"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["verify"])
    (folder / "constraints.txt").write_text("")
    (folder / "in.txt").write_text("1")
    stage = {"cmd": "cp in.txt out.txt", "deps": ["in.txt"], "outs": ["out.txt"]}
    write_yaml(folder / "dvc.yaml", {"stages": {"copy": stage}})
    with Repo.init(subdir=True) as repo:
        repo.reproduce()
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "built")
    return folder


@pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
def test_the_project_can_be_a_folder_of_a_larger_repository(project, capfd):
    assert not (project / ".git").exists()
    assert main() == 0
    assert "all 1 outputs are identical to dvc.lock" in capfd.readouterr().out


@pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
def test_an_output_that_is_rebuilt_to_another_one_differs(project, capfd):
    lock = (project / "dvc.lock").read_text()
    other = md5(b"2", usedforsecurity=False).hexdigest()
    out = md5(b"1", usedforsecurity=False).hexdigest()
    start, _, end = lock.rpartition(out)  # of the output, which comes after the dependency
    (project / "dvc.lock").write_text(start + other + end)
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-aqm", "other"], check=True
    )
    assert main() == 1
    assert "out.txt  DIFFERS" in capfd.readouterr().out
