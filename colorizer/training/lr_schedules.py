"""Learning rate schedules: functions of the progress of a run, without state of their own.

A run that was interrupted therefore continues with the learning rate that it would have had.
"""

import math
from collections.abc import Sequence

from colorizer.params import LrScheduleName

WARMUP = 0.25  # share of one_cycle in which the learning rate rises
START_FACTOR, END_FACTOR = 1 / 25, 1e-4  # of the highest rate, at the start and end of one_cycle
PLATEAU_PATIENCE, PLATEAU_FACTOR = 3, 0.1  # epochs without a lower error, then the rate's factor


def lr_factor(schedule: LrScheduleName, progress: float, errors: Sequence[float]) -> float:
    """Factor of the learning rate, 0..1.

    `progress` is the share of all batches of all epochs that are done, 0..1; `errors` are the
    validation margin errors of the epochs so far. one_cycle: Smith and Topin 2018, with cosine
    annealing as in torch.optim.lr_scheduler.OneCycleLR.
    """
    match schedule:
        case "constant":
            return 1.0
        case "cosine":
            return _cosine(1.0, 0.0, progress)
        case "one_cycle":
            if progress < WARMUP:
                return _cosine(START_FACTOR, 1.0, progress / WARMUP)
            return _cosine(1.0, END_FACTOR, (progress - WARMUP) / (1 - WARMUP))
        case "plateau":
            return PLATEAU_FACTOR ** plateaus(errors)


def plateaus(errors: Sequence[float]) -> int:
    """How often PLATEAU_PATIENCE errors in a row were no lower than the lowest before them."""
    lowest, epochs, count = math.inf, 0, 0
    for error in errors:
        epochs = 0 if error < lowest else epochs + 1
        lowest = min(lowest, error)
        if epochs == PLATEAU_PATIENCE:
            epochs, count = 0, count + 1
    return count


def _cosine(start: float, end: float, progress: float) -> float:
    """From start to end along half a cosine wave."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
