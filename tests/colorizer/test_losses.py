import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from colorizer.losses import gradient_of

MARGIN = 12 / 127.5


def width(done: float) -> float:
    return MARGIN * 4 * (1 / 16) ** done


# By their definitions, which autograd takes the derivative of.
VALUES = {
    "mse": lambda d, _: d**2,
    "l1": lambda d, _: d.abs(),
    "huber": lambda d, _: (
        torch.nn.functional.huber_loss(d, torch.zeros_like(d), reduction="none", delta=MARGIN)
        / MARGIN
    ),
    "margin": lambda d, done: width(done) * torch.sigmoid((d.abs() - MARGIN) / width(done)),
}


@pytest.mark.parametrize("loss", VALUES)
@given(difference=st.floats(-2, 2).filter(lambda d: abs(d) > 1e-6), done=st.floats(0, 1))
def test_is_the_derivative_of_the_loss(loss, difference, done):
    d = torch.tensor([difference], dtype=torch.float64, requires_grad=True)
    VALUES[loss](d, done).sum().backward()
    torch.testing.assert_close(gradient_of(loss, d.detach(), MARGIN, done), d.grad)


def test_the_margin_loss_pulls_like_l1_first_and_at_the_margin_last():
    """As shares of the strongest pull, at the margin."""
    distances = torch.tensor([0.2, 1.0, 3.0, 10.0]) * MARGIN
    first, last = (gradient_of("margin", distances, MARGIN, done) * 4 for done in (0.0, 1.0))
    assert (first[:3] > 0.9).all()
    assert last[1] == pytest.approx(1)
    assert last[0] < 0.2
    assert (last[2:] < 0.01).all()
