import pytest
import torch

from colorizer.schedules import drops, rate_factor

STEPS = 40


def rates_of(scheduler_of) -> list[float]:
    """The rates that PyTorch's schedulers give, of a highest rate of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = scheduler_of(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_is_pytorch_s():
    expected = rates_of(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS))
    ours = [rate_factor("cosine", step / STEPS, []) for step in range(STEPS)]
    assert ours == pytest.approx(expected)


def test_one_cycle_is_pytorch_s():
    """Which counts its last step as the end: STEPS are 0..STEPS - 1 there."""
    expected = rates_of(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o,
            max_lr=1.0,
            total_steps=STEPS + 1,
            pct_start=11 / 41,
            div_factor=25,
            final_div_factor=400,
            cycle_momentum=False,
        )
    )
    ours = [rate_factor("one_cycle", step / STEPS, []) for step in range(STEPS)]
    assert ours == pytest.approx(expected)


def test_constant_is_constant():
    assert {rate_factor("constant", step / 9, [0.5] * step) for step in range(9)} == {1.0}


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([], 0),
        ([0.5, 0.4, 0.3], 0),
        ([0.5, 0.5, 0.5], 0),
        ([0.5, 0.5, 0.6, 0.7], 1),
        ([0.5, 0.6, 0.6, 0.4, 0.5, 0.5, 0.5], 1),
        ([0.5] * 7, 2),
    ],
)
def test_plateau_drops_when_three_epochs_bring_nothing(errors, expected):
    assert drops(errors) == expected
    assert rate_factor("plateau", 0.5, errors) == pytest.approx(0.1**expected)
