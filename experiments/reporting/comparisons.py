"""How settings change the margin error: the questions of the report, answered seed by seed."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from experiments.reporting.statistics import Results, failures, paired_differences, sign_flip_p


class Comparison(NamedTuple):
    """Two networks, each as SWEEP/POINT, and what distinguishes the first."""

    change: str
    network: str
    reference: str


REPORT_SEED = 0
FEWEST_SEEDS = 3  # for a verdict

KERNELS_8, KERNELS_16 = "seeds/conv2_kernels8", "seeds/conv2_kernels16"
BATCH_NORM, BATCH_NORM_EVAL = "batch_norm/weight_decay_0.0", "batch_norm_eval/weight_decay_0.0"
QUESTIONS = {
    "Conv layers": [
        Comparison("1 instead of 2 with 8 kernels", "seeds/conv1", KERNELS_8),
        Comparison("4 instead of 2, 2 kernels", "seeds/conv4_kernels2", "seeds/conv2_kernels2"),
        Comparison("4 instead of 2, 4 kernels", "seeds/conv4_kernels4", "seeds/conv2_kernels4"),
        Comparison("4 instead of 2, 8 kernels", "seeds/conv4_kernels8", KERNELS_8),
    ],
    "Kernels": [
        Comparison("4 instead of 2", "seeds/conv2_kernels4", "seeds/conv2_kernels2"),
        Comparison("8 instead of 4", KERNELS_8, "seeds/conv2_kernels4"),
        Comparison("8 instead of 2", KERNELS_8, "seeds/conv2_kernels2"),
        Comparison("16 instead of 8", KERNELS_16, KERNELS_8),
    ],
    "Learning rate": [
        Comparison("0.01 instead of 0.1", "seeds/rate0.01", KERNELS_8),
        *(
            Comparison(f"{rate} instead of 0.1", f"rates/rate{rate}", KERNELS_8)
            for rate in ("0.0001", "0.001", "10")
        ),
        Comparison("0.0001, up to 400 epochs", "rates/rate0.0001_400_epochs", KERNELS_8),
    ],
    "L2, 4 conv layers of 4 kernels": [
        Comparison(f"{decay} instead of none", f"l2/weight_decay_{decay}", "l2/weight_decay_0.0")
        for decay in ("0.0001", "0.001", "0.01", "0.1")
    ],
    "L2, the report's best network": [
        Comparison(f"{decay} instead of none", f"l2_best/weight_decay_{decay}", KERNELS_16)
        for decay in ("0.0001", "0.001", "0.01", "0.1")
    ],
    "Batch norm after every convolution": [
        Comparison("validated with the batch, as the report", BATCH_NORM, KERNELS_8),
        Comparison("in evaluation mode", BATCH_NORM_EVAL, KERNELS_8),
        *(
            Comparison(
                f"validated with the batch, L2 {decay} too",
                f"batch_norm/weight_decay_{decay}",
                BATCH_NORM,
            )
            for decay in ("0.0001", "0.001", "0.01", "0.1")
        ),
        Comparison(
            "in evaluation mode, L2 0.01 too", "batch_norm_eval/weight_decay_0.01", BATCH_NORM_EVAL
        ),
        *(
            Comparison(
                f"validated with the batch, learning rate {rate}",
                f"batch_norm_rates/learning_rate_{rate}",
                BATCH_NORM,
            )
            for rate in ("0.2", "0.3", "0.4", "0.5")
        ),
        *(
            Comparison(
                f"validated with the batch, batches of {size}",
                f"batch_norm_batches/batch_size_{size}",
                BATCH_NORM,
            )
            for size in ("32", "64", "128", "256")
        ),
    ],
    "Batch norm after hidden convolutions": [
        Comparison("validated with the batch", "batch_norm_hidden/batch", KERNELS_8),
        Comparison("in evaluation mode", "batch_norm_hidden/eval", KERNELS_8),
        Comparison(
            "in evaluation mode, L2 0.01 too",
            "batch_norm_hidden/eval_l2",
            "batch_norm_hidden/eval",
        ),
    ],
    "Tanh": [Comparison("with tanh at the end", "seeds/tanh", KERNELS_8)],
    "What the report proposes, its best network": [
        *(
            Comparison(f"{name.replace('_', ' ')} schedule", f"proposals/{name}", KERNELS_16)
            for name in ("cosine", "one_cycle", "plateau")
        ),
        Comparison("dropout 0.1", "proposals/dropout", KERNELS_16),
        Comparison("Adam instead of SGD", "proposals/adam", KERNELS_16),
        Comparison("RMSprop instead of SGD", "proposals/rmsprop", KERNELS_16),
    ],
    "Fewer training photographs, the report's best network": [
        Comparison(f"{share} of them", f"train_fraction/train_fraction_{fraction}", KERNELS_16)
        for share, fraction in (("1/2", "0.5"), ("1/4", "0.25"), ("1/8", "0.125"))
    ],
}
COLUMNS = [
    *("change", "seeds", "mean difference", "lowest", "highest", "lower with", "p"),
    *("seed 0", "the report", "verdict"),
]


class Answer(NamedTuple):
    """What was seen of a comparison, seed by seed."""

    comparison: Comparison
    differences: pd.Series  # of margin errors, by seed
    failed: str  # how many runs of the network failed, in parentheses
    published: float  # the report's difference; NaN without one

    @property
    def verdict(self) -> str:
        """Whether all seeds, of at least three, have a lower or a higher error."""
        if len(self.differences) < FEWEST_SEEDS:
            return "too few seeds" if len(self.differences) else "failed"
        if (self.differences < 0).all():
            return "lower"
        return "higher" if (self.differences > 0).all() else "unclear"

    def cells(self) -> list[str]:
        """A row of a table with COLUMNS."""
        differences = self.differences
        count = len(differences)
        seen = ["", "", "", "", ""]
        if count:
            seen = [
                *(f"{value:+.4f}" for value in (differences.mean(), differences.min())),
                f"{differences.max():+.4f}",
                f"{(differences < 0).sum()} of {count}",
                f"{sign_flip_p(differences):.3f}" if count > 1 else "",
            ]
        of_report = differences.get(REPORT_SEED)
        return [
            self.comparison.change + self.failed,
            str(count),
            *seen,
            "" if of_report is None else f"{of_report:+.4f}",
            "" if math.isnan(self.published) else f"{self.published:+.4f}",
            self.verdict,
        ]


def answers(
    comparisons: Sequence[Comparison], results: Results, published: Mapping[str, float]
) -> list[Answer]:
    """The comparisons whose two networks have rows.

    `published` are the report's margin errors, by recipe.
    """
    found = []
    for comparison in comparisons:
        rows, reference = map(results.of_network, comparison[1:])
        if rows.empty or reference.empty:
            continue
        errors = [published.get(results.recipes[network], math.nan) for network in comparison[1:]]
        differences = paired_differences(rows, reference)
        found.append(Answer(comparison, differences, failures(rows), errors[0] - errors[1]))
    return found
