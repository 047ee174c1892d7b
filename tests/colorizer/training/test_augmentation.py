import torch
from hypothesis import given
from hypothesis import strategies as st

from colorizer.training.augmentation import flip_and_shift, sample_flips_and_shifts


def test_flips_and_shifts_by_hand():
    image = torch.tensor([[[1, 2, 3], [4, 5, 6]]], dtype=torch.uint8)  # (1, 2, 3)
    for sample, expected in {
        (0, 0, 0): [[1, 2, 3], [4, 5, 6]],
        (1, 0, 0): [[1, 2, 3], [1, 2, 3]],
        (0, 1, 0): [[1, 1, 2], [4, 4, 5]],
        (0, -2, 0): [[3, 3, 3], [6, 6, 6]],
        (0, 0, 1): [[3, 2, 1], [6, 5, 4]],
        (0, 1, 1): [[3, 3, 2], [6, 6, 5]],
    }.items():
        assert flip_and_shift(image, torch.tensor([sample])).tolist() == [expected]


@given(st.integers(0, 9), st.booleans())
def test_each_image_has_its_own_flip_and_shift_which_all_channels_share(max_shift, horizontal_flip):
    samples = sample_flips_and_shifts(
        5, horizontal_flip, max_shift, torch.Generator().manual_seed(1)
    )
    rgb = torch.randint(0, 256, (5, 6, 7, 3), dtype=torch.uint8)
    augmented = flip_and_shift(rgb, samples)
    for row in range(5):
        assert torch.equal(
            augmented[row : row + 1], flip_and_shift(rgb[row : row + 1], samples[row : row + 1])
        )
    assert torch.equal(augmented[..., 1], flip_and_shift(rgb[..., 1], samples))


def test_all_flips_and_shifts_are_equally_likely():
    samples = sample_flips_and_shifts(2000, True, 2, torch.Generator().manual_seed(0))
    for column, values in enumerate([range(-2, 3), range(-2, 3), range(2)]):
        drawn, counts = samples[:, column].unique(return_counts=True)
        assert drawn.tolist() == list(values)
        assert (counts / 2000 * len(values) - 1).abs().max() < 0.2
    assert not sample_flips_and_shifts(20, False, 0, torch.Generator()).any()
