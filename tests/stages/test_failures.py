"""A failure of each stage: one line on standard error, exit status 1, every file as it was."""

import runpy
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from colorizer.files import write_yaml
from tests.conftest import RAW, REPOSITORY, contents, small_params

PREDICTIONS = "data/predictions/estimations_val.npy"


def write_params(section: str, key: str, value: object) -> None:
    params = small_params()
    params[section][key] = value
    write_yaml(Path("params.yaml"), params)


def truncate(path: str) -> None:
    Path(path).write_bytes(Path(path).read_bytes()[:-1])


FAILURES: dict[str, tuple[Callable[[], object], str]] = {
    "sample": (
        lambda: write_params("sample", "tile_size", 1000),
        "params.yaml: sample.tile_size is 1000, too large for any tile of train; 80 fits",
    ),
    "prepare": (
        lambda: Path(RAW, "val").rename("away"),
        f"{RAW}/val: no such folder; a dataset has the folders train, val and test",
    ),
    # A stage refuses bad values of later stages, too.
    "train": (lambda: write_params("plot", "dpi", 1000), "params.yaml: plot.dpi is 1000: "),
    "evaluate": (
        lambda: truncate("models/colorizer.safetensors"),
        "models/colorizer.safetensors: cannot be read as a model (",
    ),
    "predict_test": (
        lambda: truncate("data/prepared/test/gray.npy"),
        "data/prepared/test/gray.npy: cannot be read as an array (",
    ),
    "plot": (
        lambda: np.save(PREDICTIONS, np.load(PREDICTIONS)[1:]),
        f"{PREDICTIONS}: has uint8 (5, 16, 16, 3), should have uint8 (6, 16, 16, 3)",
    ),
}


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("stage", FAILURES)
def test_a_failure_is_one_line_and_changes_no_file(stage, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the handler is for a process
    damage, message = FAILURES[stage]
    damage()
    before = contents()
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(f"{REPOSITORY}/stages/{stage}.py", run_name="__main__")
    # Python prints a text in SystemExit on standard error and exits with status 1.
    assert ended.value.code.startswith(f"error: {message}")
    assert ended.value.code.isprintable()
    assert contents() == before
