import pytest
import torch

from colorizer.training.augmentation import flip_and_shift, sample_flips_and_shifts


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ((0, 0, 0), [[1, 2, 3], [4, 5, 6]]),
        ((1, 0, 0), [[1, 2, 3], [1, 2, 3]]),
        ((0, 1, 0), [[1, 1, 2], [4, 4, 5]]),
        ((0, -2, 0), [[3, 3, 3], [6, 6, 6]]),
        ((0, 0, 1), [[3, 2, 1], [6, 5, 4]]),
        ((0, 1, 1), [[3, 3, 2], [6, 6, 5]]),
    ],
)
def test_flips_and_shifts_by_hand(sample, expected):
    """Each image of a batch has its own; all channels of an image share it."""
    image = torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.uint8)
    samples = torch.tensor([(0, 0, 0), sample])
    gray = flip_and_shift(image.expand(2, 2, 3), samples)
    assert gray.tolist() == [image.tolist(), expected]
    rgb = torch.stack([image, image + 10], dim=-1).expand(2, 2, 3, 2)
    assert torch.equal(flip_and_shift(rgb, samples), torch.stack([gray, gray + 10], dim=-1))


def test_all_flips_and_shifts_are_equally_likely():
    samples = sample_flips_and_shifts(2000, True, 2, torch.Generator().manual_seed(0))
    for column, values in enumerate([range(-2, 3), range(-2, 3), range(2)]):
        drawn, counts = samples[:, column].unique(return_counts=True)
        assert drawn.tolist() == list(values)
        assert (counts / 2000 * len(values) - 1).abs().max() < 0.2
    assert not sample_flips_and_shifts(20, False, 0, torch.Generator()).any()
