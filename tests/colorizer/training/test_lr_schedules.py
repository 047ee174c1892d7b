import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from colorizer.training.lr_schedules import lr_factor

STEPS = 40
# PyTorch counts the last step of one_cycle as its end: its steps are 0..STEPS.
STEPS_OF_CYCLE = {"total_steps": STEPS + 1, "pct_start": 11 / 41, "cycle_momentum": False}
FACTORS = {"max_lr": 1.0, "div_factor": 25, "final_div_factor": 400}


def pytorch_rates(scheduler_type: type[LRScheduler], **options: float) -> list[float]:
    """Learning rates of a PyTorch scheduler whose highest rate is 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = scheduler_type(optimizer, **options)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1.0] * STEPS),
        ("cosine", pytorch_rates(CosineAnnealingLR, T_max=STEPS)),
        ("one_cycle", pytorch_rates(OneCycleLR, **STEPS_OF_CYCLE, **FACTORS)),
    ],
)
def test_equals_pytorch(schedule, expected):
    ours = [lr_factor(schedule, step / STEPS, [0.5] * step) for step in range(STEPS)]
    assert ours == pytest.approx(expected)


@pytest.mark.parametrize(
    ("errors", "plateaus"),
    [
        ([], 0),
        ([0.5, 0.4, 0.3], 0),
        ([0.5, 0.5, 0.5], 0),
        ([0.5, 0.5, 0.6, 0.7], 1),
        ([0.5, 0.6, 0.6, 0.4, 0.5, 0.5, 0.5], 1),
        ([0.5] * 7, 2),
    ],
)
def test_plateau_reduces_the_rate_after_three_epochs_without_a_lower_error(errors, plateaus):
    assert lr_factor("plateau", 0.5, errors) == pytest.approx(0.1**plateaus)
