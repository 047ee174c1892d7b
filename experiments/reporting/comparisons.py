"""How settings change the margin error, and whether that exceeds seed noise."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from experiments.reporting.statistics import (
    Points,
    column,
    confidence_interval,
    failure,
    prediction_interval,
    recipes,
    t_quantile,
    trained,
)
from experiments.runs.results import Row


class Comparison(NamedTuple):
    """Two points of sweeps, each as SWEEP/POINT, and what distinguishes the first."""

    change: str
    point: str
    reference: str


KERNELS_8 = "seeds/conv2_kernels8"
EVAL_MODE, BATCH_STATS = (
    "batch_norm/track_running_stats_true",
    "batch_norm/track_running_stats_false",
)
RATES, BATCHES = (
    "batch_norm_rates/track_running_stats",
    "batch_norm_batches/track_running_stats",
)
BEST = "proposals/baseline"
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
    ],
    "16 kernels": [Comparison("16 instead of 8", "seeds/conv2_kernels16", KERNELS_8)],
    "Learning rate": [
        Comparison("0.01 instead of 0.1", "seeds/rate0.01", KERNELS_8),
        *(
            Comparison(
                f"{rate} instead of 0.1",
                f"grid/conv_layers_2-kernels_8-learning_rate_{rate}",
                "grid/conv_layers_2-kernels_8-learning_rate_0.1",
            )
            for rate in ("0.0001", "0.001", "10")
        ),
    ],
    "L2, 4 conv layers of 4 kernels": [
        Comparison(f"{decay} instead of none", f"l2/weight_decay_{decay}", "l2/weight_decay_0.0")
        for decay in ("0.0001", "0.001", "0.01", "0.1")
    ],
    "Batch norm in evaluation mode": [
        Comparison("with batch norm", f"{EVAL_MODE}-weight_decay_0.0", KERNELS_8),
        Comparison(
            "L2 0.01 too", f"{EVAL_MODE}-weight_decay_0.01", f"{EVAL_MODE}-weight_decay_0.0"
        ),
    ],
    "Batch norm as the report validated": [
        Comparison("with batch norm", f"{BATCH_STATS}-weight_decay_0.0", KERNELS_8),
        Comparison(
            "L2 0.01 too", f"{BATCH_STATS}-weight_decay_0.01", f"{BATCH_STATS}-weight_decay_0.0"
        ),
        Comparison(
            "instead of in evaluation mode",
            f"{BATCH_STATS}-weight_decay_0.0",
            f"{EVAL_MODE}-weight_decay_0.0",
        ),
    ],
    "Learning rate with batch norm in evaluation mode": [
        Comparison(
            f"{rate} instead of 0.1",
            f"{RATES}_true-learning_rate_{rate}",
            f"{EVAL_MODE}-weight_decay_0.0",
        )
        for rate in ("0.2", "0.3", "0.4", "0.5")
    ],
    "Batch size with batch norm in evaluation mode": [
        Comparison(
            f"{size} instead of 16",
            f"{BATCHES}_true-batch_size_{size}",
            f"{EVAL_MODE}-weight_decay_0.0",
        )
        for size in ("32", "64", "128", "256")
    ],
    "Tanh": [Comparison("with tanh at the end", "seeds/tanh", KERNELS_8)],
    "Schedules": [
        Comparison(f"{name.replace('_', ' ')} instead of constant", f"proposals/{name}", BEST)
        for name in ("cosine", "one_cycle", "plateau")
    ],
    "Dropout": [Comparison("0.1 instead of none", "proposals/dropout", BEST)],
    "Adam and RMSprop": [
        Comparison("Adam instead of SGD", "proposals/adam", BEST),
        Comparison("RMSprop instead of SGD", "proposals/rmsprop", BEST),
    ],
}


class Difference(NamedTuple):
    """The mean difference of the margin errors of two points, over the seeds that both have."""

    seeds: list[str]
    mean: float
    noise: float  # half the width of the 95% interval of the mean
    single_run: float  # half the width of the 95% interval of differences of one run each

    @property
    def exceeds_noise(self) -> bool:
        """Whether the interval of the mean excludes 0."""
        return abs(self.mean) > self.noise

    def __str__(self) -> str:
        """The difference with its interval and seeds."""
        direction = f"{'lower' if self.mean < 0 else 'higher'} by {abs(self.mean):.4f}"
        if len(self.seeds) == 1:
            single = f"{direction} with the only common seed ({self.seeds[0]})"
            if self.exceeds_noise:
                return f"{single}, more than seed noise"
            if self.noise == math.inf:
                return f"{single}; the seed noise is unknown"
            return f"{single}, within seed noise"
        seeds = f"seeds {', '.join(self.seeds)}"
        if self.exceeds_noise:
            least, most = abs(self.mean) - self.noise, abs(self.mean) + self.noise
            return f"{direction} ({least:.4f} to {most:.4f}; {seeds})"
        least, most = self.mean - self.noise, self.mean + self.noise
        return f"{self.mean:+.4f}, within seed noise ({least:+.4f} to {most:+.4f}; {seeds})"


def difference(
    rows: Sequence[Row], reference: Sequence[Row], reference_noise: float
) -> Difference | None:
    """How the margin errors of trained runs differ, paired by seed; None without a common seed.

    `reference_noise` is half the width of the interval of differences of two runs of the reference,
    which a difference of a single seed is compared with.
    """
    reference_errors = {row["seed"]: float(row["margin_error"]) for row in reference}
    pairs = {
        row["seed"]: (float(row["margin_error"]), reference_errors[row["seed"]])
        for row in rows
        if row["seed"] in reference_errors
    }
    if not pairs:
        return None
    differences = [error - other for error, other in pairs.values()]
    mean = statistics.mean(differences)
    if len(pairs) == 1:
        return Difference([*pairs], mean, reference_noise, math.inf)
    # Single runs are not paired by seed: both vary.
    single_run = math.hypot(*map(prediction_interval, zip(*pairs.values(), strict=True)))
    return Difference([*pairs], mean, confidence_interval(differences), single_run)


def noise_of_two_runs(point: str, points: Points) -> float:
    """Half the width of the interval that holds 95% of the differences of two runs of a point.

    From the deviation over its seeds, including those of points with the same params; infinite for
    one seed.
    """
    (rows,) = (rows for names, rows in recipes(points) if point in names)
    errors = column(trained(rows), "margin_error")
    if len(errors) < 2:
        return math.inf
    return t_quantile(len(errors)) * statistics.stdev(errors) * math.sqrt(2)


def answer(comparison: Comparison, points: Points, published: Mapping[str, Row]) -> str | None:
    """A sentence on a comparison; None when one of its points has no rows."""
    rows, reference = points.get(comparison.point), points.get(comparison.reference)
    if not rows or not reference:
        return None
    parts = [
        f"{subject} {kind} with {_seeds([row for row in runs if failure(row) == kind])}"
        for subject, runs in (("training", rows), ("the reference", reference))
        for kind in sorted({failure(row) for row in runs} - {""})
    ]
    if trained(rows) and trained(reference):
        noise = noise_of_two_runs(comparison.reference, points)
        found = difference(trained(rows), trained(reference), noise)
        parts.append(str(found or "no common seed"))
        errors = [
            float(row["margin_error"])
            for point in (comparison.point, comparison.reference)
            if (row := published.get(point)) and row["margin_error"]
        ]
        if found and len(errors) == 2:
            parts.append(_beside(found, errors[0] - errors[1]))
    return f"{comparison.change}: {'; '.join(parts)}"


def _beside(found: Difference, published: float) -> str:
    if found.single_run == math.inf:
        return f"the report has {published:+.4f}"
    if abs(published - found.mean) <= found.single_run:
        return f"the report has {published:+.4f}, which one run of each may give"
    least, most = found.mean - found.single_run, found.mean + found.single_run
    return (
        f"the report has {published:+.4f}, **outside the 95% interval of differences of one run "
        f"each**, {least:+.4f} to {most:+.4f}"
    )


def _seeds(rows: Sequence[Row]) -> str:
    return f"seed{'s' if len(rows) > 1 else ''} {', '.join(row['seed'] for row in rows)}"
