"""What is committed is true of the code that it stands beside."""

import hashlib
import json
import re
import shutil
import subprocess

import pytest

from colorizer.files import read_yaml
from experiments import report
from tests.conftest import REPOSITORY

LOCK = read_yaml(REPOSITORY / "dvc.lock")["stages"]
PARAMS = read_yaml(REPOSITORY / "params.yaml")
PIPELINE = read_yaml(REPOSITORY / "dvc.yaml")["stages"]


def changed(path: str) -> bool:
    command = ["git", "diff", "--quiet", "HEAD", "--", path]
    return subprocess.run(command, cwd=REPOSITORY, check=False).returncode != 0


pytestmark = pytest.mark.skipif(
    changed("params.yaml") or changed("dvc.lock"),
    reason="an experiment is in the workspace",
)
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
RESULTS = (REPOSITORY / "docs/results.md").read_text(encoding="utf-8")


def md5(path: str) -> str:
    """The hash of a file or folder as DVC computes it."""
    full = REPOSITORY / path
    if full.is_file():
        return hashlib.md5(full.read_bytes()).hexdigest()
    files = sorted(
        file.relative_to(full).as_posix()
        for file in full.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    )
    entries = [{"md5": md5(f"{path}/{name}"), "relpath": name} for name in files]
    return hashlib.md5(json.dumps(entries).encode()).hexdigest() + ".dir"


def value_of(match: re.Match[str]) -> str:
    return PARAMS[match[1]][match[2]]


def in_git(path: str) -> bool:
    ended = subprocess.run(
        ["git", "ls-files", "--error-unmatch", path],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    return ended.returncode == 0


@pytest.mark.parametrize("stage", PIPELINE)
def test_the_lock_is_of_this_code_and_these_params(stage):
    locked = LOCK[stage]
    assert locked["cmd"] == re.sub(r"\$\{(\w+)\.(\w+)\}", value_of, PIPELINE[stage]["cmd"])
    for dep in locked["deps"]:
        if dep["path"].startswith(("colorizer/", "stages/")):
            assert dep["md5"] == md5(dep["path"]), f"{dep['path']} changed: dvc repro"
    sections = locked["params"]["params.yaml"]
    assert sections == {name: PARAMS[name] for name in PIPELINE[stage]["params"]}


@pytest.mark.parametrize("stage", PIPELINE)
def test_metrics_and_series_are_those_that_the_lock_names(stage):
    for out in LOCK[stage]["outs"]:
        if in_git(out["path"]):
            assert out["md5"] == md5(out["path"])


def test_the_readme_shows_the_metrics_that_were_measured():
    measured = json.loads((REPOSITORY / "metrics/evaluate.json").read_text())
    methods = {
        "the default network": measured["margin_error"],
        "gray copied": measured["gray"]["margin_error"],
        "table, median": measured["table_median"]["margin_error"],
        "table, most values within the margin": measured["table_mode"]["margin_error"],
    }
    for method, error in methods.items():
        assert f"| {method} | {error:.4f} |" in README
    small = json.loads((REPOSITORY / "experiments/results/sample/ours_small.json").read_text())
    assert f"| the network `ours_small` | **{small['margin_error']:.4f}** |" in README


@pytest.mark.parametrize("data", ["faces", "sample"])
def test_the_report_is_that_of_its_csv_files(data, monkeypatch, tmp_path):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(report, "write_png", lambda path, *_: path.touch())  # to save the time
    committed = REPOSITORY / "experiments/results" / data
    ignored = shutil.ignore_patterns("*.png")
    shutil.copytree(committed, tmp_path, ignore=ignored, dirs_exist_ok=True)
    report.write_report(data, tmp_path)
    assert (tmp_path / "report.md").read_text() == (committed / "report.md").read_text()
    charts, shown = (
        {path.name for path in folder.glob("charts/*")} for folder in (tmp_path, committed)
    )
    assert charts == shown


def test_readme_and_docs_show_what_the_report_has():
    written = (REPOSITORY / "experiments/results/faces/report.md").read_text(encoding="utf-8")
    for model in ("report_best", "ours_small", "ours_best"):
        (network,) = re.findall(rf"^\| ablation/{model} .*", written, re.MULTILINE)
        (shown,) = re.findall(rf"^\| `{model}`.*", README, re.MULTILINE)
        _, _, error, mse, psnr, time, _ = (cell.strip(" *") for cell in shown.split("|"))
        for value in (error, mse, psnr):
            assert value in network
        (timed,) = re.findall(rf"^\| {model} +\| x86.* (\d\.\d+) +\|$", written, re.MULTILINE)
        assert float(time) == float(timed)
    assert {*re.findall(r"^\| .*`report/.*", RESULTS, re.MULTILINE)} <= {*written.splitlines()}


def test_every_param_is_listed_with_its_value():
    listed = (REPOSITORY / "docs/parameters.md").read_text(encoding="utf-8")
    for section, values in PARAMS.items():
        for key, value in values.items():
            shown = YAML_WORDS.get(str(value), str(value))
            assert f"| `{section}.{key}` | {shown} |" in listed


YAML_WORDS = {"True": "true", "False": "false"}


def test_the_results_show_a_figure_that_the_pipeline_drew():
    drawn = REPOSITORY / "plots/images/examples_1.png"
    shown = REPOSITORY / "experiments/results/sample/examples.png"
    assert str(shown.relative_to(REPOSITORY)) in RESULTS
    if not drawn.is_file():
        pytest.skip("needs the committed pipeline, rebuilt: make repro")
    assert shown.read_bytes() == drawn.read_bytes()
