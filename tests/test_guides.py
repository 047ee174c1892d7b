"""What the guides in docs/ and the README tell people to do, done."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import PHOTOS, REPOSITORY, Run, kill_when

WALK, OWN = "docs/from-experiment-to-commit.md", "docs/own-photographs.md"
FENCE = re.compile(r"^ *```sh( \w+)?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def blocks(guide: str, where: str = "") -> list[str]:
    """The commands of a guide, a script for each block."""
    text = (REPOSITORY / guide).read_text(encoding="utf-8")
    return [script for place, script in FENCE.findall(text) if place.strip() == where]


def cures(message: str) -> list[str]:
    """The commands that the table of a guide gives for a message, or for a state."""
    (row,) = (
        line
        for line in (REPOSITORY / OWN).read_text("utf-8").splitlines()
        if line.startswith("| ") and message in line.split(" | ")[0]
    )
    return re.findall(r"`(.+?)`", row.split(" | ")[1])


def bash(run: Run, script: str) -> str:
    return run("bash", "-euo", "pipefail", "-c", script).stdout


def metrics(folder: Path) -> dict[str, dict[str, object]]:
    return {path.name: json.loads(path.read_text()) for path in (folder / "metrics").glob("*.json")}


def test_the_readme_compares_variants_of_the_commit(built, run):
    """The first in this file: later ones commit 16 kernels."""
    (script,) = (text for text in blocks("README.md") if text.startswith("dvc exp run"))
    *lines, apply = script.splitlines()
    errors = [metrics(built)["evaluate.json"]["margin_error"]]
    # Queued runs are shown while they wait, since they would take minutes.
    starting = [line for line in lines if line.startswith("dvc queue start")]
    assert len(starting) == 1
    printed = bash(run, "\n".join(line for line in lines if line not in starting))
    assert "Running stage 'train'" in printed
    assert "Running stage 'prepare'" not in printed
    _, compared = printed.split("\nname ")
    queued = re.findall(r"^\w+-\w+ +.*Queued", compared, re.MULTILINE)
    assert len(queued) == 6
    (wider,) = re.findall(r"^(\w+-\w+) +model.kernels=16 +\d\.\d+", compared, re.MULTILINE)
    assert "model.conv_layers=4" in compared
    assert max(map(len, compared.splitlines())) <= 80
    shown = run("dvc", "exp", "show", "--csv", "--drop", "(?!State|model.kernels).*").stdout
    assert shown.count("Queued,4") == 6  # not the 16 of the first experiment
    assert run("git", "status", "--porcelain").stdout == ""
    run("dvc", "queue", "remove", "--all")
    bash(run, apply.replace("NAME", wider))
    assert "kernels: 16" in (built / "params.yaml").read_text()
    errors.append(metrics(built)["evaluate.json"]["margin_error"])
    (differs,) = re.findall(r"^metrics/evaluate.json +margin_error +(.+)$", printed, re.MULTILINE)
    assert [float(error) for error in differs.split()[:2]] == pytest.approx(errors, abs=1e-5)
    run("dvc", "exp", "remove", "--all-commits")
    back_to_the_commit(run)


@pytest.fixture(scope="module")
def walked(built: Path, run: Run) -> dict[str, str]:
    """What each block of the walk-through printed."""
    assert (built / ".dvc").is_dir()
    run("git", "init", "--quiet", "--bare", "../origin.git")  # the repository that was cloned
    run("git", "remote", "add", "origin", "../origin.git")
    printed = {script.split("\n")[0]: bash(run, script) for script in blocks(WALK)}
    return {" ".join(first.split()[:3]): text for first, text in printed.items()}


def test_an_experiment_becomes_a_commit(walked, run):
    compared = walked["git checkout HEAD"]
    assert re.search(r"^wider +model.kernels=16 +\d\.\d{4} +[+-]\d\.\d{4}", compared, re.MULTILINE)
    assert re.search(r"model\.kernels +4 +16", compared)  # small params have 4
    assert "index.html" in compared
    assert (
        run("git", "log", "-1", "--format=%s", "kernels-16").stdout == "16 kernels instead of 8\n"
    )
    assert "margin_error" in walked["dvc exp apply"]
    assert run("git", "status", "--porcelain").stdout == ""


@pytest.mark.usefixtures("walked")
def test_nothing_is_pushed_to_the_repository_that_was_cloned(run):
    assert run("git", "ls-remote", "origin").stdout == ""
    pushed = run("git", "ls-remote", "mine").stdout
    assert re.search(r"refs/heads/main$", pushed, re.MULTILINE)
    assert re.search(r"refs/tags/kernels-16$", pushed, re.MULTILINE)
    assert re.search(r"refs/exps/.*/wider$", pushed, re.MULTILINE)


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
    printed = bash(run, "\n".join(blocks(WALK, "elsewhere")))
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
    return "".join(bash(run, script) for script in blocks(OWN))


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
    back_to_the_commit(run)
    assert run("git", "status", "--porcelain").stdout == ""
    assert "up to date" in run("dvc", "status").stdout

    raw.rename(away)
    try_in_vain("dvc", "repro", "prepare")

    guide = (REPOSITORY / OWN).read_text(encoding="utf-8")
    messages = re.findall(
        r"^\| `(?:error: )?(?:\.\.\.: )?([^|]+?)(?:, \.\.\.\))?` \|", guide, re.MULTILINE
    )
    *stated, diverged = messages
    assert diverged == "diverged` is 1 in `metrics/train.json"
    for message, output in zip(stated, printed, strict=True):
        assert message in output
    bash(run, cures("missing data")[0])
    assert len([*raw.rglob("*.JPG")]) == sum(PHOTOS.values())
    shutil.rmtree(away)
    back_to_the_commit(run)


def test_a_bad_photograph_is_removed_and_recorded_as_the_guide_says(own, built, run):
    assert own
    bad = built / "data/raw/mine/val/broken.png"
    bad.write_text("no picture")
    run("dvc", "repro", "prepare", succeeds=False)
    assert "nfiles: 23" in (built / "data/raw/mine.dvc").read_text()
    run("git", "commit", "--quiet", "--message", "More photographs", "data/raw/mine.dvc")
    bad.unlink()
    (cure,) = (cure for cure in cures("is not an image") if "dvc add" in cure)
    bash(run, cure)
    run("dvc", "repro", "prepare")
    assert run("git", "status", "--porcelain").stdout == ""
    assert "nfiles: 22" in (built / "data/raw/mine.dvc").read_text()


@pytest.mark.usefixtures("own")
def test_python_finds_the_stages_after_what_the_guide_says_and_in_make(built, run):
    safe = ("env", "PYTHONSAFEPATH=1")
    repro = "dvc repro --force --single-item predict_test"
    assert "No module named" in run(*safe, *repro.split(), succeeds=False).stderr
    (cure,) = (cure for cure in cures("No module named") if cure.startswith("unset"))
    run(*safe, "bash", "-c", f"{cure}; {repro}")
    run("sed", "-i", "s/count: 3/count: 4/", "params.yaml")
    (built / ".venv").mkdir()
    (built / ".venv/installed").touch()
    printed = run(*safe, "make", "repro").stdout
    assert "colorized 4 of 4" in printed
    *_, last = printed.partition("Path  ")
    assert "metrics/evaluate.json  table_median.margin_error" in last
    table = [line for line in last.splitlines() if not line.startswith("make")]  # within make test
    assert max(map(len, table)) <= 80
    shutil.rmtree(built / ".venv")
    back_to_the_commit(run)


def back_to_the_commit(run: Run) -> None:
    bash(run, cures("train.learning_rate")[-1])


LONGER = ("-S", "train.epochs=999", "-S", "train.patience=999")


@pytest.mark.usefixtures("own")
def test_a_run_killed_while_training_can_be_taken_back_as_the_guide_says(built, run, start):
    (built / "README.md").write_text("mine\n")
    process = start("dvc", "exp", "run", *LONGER)
    kill_when(process, (built / "models/colorizer.checkpoint").exists)
    assert "params.yaml" in run("git", "diff", "--name-only", "--cached").stdout
    assert run("git", "branch", "--show-current").stdout == ""
    assert run("git", "stash", "list").stdout == ""
    (cure,) = (cure for cure in cures("shows nothing") if "&&" in cure)
    bash(run, cure)
    assert run("git", "branch", "--show-current").stdout == "main\n"
    assert run("git", "diff", "--name-only", "HEAD").stdout == "README.md\n"
    assert (built / "README.md").read_text() == "mine\n"
    assert "up to date" in run("dvc", "status").stdout
    back_to_the_commit(run)


# DVC puts uncommitted changes away, detaches HEAD, and changes params.yaml, in this order.
@pytest.mark.parametrize("moment", [".git/HEAD", "params.yaml"])
@pytest.mark.parametrize("queue", [["--queue"], []])
@pytest.mark.usefixtures("own")
def test_a_run_killed_while_it_starts_can_be_taken_back_as_the_guide_says(
    built, run, start, moment, queue
):
    (built / "README.md").write_text("mine\n")
    before = (built / moment).read_text()
    (cure,) = (cure for cure in cures("WIP on main") if "&&" in cure)
    (cure_after_start,) = (cure for cure in cures("shows nothing") if "&&" in cure)
    for _ in range(5):
        process = start("dvc", "exp", "run", *queue, *LONGER)
        kill_when(process, lambda: (built / moment).read_text() not in (before, ""))
        if "WIP on main" in run("git", "stash", "list").stdout:
            break
        bash(run, cure_after_start)  # on a busy machine, DVC can be further than that
    else:
        raise AssertionError("no kill was in time")
    bash(run, cure)
    assert run("git", "branch", "--show-current").stdout == "main\n"
    assert run("git", "diff", "--name-only", "HEAD").stdout == "README.md\n"
    assert (built / "README.md").read_text() == "mine\n"
    assert run("git", "stash", "list").stdout == ""
    back_to_the_commit(run)


def test_the_parts_that_a_guide_names_are_there():
    text = (REPOSITORY / "docs/copy-this-structure.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w./]+(?:/|\.py|\.yaml|/run))`", text)
    known = {path.name for path in REPOSITORY.rglob("*.py") if ".venv" not in path.parts}
    assert len(named) > 15
    for name in named:
        assert (REPOSITORY / name).exists() or name in known, name
