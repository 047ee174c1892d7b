"""What the guides in docs/ tell people to do, done."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import PHOTOS, REPOSITORY, Run

FENCE = re.compile(r"^ *```sh( elsewhere)?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def blocks(guide: str, where: str = "") -> list[str]:
    """The commands of a guide, a script for each block."""
    text = (REPOSITORY / "docs" / guide).read_text(encoding="utf-8")
    return [script for place, script in FENCE.findall(text) if place.strip() == where]


def bash(run: Run, script: str) -> str:
    return run("bash", "-euo", "pipefail", "-c", script).stdout


def metrics(folder: Path) -> dict[str, dict[str, object]]:
    return {path.name: json.loads(path.read_text()) for path in (folder / "metrics").glob("*.json")}


@pytest.fixture(scope="module")
def walked(built: Path, run: Run) -> dict[str, str]:
    """What each block of the walk-through printed."""
    assert (built / ".dvc").is_dir()
    run("git", "init", "--quiet", "--bare", "../hub.git")
    run("git", "remote", "add", "origin", "../hub.git")
    run("git", "push", "--quiet", "origin", "HEAD")
    printed = {
        script.split("\n")[0]: bash(run, script)
        for script in blocks("from-experiment-to-commit.md")
    }
    return {" ".join(first.split()[:3]): text for first, text in printed.items()}


def test_an_experiment_becomes_a_commit(walked, run):
    compared = walked["git checkout ."]
    assert "wider" in compared
    assert re.search(r"model\.kernels +4 +16", compared)  # small params have 4
    assert "index.html" in compared
    assert (
        run("git", "log", "-1", "--format=%s", "kernels-16").stdout == "16 kernels instead of 8\n"
    )
    assert "margin_error" in walked["dvc exp apply"]
    assert run("git", "status", "--porcelain").stdout == ""


@pytest.mark.usefixtures("walked")
def test_ci_tells_how_a_commit_differs_from_another(run):
    printed = run(".ci/summary", "kernels-16~1").stdout
    assert re.search(r"\| model\.kernels +\| 4 +\| 16 +\|", printed)
    assert re.search(r"\| margin_error +\| [\d.]+ +\| [\d.]+ +\|", printed)
    assert printed.count("```mermaid\nxychart-beta") == 2
    assert len(re.findall(r"^  line \[[\d., ]+\]$", printed, re.MULTILINE)) == 4
    assert run(".ci/summary", "HEAD").stdout.count("As in HEAD.") == 2


@pytest.mark.usefixtures("walked")
def test_somebody_else_has_the_same_without_running_anything(built, run):
    shutil.rmtree(built.parent / "elsewhere", ignore_errors=True)
    run("git", "clone", "--quiet", "../hub.git", "../elsewhere")
    (script,) = blocks("from-experiment-to-commit.md", "elsewhere")
    printed = bash(run, f"cd ../elsewhere\n{script}")
    assert "Data and pipelines are up to date." in printed
    assert "Running stage" not in printed
    assert metrics(built.parent / "elsewhere") == metrics(built)
    model = "models/colorizer.safetensors"
    assert (built.parent / "elsewhere" / model).read_bytes() == (built / model).read_bytes()


@pytest.fixture(scope="module")
def own(built: Path, run: Run) -> str:
    """What is printed on the way of own photographs."""
    shutil.copytree(built / "data/raw/tiny", built / "data/raw/mine")
    for number, photo in enumerate(sorted((built / "data/raw/mine").rglob("*.jpg"))):
        photo.rename(photo.with_name(f"Photo {number}.JPG"))
    return "".join(bash(run, script) for script in blocks("own-photographs.md"))


def test_own_photographs_are_learnt_from(own, built, run):
    assert "gain_over_table" in own
    assert metrics(built)["prepare.json"]["photos"]["train"] == PHOTOS["train"]
    assert "name: mine" in (built / "params.yaml").read_text()
    assert run("git", "status", "--porcelain").stdout == ""


@pytest.mark.usefixtures("own")
def test_what_goes_wrong_is_said_as_the_guide_says(built, run):
    raw, away = built / "data/raw/mine", built / "away"
    printed = []

    def try_in_vain(*words: str) -> None:
        printed.append(run(*words, succeeds=False).stderr)

    (raw / "train").rename(away)
    try_in_vain("dvc", "repro", "prepare")
    away.rename(raw / "train")

    (raw / "val").rename(away)
    (raw / "val").mkdir()
    try_in_vain("dvc", "repro", "prepare")
    (raw / "val").rmdir()
    away.rename(raw / "val")

    (raw / "val/broken.png").write_text("no picture")
    try_in_vain("dvc", "repro", "prepare")
    (raw / "val/broken.png").unlink()

    try_in_vain("dvc", "exp", "run", "-S", "train.learning_rate=abc")
    run("git", "checkout", "--quiet", ".")

    raw.rename(away)
    try_in_vain("dvc", "repro", "prepare")

    guide = (REPOSITORY / "docs/own-photographs.md").read_text(encoding="utf-8")
    messages = re.findall(
        r"^\| `(?:error: )?(?:\.\.\.: )?(.+?)(?:, \.\.\.\))?` \|", guide, re.MULTILINE
    )
    *stated, diverged = messages
    assert diverged == "diverged` is 1 in `metrics/train.json"
    for message, output in zip(stated, printed, strict=True):
        assert message in output


def test_the_parts_that_a_guide_names_are_there():
    text = (REPOSITORY / "docs/copy-this-structure.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w./]+(?:/|\.py|\.yaml|/run))`", text)
    known = {path.name for path in REPOSITORY.rglob("*.py") if ".venv" not in path.parts}
    assert len(named) > 15
    for name in named:
        assert (REPOSITORY / name).exists() or name in known, name
