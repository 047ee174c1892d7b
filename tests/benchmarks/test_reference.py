"""Our training gives the same errors as the reference loop."""

from itertools import islice

import pytest
import torch
from PIL import Image

from benchmarks.reference import build, epochs
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.training.config import TrainParams
from colorizer.training.trainer import Trainer
from tests.conftest import draw_photos, small_params

SEED = 3


@pytest.mark.parametrize(
    ("conv_layers", "kernels", "batch_norm"),
    [(1, 8, False), (2, 2, False), (2, 16, False), (4, 8, False), (2, 8, True), (1, 8, True)],
)
def test_our_errors_equal_those_of_the_reference_loop(
    make_split, tmp_path, conv_layers, kernels, batch_norm
):
    splits, paths = {}, {}
    for seed, (name, count) in enumerate({"train": 40, "val": 20}.items()):
        photos = draw_photos(count, seed)
        splits[name] = make_split(photos, name)
        paths[name] = [tmp_path / f"{name}-{number}.png" for number in range(count)]
        for path, rgb in zip(paths[name], photos, strict=True):
            Image.fromarray(rgb).save(path)

    torch.manual_seed(SEED)
    reference = build(conv_layers, kernels, batch_norm)
    torch.manual_seed(SEED)
    sections = small_params()
    norm = "all" if batch_norm else "none"
    changes = {"conv_layers": conv_layers, "kernels": kernels, "batch_norm": norm}
    network = Colorizer(ModelParams(**sections["model"] | changes), 12)
    changes = {"seed": SEED, "batch_size": 16, "epochs": 5}
    params = TrainParams(**sections["train"] | changes)
    trainer = Trainer(network, params, 12, splits["train"], splits["val"])
    for expected in islice(epochs(reference, paths["train"], paths["val"], SEED), 5):
        epoch = trainer.run_epoch()
        mses = (epoch.train_mse, epoch.val_mse)
        assert mses == pytest.approx(expected[:2], rel=1e-4)
        # A value exactly at the margin may be counted differently.
        assert epoch.val_margin_error == pytest.approx(expected[2], abs=1e-3)
