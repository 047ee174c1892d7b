import torch
from hypothesis import given
from hypothesis import strategies as st

from colorizer.augmentation import draw_moves, moved


def test_moves_by_hand():
    picture = torch.tensor([[[1, 2, 3], [4, 5, 6]]], dtype=torch.uint8)  # (1, 2, 3)
    for move, expected in {
        (0, 0, 0): [[1, 2, 3], [4, 5, 6]],
        (1, 0, 0): [[1, 2, 3], [1, 2, 3]],
        (0, 1, 0): [[1, 1, 2], [4, 4, 5]],
        (0, -2, 0): [[3, 3, 3], [6, 6, 6]],
        (0, 0, 1): [[3, 2, 1], [6, 5, 4]],
        (0, 1, 1): [[3, 3, 2], [6, 6, 5]],
    }.items():
        assert moved(picture, torch.tensor([move])).tolist() == [expected]


@given(st.integers(0, 9), st.booleans())
def test_each_picture_has_its_own_move_and_all_its_arrays_the_same(shifts, flips):
    moves = draw_moves(5, flips, shifts, torch.Generator().manual_seed(1))
    rgb = torch.randint(0, 256, (5, 6, 7, 3), dtype=torch.uint8)
    together = moved(rgb, moves)
    for row in range(5):
        assert torch.equal(together[row : row + 1], moved(rgb[row : row + 1], moves[row : row + 1]))
    assert torch.equal(together[..., 1], moved(rgb[..., 1], moves))


def test_moves_are_drawn_from_all_that_there_are():
    moves = draw_moves(2000, True, 2, torch.Generator().manual_seed(0))
    for column, values in enumerate([range(-2, 3), range(-2, 3), range(2)]):
        drawn, counts = moves[:, column].unique(return_counts=True)
        assert drawn.tolist() == list(values)
        assert (counts / 2000 * len(values) - 1).abs().max() < 0.2
    assert not draw_moves(20, False, 0, torch.Generator()).any()
