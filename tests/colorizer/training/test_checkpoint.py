from importlib import import_module
from pathlib import Path

import pytest
import torch

from colorizer.files import read_yaml
from colorizer.metrics.margin import MetricParams
from colorizer.training.checkpoint import (
    _project_files,
    fingerprint,
    load_checkpoint,
    save_checkpoint,
)
from colorizer.training.trainer import Epoch
from tests.conftest import REPOSITORY
from tests.test_dvc_yaml import import_closure

CPU = torch.device("cpu")
FINGERPRINT = {"params": "p", "data": "d", "code": "c", "machine": "m"}
HISTORY = [Epoch(1, 0.1 + 0.2, 1 / 3, 0.25, 1e-05), Epoch(2, 5e-324, 1e308, 0.0, 0.1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.checkpoint"


def test_a_checkpoint_round_trips_to_the_last_bit(path):
    tensors = {
        "weight": torch.randn(2, 3),
        "step": torch.tensor(3),
        "generator": torch.get_rng_state(),
        "transposed": torch.randn(2, 3).t(),
    }
    save_checkpoint(path, FINGERPRINT, tensors, HISTORY)
    loaded, history = load_checkpoint(path, FINGERPRINT)
    assert history == HISTORY
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(loaded[name], tensor)
        assert loaded[name].dtype == tensor.dtype


@pytest.mark.parametrize("kind", FINGERPRINT)
def test_a_checkpoint_with_another_fingerprint_is_not_used(path, kind):
    save_checkpoint(path, FINGERPRINT, {"weight": torch.zeros(1)}, HISTORY)
    assert load_checkpoint(path, FINGERPRINT | {kind: "x"}) == f"the checkpoint is of other {kind}"


def test_all_differences_are_reported(path):
    save_checkpoint(path, FINGERPRINT, {"weight": torch.zeros(1)}, HISTORY)
    reason = load_checkpoint(path, FINGERPRINT | {"params": "x", "code": "x"})
    assert reason == "the checkpoint is of other params and code"


def test_a_missing_and_a_broken_checkpoint_are_reported(path):
    assert load_checkpoint(path, FINGERPRINT) == "there is no checkpoint"
    save_checkpoint(path, FINGERPRINT, {"weight": torch.zeros(1)}, HISTORY)
    whole = path.read_bytes()
    for broken in (b"", whole[:-1], whole[:30], b"text"):
        path.write_bytes(broken)
        assert load_checkpoint(path, FINGERPRINT) == "the checkpoint cannot be read"


def test_the_fingerprint_distinguishes_params_and_data(tmp_path):
    (tmp_path / "train").mkdir()
    files = [tmp_path / "train/gray.npy"]
    files[0].write_bytes(b"1")

    def current(margin: int = 12) -> dict[str, str]:
        return fingerprint({"metric": MetricParams(margin=margin)}, files, CPU)

    first = current()
    assert current() == first
    assert changed(current(margin=6), first) == {"params"}
    (tmp_path / "train/gray.npy").write_bytes(b"2")
    assert changed(current(), first) == {"data"}
    files[0] = files[0].rename(tmp_path / "train/rgb.npy")
    assert changed(current(), first) == {"data"}


def test_the_fingerprint_distinguishes_code(monkeypatch, tmp_path):
    first = fingerprint({}, [], CPU)
    (tmp_path / "colorizer").mkdir()
    (tmp_path / "colorizer/trainer.py").write_text("# changed\n")
    monkeypatch.setattr(
        "colorizer.training.checkpoint._project_files", lambda: [*tmp_path.rglob("*.py")]
    )
    assert changed(fingerprint({}, [], CPU), first) == {"code"}


def test_the_fingerprint_covers_the_modules_that_training_depends_on():
    import_module("stages.train")
    covered = {path.relative_to(REPOSITORY).as_posix() for path in _project_files()}
    deps = read_yaml(REPOSITORY / "dvc.yaml")["stages"]["train"]["deps"]
    assert {dep for dep in deps if dep.endswith(".py")} <= covered
    assert import_closure("stages/train.py") <= covered  # those in the folders among the deps, too


def test_a_corrupt_weight_is_noticed(path):
    save_checkpoint(path, FINGERPRINT, {"weight": torch.ones(100)}, HISTORY)
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    assert load_checkpoint(path, FINGERPRINT) == "the checkpoint cannot be read"


def changed(current: dict[str, str], before: dict[str, str]) -> set[str]:
    assert current.keys() == before.keys()
    return {kind for kind in current if current[kind] != before[kind]}
