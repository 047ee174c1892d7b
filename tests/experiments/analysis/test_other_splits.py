import sys
from pathlib import Path

import numpy as np
import torch

from colorizer.models.model_file import TrainedModel, save_model
from experiments.analysis import other_splits
from tests.colorizer.models.conftest import build
from tests.conftest import draw_photos


def test_the_error_is_that_of_the_predictions(make_split, tmp_path, monkeypatch, capsys):
    split = make_split(draw_photos(6, seed=1))
    network = build().eval()
    save_model(tmp_path / "a.safetensors", TrainedModel(network, (16, 16), "tiny", 12))
    command = ["other_splits", "measure", str(tmp_path / "split"), str(tmp_path / "a.safetensors")]
    for flip_tta in (False, True):
        monkeypatch.setattr(sys, "argv", command + ["--flip-tta"] * flip_tta)
        other_splits.main()
        predicted = network.predict(torch.from_numpy(split.gray), flip_tta).numpy()
        error = (np.abs(predicted - split.rgb) >= 12).mean()
        assert capsys.readouterr().out == f"a: 12-margin error {error:.6f}\n"


def photos(folder: Path) -> dict[str, bytes]:
    """The content of the photographs below a folder, by their path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}


def test_every_fifth_training_photograph_is_held_out(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["other_splits", "hold_out", str(raw), str(tmp_path / "new")])
    other_splits.main()
    assert photos(tmp_path / "new/val") == photos(raw / "val")
    train, test = photos(tmp_path / "new/train"), photos(tmp_path / "new/test")
    assert train | test == photos(raw / "train")
    assert not {*train} & {*test}
    assert [sorted(train | test).index(name) for name in sorted(test)] == [0, 5, 10]
