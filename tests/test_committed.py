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
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
CHANGED = ["git", "diff", "--quiet", "HEAD", "--", "params.yaml", "dvc.lock"]
pytestmark = pytest.mark.skipif(
    subprocess.run(CHANGED, cwd=REPOSITORY, check=False).returncode != 0,
    reason="an experiment is in the workspace",
)


def md5(path: str) -> str:
    """The hash of a file or folder as DVC computes it."""
    full = REPOSITORY / path
    if full.is_file():
        return hashlib.md5(full.read_bytes()).hexdigest()
    below = [file for file in full.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    files = sorted(file.relative_to(full).as_posix() for file in below)
    entries = [{"md5": md5(f"{path}/{name}"), "relpath": name} for name in files]
    return hashlib.md5(json.dumps(entries).encode()).hexdigest() + ".dir"


@pytest.mark.parametrize("stage", PIPELINE)
def test_the_lock_is_of_this_code_and_these_params(stage):
    locked = LOCK[stage]
    command = PIPELINE[stage]["cmd"].replace("${train.launcher}", PARAMS["train"]["launcher"])
    assert locked["cmd"] == command
    code = [path for path in PIPELINE[stage]["deps"] if path.startswith(("colorizer/", "stages/"))]
    hashes = {dep["path"]: dep["md5"] for dep in locked["deps"]}
    assert {path: hashes.get(path) for path in code} == {path: md5(path) for path in code}
    sections = locked["params"]["params.yaml"]
    assert sections == {name: PARAMS[name] for name in PIPELINE[stage]["params"]}


@pytest.mark.parametrize("stage", PIPELINE)
def test_metrics_and_series_are_those_that_the_lock_names(stage):
    in_git = [next(iter(out)) for out in PIPELINE[stage]["outs"] if isinstance(out, dict)]
    locked = {out["path"]: out["md5"] for out in LOCK[stage]["outs"]}
    assert {path: locked[path] for path in in_git} == {path: md5(path) for path in in_git}


def test_the_readme_shows_the_metrics_that_were_measured():
    measured, small = (
        json.loads((REPOSITORY / path).read_text())
        for path in ("metrics/evaluate.json", "experiments/results/sample/ours_small.json")
    )
    (sentences,) = re.findall(r"^On the sample (.*?)\n\n", README, re.MULTILINE | re.DOTALL)
    methods = measured, measured["table_mode"], small, measured["gray"]
    expected = [f"{method['margin_error']:.4f}" for method in methods]
    assert re.findall(r"0\.\d{4}", sentences) == expected


@pytest.mark.parametrize("data", ["faces", "held_out", "sample"])
def test_the_report_is_that_of_its_csv_files(data, monkeypatch, tmp_path):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(report, "write_png", lambda path, *_: path.touch())  # to save the time
    committed = REPOSITORY / "experiments/results" / data
    ignored = shutil.ignore_patterns("*.png")
    shutil.copytree(committed, tmp_path, ignore=ignored, dirs_exist_ok=True)
    _, tables = report.write_report(data, tmp_path)
    for name in ("README.md", "docs/report.md", "docs/results.md", "docs/our-networks.md"):
        document = tmp_path / "document.md"
        shutil.copy(REPOSITORY / name, document)
        report.copy_tables(document, data, tables)
        assert document.read_text() == (REPOSITORY / name).read_text()
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


def test_every_param_is_listed_with_its_value():
    listed = (REPOSITORY / "docs/parameters.md").read_text(encoding="utf-8")
    for section, values in PARAMS.items():
        for key, value in values.items():
            shown = str(value).lower() if isinstance(value, bool) else value
            assert f"| `{section}.{key}` | {shown} |" in listed
