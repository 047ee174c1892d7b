from importlib import import_module
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from colorizer.checkpoint import _project_files, load_checkpoint, origin, save_checkpoint
from colorizer.metrics import MetricParams
from colorizer.training import Epoch
from tests.conftest import REPOSITORY

CPU = torch.device("cpu")
OF = {"params": "p", "data": "d", "code": "c", "machine": "m"}
HISTORY = [Epoch(1, 0.1 + 0.2, 1 / 3, 0.25, 1e-05), Epoch(2, 5e-324, 1e308, 0.0, 0.1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.checkpoint"


def test_a_checkpoint_comes_back_to_the_last_bit(path):
    tensors = {
        "weight": torch.randn(2, 3),
        "step": torch.tensor(3),
        "generator": torch.get_rng_state(),
        "transposed": torch.randn(2, 3).t(),
    }
    save_checkpoint(path, OF, tensors, HISTORY)
    loaded, history = load_checkpoint(path, OF)
    assert history == HISTORY
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(loaded[name], tensor)
        assert loaded[name].dtype == tensor.dtype


@pytest.mark.parametrize("kind", OF)
def test_a_checkpoint_of_another_origin_is_not_used(path, kind):
    save_checkpoint(path, OF, {"weight": torch.zeros(1)}, HISTORY)
    assert load_checkpoint(path, OF | {kind: "x"}) == f"the checkpoint is of other {kind}"


def test_all_that_differs_is_said(path):
    save_checkpoint(path, OF, {"weight": torch.zeros(1)}, HISTORY)
    said = load_checkpoint(path, OF | {"params": "x", "code": "x"})
    assert said == "the checkpoint is of other params and code"


def test_no_checkpoint_and_a_broken_one_are_said(path):
    assert load_checkpoint(path, OF) == "there is no checkpoint"
    save_checkpoint(path, OF, {"weight": torch.zeros(1)}, HISTORY)
    whole = path.read_bytes()
    for broken in (b"", whole[:-1], whole[:30], b"text"):
        path.write_bytes(broken)
        assert load_checkpoint(path, OF) == "the checkpoint cannot be read"


def test_the_origin_tells_params_and_data_apart(tmp_path):
    (tmp_path / "train").mkdir()
    files = [tmp_path / "train/gray.npy"]
    files[0].write_bytes(b"1")

    def now(margin: int = 12) -> dict[str, str]:
        return origin({"metric": MetricParams(margin=margin)}, files, CPU)

    first = now()
    assert now() == first
    assert changed(now(margin=6), first) == {"params"}
    (tmp_path / "train/gray.npy").write_bytes(b"2")
    assert changed(now(), first) == {"data"}
    files[0] = files[0].rename(tmp_path / "train/rgb.npy")
    assert changed(now(), first) == {"data"}


def test_the_origin_tells_code_apart(monkeypatch, tmp_path):
    first = origin({}, [], CPU)
    (tmp_path / "colorizer").mkdir()
    (tmp_path / "colorizer/training.py").write_text("# changed\n")
    monkeypatch.setattr("colorizer.checkpoint._project_files", lambda: [*tmp_path.rglob("*.py")])
    assert changed(origin({}, [], CPU), first) == {"code"}


def test_the_origin_covers_the_modules_that_training_depends_on():
    import_module("stages.train")
    covered = {path.relative_to(REPOSITORY).as_posix() for path in _project_files()}
    deps = YAML(typ="safe", pure=True).load(REPOSITORY / "dvc.yaml")["stages"]["train"]["deps"]
    assert {dep for dep in deps if dep.endswith(".py")} <= covered


def test_a_weight_that_was_lost_on_the_way_is_noticed(path):
    save_checkpoint(path, OF, {"weight": torch.ones(100)}, HISTORY)
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    assert load_checkpoint(path, OF) == "the checkpoint cannot be read"


def changed(now: dict[str, str], before: dict[str, str]) -> set[str]:
    assert now.keys() == before.keys()
    return {kind for kind in now if now[kind] != before[kind]}
