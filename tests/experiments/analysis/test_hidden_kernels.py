import sys
from pathlib import Path

import pytest
import torch

from colorizer.models.model_file import TrainedModel, save_model
from experiments.analysis import hidden_kernels
from experiments.analysis.hidden_kernels import count_kernels
from experiments.rows import git
from tests.colorizer.models.conftest import UNET, build
from tests.conftest import draw_photos

HEADER = "name,margin_error,active,always_on,dead,dead_layers,saturated\n"


def test_kernels_are_counted_by_when_their_relu_is_above_0():
    network = build(conv_layers=3, kernels=3, kernel_size=1, tanh=True)
    first, second, last = (network.body[index] for index in (0, 2, 4))
    gray = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).repeat(20, 1, 1)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([-1.0, 1.0, 1.0]).view(3, 1, 1, 1))
        first.bias.copy_(torch.tensor([-1.0, 1.1, 0.0]))  # never, always, for half of the grays
        for module in (second, last):
            module.weight.zero_()
        second.bias.fill_(1)
        last.bias.copy_(torch.tensor([0.0, 3.0, -3.0]))  # tanh(3) is 0.995
        counts = {"active": 1, "always_on": 1 + 3, "dead": 1, "dead_layers": 0}
        assert count_kernels(network, gray) == counts | {"saturated": pytest.approx(2 / 3)}
        second.bias.fill_(-1)
        counts = {"active": 1, "always_on": 1, "dead": 1 + 3, "dead_layers": 1}
        assert count_kernels(network, gray) == counts | {"saturated": pytest.approx(2 / 3)}
    none = dict.fromkeys(counts, 0) | {"saturated": 0}
    assert count_kernels(build(conv_layers=1), gray) == none


def test_rows_of_other_runs_stay(make_split, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_split(draw_photos(3, seed=1))
    for folder in (".dvc", "models", "metrics"):
        Path(folder).mkdir()
    Path(".dvc/config").touch()
    Path("metrics/evaluate.json").write_text('{"margin_error": 0.25}')
    git("init", "--quiet")
    for name, network in (("faces-few-tanh-483", build(kernels=8)), ("unet", build(**UNET))):
        path = Path("models/colorizer.safetensors")
        save_model(path, TrainedModel(network, (16, 16), "faces", 12, {}))
        git("add", ".")
        git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", name)
        git("update-ref", f"refs/exps/ab/12/{name}", "HEAD")
    monkeypatch.setattr(sys, "argv", ["", "split", ".", "faces-few-tanh-483", "unet"])
    hidden_kernels.main()
    file = Path("hidden_kernels.csv")
    _, row = file.read_text().splitlines(keepends=True)
    name, error, *counts, dead_layers, saturated = row.split(",")
    assert (name, error, dead_layers, saturated) == ("faces-few-tanh-483", "0.25", "0", "0.0\n")
    assert sum(map(int, counts)) == 8
    outdated, other = row.replace("0.25", "0.3"), "faces-few-tanh-2,0.50,1,2,5,0,0.10\n"
    file.write_text(HEADER + outdated + other)
    hidden_kernels.main()
    assert file.read_text() == HEADER + other + row
