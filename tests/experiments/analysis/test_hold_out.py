import sys
from pathlib import Path

from experiments.analysis import hold_out


def photos(folder: Path) -> dict[str, bytes]:
    """The content of the photographs below a folder, by their path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}


def test_every_fifth_training_photograph_is_held_out(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["hold_out", str(raw), str(tmp_path / "new")])
    hold_out.main()
    assert photos(tmp_path / "new/val") == photos(raw / "val")
    train, test = photos(tmp_path / "new/train"), photos(tmp_path / "new/test")
    assert train | test == photos(raw / "train")
    assert not {*train} & {*test}
    assert [sorted(train | test).index(name) for name in sorted(test)] == [0, 5, 10]
