"""Learning rates in the course of training: each a function of how far it has come.

None has a state, so that a run that was interrupted goes on where it was.
"""

import math
from collections.abc import Sequence
from typing import Literal

ScheduleName = Literal["constant", "cosine", "one_cycle", "plateau"]

WARM_UP = 0.25  # share of one cycle in which the rate rises
FIRST, LAST = 1 / 25, 1e-4  # of the highest rate: at the beginning and at the end of one cycle
PATIENCE, FACTOR = 3, 0.1  # of plateau: epochs without a lower error, then the rate's factor


def rate_factor(schedule: ScheduleName, done: float, errors: Sequence[float]) -> float:
    """What to multiply the learning rate with, 0..1.

    done is the share of all batches of all epochs that went by, 0..1; errors are the validation
    margin errors so far. One cycle: Smith and Topin 2018, with cosines as in PyTorch.
    """
    match schedule:
        case "constant":
            return 1.0
        case "cosine":
            return _between(1.0, 0.0, done)
        case "one_cycle":
            if done < WARM_UP:
                return _between(FIRST, 1.0, done / WARM_UP)
            return _between(1.0, LAST, (done - WARM_UP) / (1 - WARM_UP))
        case "plateau":
            return FACTOR ** drops(errors)


def drops(errors: Sequence[float]) -> int:
    """How often PATIENCE errors in a row were no lower than the lowest before them."""
    lowest, waited, count = math.inf, 0, 0
    for error in errors:
        waited = 0 if error < lowest else waited + 1
        lowest = min(lowest, error)
        if waited == PATIENCE:
            waited, count = 0, count + 1
    return count


def _between(start: float, end: float, share: float) -> float:
    """From start to end along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
