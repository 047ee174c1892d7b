import pytest
import torch

from colorizer.params import Params
from colorizer.training import checkpoint
from colorizer.training.checkpoint import load_checkpoint, run_identity, save_checkpoint

IDENTITY = {"params": "p", "inputs": "i", "machine": "m"}


def test_only_the_checkpoint_of_the_same_run_is_used(tmp_path):
    state = {"history": [(1, 0.1 + 0.2, 5e-324)], "optimizer": {"state": {0: torch.randn(2, 3)}}}
    save_checkpoint(tmp_path / "checkpoint", IDENTITY, state)
    loaded = load_checkpoint(tmp_path / "checkpoint", IDENTITY)
    torch.testing.assert_close(loaded, state, rtol=0, atol=0)
    for key in IDENTITY:
        assert load_checkpoint(tmp_path / "checkpoint", IDENTITY | {key: "x"}) is None


def test_a_missing_or_damaged_checkpoint_is_not_used(tmp_path):
    path = tmp_path / "checkpoint"
    assert load_checkpoint(path, IDENTITY) is None
    save_checkpoint(path, IDENTITY, {"weight": torch.zeros(100)})
    whole = path.read_bytes()
    for damaged in (b"", b"text", b"hello", whole[:-1], whole[:30], bytes(len(whole))):
        path.write_bytes(damaged)
        assert load_checkpoint(path, IDENTITY) is None
    torch.save(IDENTITY | {"state": path}, path)  # an object, which could run code
    assert load_checkpoint(path, IDENTITY) is None


@pytest.fixture
def changed(tmp_path, params, monkeypatch):
    """A function that gives the keys of the identity that differ from those of the start."""
    monkeypatch.setattr(checkpoint, "PACKAGE", tmp_path)
    files = [tmp_path / "gray.npy", tmp_path / "rgb.npy"]
    for file in (*files, tmp_path / "code.py"):
        file.write_text(file.name)

    def current() -> dict[str, str]:
        files.reverse()  # a folder lists its files in any order
        return run_identity(Params(**params), files, torch.device("cpu"))

    start = current()
    return lambda: [key for key, value in current().items() if value != start[key]]


@pytest.mark.parametrize(
    ("section", "key", "expected"),
    [
        ("plot", "dpi", []),
        ("train", "seed", ["params"]),
        ("model", "kernels", ["params"]),
        ("metric", "margin", ["params"]),
    ],
)
def test_the_identity_depends_on_the_params_of_training(changed, params, section, key, expected):
    params[section][key] += 1
    assert changed() == expected


@pytest.mark.parametrize("name", ["code.py", "gray.npy", "rgb.npy"])
def test_the_identity_depends_on_data_and_code(changed, tmp_path, name):
    (tmp_path / name).write_text("other")
    assert changed() == ["inputs"]


def test_the_identity_depends_on_the_unit_that_multiplies_bfloat16(changed, monkeypatch):
    has_amx = torch.cpu.get_capabilities().get("amx_bf16")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": not has_amx})
    assert changed() == ["machine"]


def test_the_identity_depends_on_the_machine(changed, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert changed() == ["machine"]
