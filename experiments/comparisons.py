"""What a setting does to the margin error, and whether that is more than seed noise."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from experiments.rows import Points, Row, column, failure, trained

# Of Student's t, 97.5%, by the number of values. With more it is less: an interval that takes the
# last one is too wide rather than too narrow.
T_QUANTILES = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571}
T_QUANTILES |= {7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


class Comparison(NamedTuple):
    """Two points of sweeps, each as SWEEP/POINT, and what the first has that the second has not."""

    what: str
    of: str
    against: str


AT_8 = "seeds/conv2_kernels8"
NORM, NORM_OF_BATCH = ("batch_norm/running_averages_true", "batch_norm/running_averages_false")
RATES, BATCHES = ("batch_norm_rates/running_averages", "batch_norm_batches/running_averages")
BEST = "proposals/as_it_was"
QUESTIONS = {
    "Conv layers": [
        Comparison("1 instead of 2 with 8 kernels", "seeds/conv1", AT_8),
        Comparison("4 instead of 2, 2 kernels", "seeds/conv4_kernels2", "seeds/conv2_kernels2"),
        Comparison("4 instead of 2, 4 kernels", "seeds/conv4_kernels4", "seeds/conv2_kernels4"),
        Comparison("4 instead of 2, 8 kernels", "seeds/conv4_kernels8", AT_8),
    ],
    "Kernels": [
        Comparison("4 instead of 2", "seeds/conv2_kernels4", "seeds/conv2_kernels2"),
        Comparison("8 instead of 4", AT_8, "seeds/conv2_kernels4"),
        Comparison("8 instead of 2", AT_8, "seeds/conv2_kernels2"),
    ],
    "16 kernels": [Comparison("16 instead of 8", "seeds/conv2_kernels16", AT_8)],
    "Learning rate": [
        Comparison("0.01 instead of 0.1", "seeds/rate0.01", AT_8),
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
        Comparison("with it", f"{NORM}-weight_decay_0.0", AT_8),
        Comparison("L2 0.01 too", f"{NORM}-weight_decay_0.01", f"{NORM}-weight_decay_0.0"),
    ],
    "Batch norm as the report validated": [
        Comparison("with it", f"{NORM_OF_BATCH}-weight_decay_0.0", AT_8),
        Comparison(
            "L2 0.01 too", f"{NORM_OF_BATCH}-weight_decay_0.01", f"{NORM_OF_BATCH}-weight_decay_0.0"
        ),
        Comparison(
            "instead of in evaluation mode",
            f"{NORM_OF_BATCH}-weight_decay_0.0",
            f"{NORM}-weight_decay_0.0",
        ),
    ],
    "Learning rate with batch norm in evaluation mode": [
        Comparison(
            f"{rate} instead of 0.1",
            f"{RATES}_true-learning_rate_{rate}",
            f"{NORM}-weight_decay_0.0",
        )
        for rate in ("0.2", "0.3", "0.4", "0.5")
    ],
    "Batch size with batch norm in evaluation mode": [
        Comparison(
            f"{size} instead of 16", f"{BATCHES}_true-batch_size_{size}", f"{NORM}-weight_decay_0.0"
        )
        for size in ("32", "64", "128", "256")
    ],
    "Tanh": [Comparison("with it at the end", "seeds/tanh", AT_8)],
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


def quantile(count: int) -> float:
    """Of Student's t, for a 95% interval from so many values, two or more."""
    return T_QUANTILES.get(count, T_QUANTILES[max(T_QUANTILES)])


def interval_of_mean(values: Sequence[float]) -> float:
    """Half of the 95% interval of the mean of values; infinite where there is but one."""
    if len(values) < 2:
        return math.inf
    return quantile(len(values)) * statistics.stdev(values) / math.sqrt(len(values))


def interval_of_another(values: Sequence[float]) -> float:
    """Half of the interval around their mean that 95% of further values are in, as above."""
    return interval_of_mean(values) * math.sqrt(1 + len(values))


class Difference(NamedTuple):
    """The mean of margin errors less those of another point, over the seeds that both have."""

    seeds: list[str]
    mean: float
    noise: float  # what it has to pass: half of its 95% interval
    of_one: float  # half of the interval that 95% of differences of one run each are in, if known

    @property
    def is_certain(self) -> bool:
        """Whether it is larger than seed noise."""
        return abs(self.mean) > self.noise

    def __str__(self) -> str:
        """In words."""
        moved = f"{'lower' if self.mean < 0 else 'higher'} by {abs(self.mean):.4f}"
        if len(self.seeds) == 1:
            one = f"{moved} with the one seed that both have ({self.seeds[0]})"
            if self.is_certain:
                return f"{one}, more than seed noise"
            if self.noise == math.inf:
                return f"{one}: what is noise is not known"
            return f"{one}, no more than seed noise"
        said = f"seeds {', '.join(self.seeds)}"
        if self.is_certain:
            least, most = abs(self.mean) - self.noise, abs(self.mean) + self.noise
            return f"{moved} ({least:.4f} to {most:.4f}; {said})"
        least, most = self.mean - self.noise, self.mean + self.noise
        return f"{self.mean:+.4f}, no more than seed noise ({least:+.4f} to {most:+.4f}; {said})"


def difference(of: Sequence[Row], against: Sequence[Row], of_seeds: float) -> Difference | None:
    """How margin errors of trained runs differ, seed by seed; None without a pair.

    `of_seeds` is half of the interval that differences of two runs of the other point are in: of
    one seed, there is nothing else to hold the difference against.
    """
    theirs = {row["seed"]: float(row["margin_error"]) for row in against}
    ours = {row["seed"]: float(row["margin_error"]) for row in of if row["seed"] in theirs}
    if not ours:
        return None
    pairs = [(ours[seed], theirs[seed]) for seed in ours]
    differences = [one - other for one, other in pairs]
    mean = statistics.mean(differences)
    if len(pairs) == 1:
        return Difference([*ours], mean, of_seeds, math.inf)
    # Runs of one seed each are not paired with others: both deviate.
    apart = math.hypot(*(interval_of_another(some) for some in zip(*pairs, strict=True)))
    return Difference([*ours], mean, interval_of_mean(differences), apart)


def of_two_runs(point: str, points: Points) -> float:
    """Half of the interval that 95% of differences of two runs of a point are in.

    By the deviation over its seeds; infinite where it has but one. Seeds of points that are the
    same but for them count, too.
    """
    (rows,) = (rows for names, rows in recipes(points) if point in names)
    errors = column(trained(rows), "margin_error")
    if len(errors) < 2:
        return math.inf
    return quantile(len(errors)) * statistics.stdev(errors) * math.sqrt(2)


def answer(comparison: Comparison, points: Points, published: Mapping[str, Row]) -> str | None:
    """A sentence on a comparison; None where one of its points has no rows."""
    of, against = points.get(comparison.of), points.get(comparison.against)
    if not of or not against:
        return None
    said = [
        f"{whose} {what} with {_seeds([row for row in rows if failure(row) == what])}"
        for whose, rows in (("training", of), ("what it is compared with", against))
        for what in sorted({failure(row) for row in rows} - {""})
    ]
    if trained(of) and trained(against):
        found = difference(trained(of), trained(against), of_two_runs(comparison.against, points))
        said.append(str(found or "no seed in common"))
        theirs = [
            float(row["margin_error"])
            for point in (comparison.of, comparison.against)
            if (row := published.get(point)) and row["margin_error"]
        ]
        if found and len(theirs) == 2:
            said.append(_beside(found, theirs[0] - theirs[1]))
    return f"{comparison.what}: {'; '.join(said)}"


def _beside(found: Difference, published: float) -> str:
    if found.of_one == math.inf:
        return f"the report has {published:+.4f}"
    if abs(published - found.mean) <= found.of_one:
        return f"the report's {published:+.4f} is what one run of each may give"
    least, most = found.mean - found.of_one, found.mean + found.of_one
    return (
        f"**this contradicts the report**, which has {published:+.4f}, where one run of each gives "
        f"{least:+.4f} to {most:+.4f}"
    )


def recipes(points: Points) -> Iterator[tuple[list[str], list[Row]]]:
    """Points that are the same but for their seeds, and the rows of all their seeds, once each."""
    groups: list[tuple[list[str], dict[str, Row]]] = []
    for point, rows in points.items():
        by_params = {row["params"]: row for row in rows}  # seeds are among the params
        same = [group for group in groups if group[1].keys() & by_params.keys()]
        for group in same:
            groups.remove(group)
            by_params |= group[1]
        groups.append(([*(name for names, _ in same for name in names), point], by_params))
    yield from ((names, [*rows.values()]) for names, rows in groups)


def _seeds(rows: Sequence[Row]) -> str:
    return f"seed{'s' if len(rows) > 1 else ''} {', '.join(row['seed'] for row in rows)}"
