import sys

from experiments.analysis import hold_out
from tests.conftest import contents


def test_every_fifth_training_photograph_is_held_out(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["hold_out", str(raw), str(tmp_path / "new")])
    hold_out.main()
    assert contents(tmp_path / "new/val") == contents(raw / "val")
    train, test = contents(tmp_path / "new/train"), contents(tmp_path / "new/test")
    assert train | test == contents(raw / "train")
    assert not {*train} & {*test}
    assert [sorted(train | test).index(name) for name in sorted(test)] == [0, 5, 10]
