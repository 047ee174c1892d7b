"""Our training gives the same errors as the reference loop."""

import pytest
from PIL import Image

from benchmarks import reference
from benchmarks.epochs import ours
from tests.conftest import draw_photos, small_params


@pytest.mark.parametrize(
    ("conv_layers", "kernels", "batch_norm"),
    [(1, 8, False), (2, 2, False), (2, 16, False), (4, 8, False), (2, 8, True), (1, 8, True)],
)
def test_our_errors_are_those_of_the_reference_loop(
    make_split, tmp_path, conv_layers, kernels, batch_norm
):
    for seed, (split, count) in enumerate({"train": 40, "val": 20}.items()):
        (tmp_path / "raw" / split).mkdir(parents=True)
        make_split(draw_photos(count, seed), split)
        for number, rgb in enumerate(draw_photos(count, seed)):
            Image.fromarray(rgb).save(tmp_path / "raw" / split / f"{number:02}.png")
    sections = small_params()
    norm = "all" if batch_norm else "none"
    sections["model"] |= {"conv_layers": conv_layers, "kernels": kernels, "batch_norm": norm}
    sections["train"] |= {"seed": 3, "batch_size": 16}
    expected = reference.epochs(tmp_path / "raw", 3, conv_layers, kernels, batch_norm)
    epochs = ours(tmp_path, sections)
    for _ in range(5):
        epoch, (train_mse, val_mse, val_error) = next(epochs), next(expected)
        assert (epoch.train_mse, epoch.val_mse) == pytest.approx((train_mse, val_mse), rel=1e-4)
        # A value exactly at the margin may be counted differently.
        assert epoch.val_margin_error == pytest.approx(val_error, abs=1e-3)
