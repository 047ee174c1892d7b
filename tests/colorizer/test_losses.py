import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from colorizer.losses import gradient_of

MARGIN = 12 / 127.5


WIDTH = 0.4 * MARGIN

# By their definitions, which autograd takes the derivative of.
VALUES = {
    "mse": lambda d: d**2,
    "l1": lambda d: d.abs(),
    "huber": lambda d: (
        torch.nn.functional.huber_loss(d, torch.zeros_like(d), reduction="none", delta=MARGIN)
        / MARGIN
    ),
    "margin": lambda d: WIDTH * torch.sigmoid((d.abs() - MARGIN) / WIDTH),
}


@pytest.mark.parametrize("loss", VALUES)
@given(difference=st.floats(-2, 2).filter(lambda d: abs(d) > 1e-6))
def test_is_the_derivative_of_the_loss(loss, difference):
    d = torch.tensor([difference], dtype=torch.float64, requires_grad=True)
    VALUES[loss](d).sum().backward()
    torch.testing.assert_close(gradient_of(loss, d.detach(), MARGIN), d.grad)


def test_the_margin_loss_pulls_what_is_near_the_margin_and_gives_up_what_is_far_off():
    """As shares of the strongest pull, at the margin."""
    nearest, near, at, far = (
        gradient_of("margin", torch.tensor([0, 0.5, 1, 5]) * MARGIN, MARGIN) * 4
    )
    assert at == pytest.approx(1)
    assert 0.5 < near < 0.7
    assert nearest == 0
    assert far < 0.001
