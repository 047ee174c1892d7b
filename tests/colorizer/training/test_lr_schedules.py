import pytest
import torch

from colorizer.training.lr_schedules import lr_factor, plateaus

STEPS = 40


def pytorch_rates(build_scheduler) -> list[float]:
    """Learning rates of a PyTorch scheduler whose highest rate is 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = build_scheduler(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_equals_pytorch():
    expected = pytorch_rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS))
    ours = [lr_factor("cosine", step / STEPS, []) for step in range(STEPS)]
    assert ours == pytest.approx(expected)


def test_one_cycle_equals_pytorch():
    """PyTorch counts the last step as the end: its steps are 0..STEPS."""
    expected = pytorch_rates(
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
    ours = [lr_factor("one_cycle", step / STEPS, []) for step in range(STEPS)]
    assert ours == pytest.approx(expected)


def test_constant_is_constant():
    assert {lr_factor("constant", step / 9, [0.5] * step) for step in range(9)} == {1.0}


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
def test_plateau_reduces_the_rate_after_three_epochs_without_a_lower_error(errors, expected):
    assert plateaus(errors) == expected
    assert lr_factor("plateau", 0.5, errors) == pytest.approx(0.1**expected)
