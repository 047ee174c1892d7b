"""The stages one after the other, on a tiny data set."""

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from colorizer.files import write_yaml
from tests.conftest import RAW, small_params, write_raw

STAGES = ("prepare", "train", "evaluate", "predict_test", "plot")


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all stages but that of the sample have run."""
    folder = tmp_path_factory.mktemp("built")
    write_raw(folder / RAW)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        write_yaml(Path("params.yaml"), small_params())
        for stage in STAGES:
            import_module(f"stages.{stage}").main()
    return folder


@pytest.fixture
def built(built_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder to work in."""
    shutil.copytree(built_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def metrics(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text())


def series(path: str) -> list[dict[str, float]]:
    return pd.read_csv(path).to_dict("records")
