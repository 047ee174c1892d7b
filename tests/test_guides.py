"""What the README and the guides in docs/ tell people to do, done."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import PHOTOS, RAW, REPOSITORY, Run, kill_when

WALK, OWN = "docs/from-experiment-to-commit.md", "docs/own-photographs.md"
FENCE = re.compile(r"^ *```sh( \w+)?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
MESSAGE = re.compile(r"^\| `(?:error: )?(?:\.\.\.: )?([^|]+?)(?:, \.\.\.\))?` \|", re.MULTILINE)


def blocks(guide: str, where: str = "") -> list[str]:
    """The commands of a guide, a script for each block."""
    text = (REPOSITORY / guide).read_text(encoding="utf-8")
    return [script for place, script in FENCE.findall(text) if place.strip() == where]


def fix(message: str, word: str) -> str:
    """The command with a word that a guide's table has for a message, or for a state."""
    lines = (REPOSITORY / OWN).read_text(encoding="utf-8").splitlines()
    (row,) = (line for line in lines if line.startswith("| ") and message in line.split(" | ")[0])
    return next(cell for cell in re.findall(r"`(.+?)`", row.split(" | ")[1]) if word in cell)


def bash(run: Run, *scripts: str) -> str:
    return "".join(run("bash", "-euo", "pipefail", "-c", script).stdout for script in scripts)


def back_to_the_commit(run: Run) -> None:
    bash(run, fix("train.learning_rate", "checkout"))


def metrics(folder: Path) -> dict[str, dict[str, object]]:
    return {path.name: json.loads(path.read_text()) for path in (folder / "metrics").glob("*.json")}


def test_the_readme_compares_variants_of_the_commit(built, run):
    """The first in this file: later ones commit 16 kernels."""
    (script,) = (text for text in blocks("README.md") if text.startswith("dvc exp run"))
    *lines, apply = script.splitlines()
    # Queued runs are shown while they wait, since they would take minutes.
    (start,) = [line for line in lines if line.startswith("dvc queue start")]
    printed = bash(run, "\n".join(line for line in lines if line != start))
    _, compared = printed.split("\nname ")
    assert len(re.findall(r"^\w+-\w+ +.*Queued", compared, re.MULTILINE)) == 6
    (wider,) = re.findall(r"^(\w+-\w+) +model.kernels=16 +\d\.\d+", compared, re.MULTILINE)
    assert run("git", "status", "--porcelain").stdout == ""
    run("dvc", "queue", "remove", "--all")
    bash(run, apply.replace("NAME", wider))
    assert "kernels: 16" in (built / "params.yaml").read_text()
    run("dvc", "exp", "remove", "--all-commits")
    back_to_the_commit(run)


def test_an_experiment_becomes_a_commit_that_others_have_without_running_it(built, run):
    run("git", "init", "--quiet", "--bare", "../origin.git")  # the repository that was cloned
    run("git", "remote", "add", "origin", "../origin.git")
    printed = bash(run, *blocks(WALK))
    assert re.search(r"^wider +model.kernels=16 +\d\.\d{4} +[+-]\d\.\d{4}", printed, re.MULTILINE)
    assert run("git", "log", "-1", "--format=%s", "kernels-16").stdout.startswith("16 kernels")
    assert run("git", "status", "--porcelain").stdout == ""
    assert run("git", "ls-remote", "origin").stdout == ""
    summary = run(".ci/summary", "kernels-16~1").stdout
    assert re.search(r"\| model\.kernels +\| 4 +\| 16 +\|", summary)
    elsewhere = bash(run, "\n".join(blocks(WALK, "elsewhere")))
    assert "Data and pipelines are up to date." in elsewhere
    assert "Running stage" not in elsewhere
    assert metrics(built.parent / "elsewhere") == metrics(built)


@pytest.fixture(scope="module")
def own(built: Path, run: Run) -> Path:
    """The data set of own photographs, after what the guide says."""
    photos = sorted((built / RAW).rglob("*.png"), key=lambda photo: "test" in str(photo))
    (built / "album").mkdir()
    for number, photo in enumerate(photos):  # those of test are gray, and come last
        shutil.copy(photo, built / f"album/Photo {number:02}.PNG")
    assert "gain_over_table" in bash(run, *blocks(OWN))
    assert "trained on faces: 5001 photographs" in bash(run, *blocks(OWN, "gray"))
    for folder in ("album", "colors", "more", "rows"):
        shutil.rmtree(built / folder)
    return built / "data/raw/mine"


def test_own_photographs_are_learnt_from(own, built, run):
    assert metrics(built)["prepare.json"]["photos"]["train"] == sum(PHOTOS.values()) * 8 // 10
    assert f"name: {own.name}" in (built / "params.yaml").read_text()
    assert run("git", "status", "--porcelain").stdout == ""


def test_what_goes_wrong_is_said_and_fixed_as_the_guide_says(own, built, run):
    printed = []

    def fails(*command: str) -> None:
        printed.append(run(*command, succeeds=False).stderr)

    for split in ("train", "val"):
        (own / split).rename(built / "away")
        if split == "val":
            (own / "val").mkdir()
        fails("dvc", "repro", "prepare")
        shutil.copytree(built / "away", own / split, dirs_exist_ok=True)
        shutil.rmtree(built / "away")
    (own / "val/broken.png").write_text("no photograph")
    fails("dvc", "repro", "prepare")
    (own / "val/broken.png").unlink()
    bash(run, fix("not an image", "dvc add").partition(" && ")[0])
    fails("dvc", "exp", "run", "-S", "train.learning_rate=abc")
    back_to_the_commit(run)
    assert run("git", "status", "--porcelain").stdout == ""
    shutil.rmtree(own)
    fails("dvc", "repro", "prepare")
    bash(run, fix("missing data", "dvc checkout"))
    assert len([*own.rglob("*.PNG")]) == sum(PHOTOS.values())
    stated = MESSAGE.findall((REPOSITORY / OWN).read_text(encoding="utf-8"))
    for message, output in zip(stated, printed, strict=False):  # further rows are states
        assert message in output


@pytest.mark.slow  # killed DVC is a rare state
@pytest.mark.usefixtures("own")
def test_a_run_killed_while_training_is_taken_back_as_the_guide_says(built, run, start):
    (built / "README.md").write_text("mine\n")
    process = start("dvc", "exp", "run", "-S", "train.epochs=999", "-S", "train.patience=999")
    kill_when(process, (built / "models/colorizer.checkpoint").exists)
    assert run("git", "branch", "--show-current").stdout == ""
    bash(run, fix("shows nothing", "&&"))
    assert run("git", "branch", "--show-current").stdout == "main\n"
    assert run("git", "diff", "--name-only", "HEAD").stdout == "README.md\n"
    assert "up to date" in run("dvc", "status").stdout
