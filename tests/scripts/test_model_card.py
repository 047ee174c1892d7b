import json
import subprocess
import sys

from colorizer.files import read_yaml
from scripts.model_card import card
from tests.conftest import REPOSITORY


def committed() -> tuple[dict, dict]:
    params = read_yaml(REPOSITORY / "params.yaml")
    stages = ("prepare", "train", "evaluate")
    read = {name: json.loads((REPOSITORY / f"metrics/{name}.json").read_text()) for name in stages}
    return params, read


def test_the_committed_card_is_that_of_the_committed_metrics():
    assert (REPOSITORY / "MODEL_CARD.md").read_text(encoding="utf-8") == card(*committed())


def test_a_card_has_the_numbers_of_the_metrics():
    params, metrics = committed()
    params["data"]["name"] = "mine"
    params["train"]["seed"] = 7
    metrics["prepare"]["photos"] = {"train": 900, "val": 80, "test": 70}
    metrics["evaluate"]["margin_error"] = 0.12345
    metrics["evaluate"]["gain_over_table"] = 0.0321
    text = card(params, metrics)
    for part in (
        "`data/raw/mine`: 900 photographs",
        "| `train.seed` | 7 |",
        "| 0.1235 |",
        "0.0321 better",
    ):
        assert part in text
    assert "Eileen Collins" not in text
    metrics["evaluate"]["gain_over_table"] = -0.1
    assert "A table with one color per gray level does as well or better." in card(params, metrics)
    metrics["train"]["diverged"] = 1
    assert "the network is unusable" in card(params, metrics)


def test_a_card_needs_metrics(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    (tmp_path / "params.yaml").write_text("data: {name: sample}\n")
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.model_card", "card.md"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == "error: metrics/prepare.json: no such file; dvc repro writes it\n"
    assert not (tmp_path / "card.md").exists()
