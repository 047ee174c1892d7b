"""What the runs of sweeps say: tables beside what the report published, charts, and answers."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from benchmarks.run import table, title
from colorizer.figures import CURVE_INCHES, write_png
from colorizer.files import replacing, write_text
from experiments.ablation import ABLATION_FILE
from experiments.rows import Row, column, read_rows, spread
from experiments.sweeps import Run

REPORT_FILE = "report.md"
PUBLISHED_FILE = Path("experiments/published.csv")
PUBLISHED_DATA = "faces"  # what the report learnt from
NEVER_STOPPED = 0.0001  # the learning rate whose run the report ended before it was done
FAR_OFF = 0.005  # of a margin error, from what was published
NAMED = 6  # points of a sweep at most that are listed: of more their number tells
DPI = 100
SHARES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # that a logarithmic axis is marked at
# Charts by the name of their file, and what they show.
CHARTS = {
    "grid": "Margin error of the grid",
    "learning_seeds": "Learning curves of sweep seeds, its first seed",
    "margins_seeds": "Margin curves of sweep seeds, its first seed, less that of the best",
    "learning_grid": "Learning curves of the grid at learning rate 0.1",
    "margins_grid": "Margin curves of the grid at learning rate 0.1, less that of the best",
}
GRID = ("train.learning_rate", "model.conv_layers", "model.kernels")
# Of Student's t, 97.5%, by the number of differences. With more it is less: an interval that
# takes the last one is too wide rather than too narrow.
T_QUANTILES = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}


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

Points = dict[str, list[Row]]  # the rows of each SWEEP/POINT, in the order of seeds


def points_of(rows: Sequence[Row]) -> Points:
    """Rows by the point that they are of."""
    points: Points = {}
    for row in sorted(rows, key=lambda row: int(row["seed"])):
        points.setdefault(f"{row['sweep']}/{row['point']}", []).append(row)
    return points


def trained(rows: Sequence[Row]) -> list[Row]:
    """The rows of runs that did not diverge."""
    return [row for row in rows if row["diverged"] == "0"]


def wall_time(rows: Sequence[Row]) -> timedelta:
    """The time in which at least one of the runs was queued or running."""
    intervals = sorted(
        (datetime.fromisoformat(row["queued"]), datetime.fromisoformat(row["finished"]))
        for row in rows
        if row["queued"]
    )
    total = timedelta()
    until = intervals[0][0] if intervals else None
    for queued, finished in intervals:
        if until is not None and finished > until:
            total += finished - max(queued, until)
            until = finished
    return total


def deviation(point: str, points: Points) -> float:
    """The standard deviation of a point's margin error over seeds; infinite where it has but one.

    Seeds of points that are the same but for them count, too. A difference of one seed from what
    has one seed is then never told from noise.
    """
    (rows,) = (rows for names, rows in _recipes(points) if point in names)
    errors = column(trained(rows), "margin_error")
    return statistics.stdev(errors) if len(errors) > 1 else math.inf


class Difference(NamedTuple):
    """The mean of margin errors less those of another point, over the seeds that both have."""

    seeds: list[str]
    mean: float
    noise: float  # what it has to pass: the half of an interval, or three deviations of one seed

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
                return f"{one}, more than three times the deviation over seeds"
            if self.noise == math.inf:
                return f"{one}: what is noise is not known"
            return f"{one}: cannot be told from noise"
        said = f"seeds {', '.join(self.seeds)}"
        if self.is_certain:
            least, most = abs(self.mean) - self.noise, abs(self.mean) + self.noise
            return f"{moved} ({least:.4f} to {most:.4f}; {said})"
        least, most = self.mean - self.noise, self.mean + self.noise
        return f"no difference larger than seed noise ({least:+.4f} to {most:+.4f}; {said})"


def difference(of: Sequence[Row], against: Sequence[Row], of_seeds: float) -> Difference | None:
    """How margin errors of runs that did not diverge differ, seed by seed; None without a pair.

    `of_seeds` is the standard deviation of the other point's over seeds.
    """
    theirs = {row["seed"]: float(row["margin_error"]) for row in against}
    differences = {
        row["seed"]: float(row["margin_error"]) - theirs[row["seed"]]
        for row in of
        if row["seed"] in theirs
    }
    if not differences:
        return None
    count, values = len(differences), [*differences.values()]
    if count == 1:
        return Difference([*differences], values[0], 3 * of_seeds)
    quantile = T_QUANTILES.get(count, T_QUANTILES[max(T_QUANTILES)])
    noise = quantile * statistics.stdev(values) / math.sqrt(count)
    return Difference([*differences], statistics.mean(values), noise)


def answer(comparison: Comparison, points: Points, published: Mapping[str, Row]) -> str | None:
    """A sentence on a comparison; None where one of its points has no rows."""
    of, against = points.get(comparison.of), points.get(comparison.against)
    if not of or not against:
        return None
    said = [
        f"{whose} diverged with {_seeds(lost)}"
        for whose, rows in (("training", of), ("what it is compared with", against))
        if (lost := [row for row in rows if row["diverged"] != "0"])
    ]
    if trained(of) and trained(against):
        found = difference(trained(of), trained(against), deviation(comparison.against, points))
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
    if found.is_certain and (found.mean < 0) != (published < 0):
        return f"**this contradicts the report**, which has {published:+.4f}"
    if not found.is_certain and found.noise < math.inf:
        within = abs(published) <= found.noise
        return f"the report's {published:+.4f} is {'within' if within else 'beyond'} that noise"
    return f"the report has {published:+.4f}"


def report(
    data: str,
    runs: Sequence[Run],
    rows: Sequence[Row],
    failed: set[str],
    published: Sequence[Row],
    charts: Sequence[str],
) -> str:
    """The report in Markdown; `charts` are names of those that lie beside it."""
    points = points_of(rows)
    known = {f"{row['sweep']}/{row['point']}": row for row in published}
    parts = [
        f"# Sweeps on {data}\n",
        _header(rows),
        *_presence(runs, rows, failed),
        *_answers(points, known),
        *_against_table(points),
        *_far_off(runs, points, known),
        *_tables(runs, points, known),
        *(f"\n![{CHARTS[name]}]({name}.png)" for name in charts),
    ]
    return "\n".join(parts) + "\n"


def grid_errors(runs: Sequence[Run], rows: Sequence[Row]) -> tuple[list[list[float]], np.ndarray]:
    """Values of learning rate, conv layers and kernels in the grid, and margin errors over them.

    Errors are (rates, conv layers, kernels), means over seeds: NaN where no run is, infinite
    where all diverged.
    """
    changes = {run.point: run.changes for run in runs if run.sweep == "grid"}
    axes = [sorted({float(change[key]) for change in changes.values()}) for key in GRID]
    errors = np.full([len(axis) for axis in axes], math.nan)
    for point, some in points_of(rows).items():
        sweep, _, name = point.partition("/")
        if sweep == "grid":
            place = [
                axis.index(float(changes[name][key])) for axis, key in zip(axes, GRID, strict=True)
            ]
            kept = column(trained(some), "margin_error")
            errors[tuple(place)] = statistics.mean(kept) if kept else math.inf
    return axes, errors


def grid_figure(axes: Sequence[Sequence[float]], errors: np.ndarray) -> Figure:
    """Draw margin errors (rates, conv layers, kernels), a map for each learning rate."""
    rates, layers, kernels = axes
    figure = Figure((2.4 * len(rates) + 1.2, 3.0), layout="constrained")
    cells = figure.subplots(1, len(rates), squeeze=False, sharey=True)[0]
    finite = errors[np.isfinite(errors)]
    least, most = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    for cell, rate, some in zip(cells, rates, errors, strict=True):
        shown = np.ma.masked_invalid(some)
        image = cell.imshow(shown, cmap="viridis_r", vmin=least, vmax=most, aspect="auto")
        cell.set_title(f"learning rate {rate:g}", fontsize=9)
        cell.set_xticks(range(len(kernels)), [f"{value:g}" for value in kernels])
        cell.set_yticks(range(len(layers)), [f"{value:g}" for value in layers])
        cell.set_xlabel("kernels")
        for (y, x), error in np.ndenumerate(some):
            text = "" if math.isnan(error) else f"{error:.4f}" if error < math.inf else "diverged"
            dark = error < math.inf and error > (least + most) / 2
            color = "white" if dark else "black"
            cell.text(x, y, text, ha="center", va="center", fontsize=8, color=color)
    cells[0].set_ylabel("conv layers")
    figure.colorbar(image, ax=list(cells), label="margin error")
    return figure


def figures(
    runs: Sequence[Run], rows: Sequence[Row], histories: Sequence[Row], curves: Sequence[Row]
) -> dict[str, Figure]:
    """The charts that there are rows for, by name."""
    seeds = [run for run in runs if run.sweep == "seeds"]
    first = {run.name: run.point for run in seeds if run.seed == seeds[0].seed}
    grid = {
        run.name: title(int(run.changes[GRID[1]]), int(run.changes[GRID[2]]), 0)
        for run in runs
        if run.sweep == "grid" and run.changes[GRID[0]] == 0.1
    }
    drawn = {}
    if any(row["sweep"] == "grid" for row in rows):
        drawn["grid"] = grid_figure(*grid_errors(runs, rows))
    for name, labels in (("seeds", first), ("grid", grid)):
        errors = {
            labels[row["name"]].replace("_", " "): (row["name"], float(row["margin_error"]))
            for row in rows
            if row["name"] in labels
        }
        learning = {label: _of(run, histories) for label, (run, _) in errors.items()}
        margins = {label: _of(run, curves) for label, (run, _) in errors.items()}
        if any(learning.values()):
            drawn[f"learning_{name}"] = learning_figure(learning)
        if any(margins.values()):
            best = min(errors, key=lambda label: errors[label][1])
            drawn[f"margins_{name}"] = margins_figure(margins, best)
    return drawn


def _of(run: str, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["name"] == run]


def learning_figure(histories: Mapping[str, Sequence[Row]]) -> Figure:
    """Overlay validation margin errors over epochs, a line for each label."""
    figure = Figure(CURVE_INCHES, layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel="validation margin error")
    for label, rows in histories.items():
        axes.plot(column(rows, "epoch"), column(rows, "val_margin_error"), label=label)
    # Ratios, so that a network that learns nothing does not press the others together.
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:.2g}")
    axes.yaxis.set_minor_formatter("{x:.2g}")
    axes.grid(which="both", alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def margins_figure(curves: Mapping[str, Sequence[Row]], best: str) -> Figure:
    """Overlay margin curves less that of `best`, a line for each: as they are, they look alike."""
    figure = Figure(CURVE_INCHES, layout="constrained")
    axes = figure.add_subplot(
        xlabel="margin, levels of 0..255",
        ylabel=f"share of values off by the margin or more,\nless that of {best}",
    )
    least = np.array(column(curves[best], "network"))
    for label, rows in curves.items():
        axes.plot(column(rows, "margin"), np.array(column(rows, "network")) - least, label=label)
    # Ratios again, but for what is close to the best, and may be better elsewhere.
    axes.set_yscale("symlog", linthresh=0.01)
    axes.yaxis.set_major_locator(FixedLocator(sorted([*SHARES, 0, *(-share for share in SHARES)])))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(which="both", alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def write_report(
    results: Path,
    data: str,
    runs: Sequence[Run],
    rows: Sequence[Row],
    histories: Sequence[Row],
    curves: Sequence[Row],
    failed: set[str],
) -> None:
    """Write report.md, and the charts beside it; remove those of rows that are gone."""
    matplotlib.rcdefaults()  # whatever the user's own settings are
    drawn = figures(runs, rows, histories, curves)
    for name in CHARTS:
        path = results / f"{name}.png"
        if name in drawn:
            with replacing(path) as (partial,):
                write_png(partial, drawn[name], DPI)
        else:
            path.unlink(missing_ok=True)
    published = read_rows(PUBLISHED_FILE) if data == PUBLISHED_DATA else []
    text = report(data, runs, rows, failed, published, [*drawn])
    if (results / ABLATION_FILE).exists():
        text += f"\n[From the report's best network to ours, step by step]({ABLATION_FILE}).\n"
    write_text(results / REPORT_FILE, text)


def _header(rows: Sequence[Row]) -> str:
    if not rows:
        return "No run was collected."
    facts = {
        "Commits": {row["commit"][:7] for row in rows},
        "Processors": {row["machine"] or "unknown" for row in rows},
        "Margin error without a network, of a table with a color for each gray level": {
            row["table_margin_error"] for row in rows
        },
    }
    lines = [f"{name}: {', '.join(sorted(values))}." for name, values in facts.items()]
    if took := wall_time(rows):
        untimed = sum(not row["queued"] for row in rows)
        apart = f", without {untimed} runs of unknown start" if untimed else ""
        lines.append(f"Wall time, hours:minutes:seconds, with gaps left out{apart}: {took}.")
    return "\n".join(lines)


def _presence(runs: Sequence[Run], rows: Sequence[Row], failed: set[str]) -> Iterator[str]:
    present = {row["name"] for row in rows}
    names: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        states = names.setdefault(run.sweep, {"present": [], "missing": [], "failed": []})
        state = "failed" if run.name in failed else "missing"
        states["present" if run.name in present else state].append(run.name)
    yield table(
        "Runs:",
        ["sweep", "present", "missing", "failed"],
        [[sweep, *map(len, states.values())] for sweep, states in names.items()],
    )
    for state in ("failed", "missing"):
        # All of a sweep that was not begun are missing: the table says so.
        listed = [
            name
            for states in names.values()
            if states["present"] or states["failed"]
            for name in states[state]
        ]
        if listed:
            begun = ", of sweeps that were begun" if state == "missing" else ""
            yield f"\n{state.capitalize()}{begun}: {', '.join(listed)}."


def _answers(points: Points, published: Mapping[str, Row]) -> Iterator[str]:
    lines = []
    for question, comparisons in QUESTIONS.items():
        said = [text for each in comparisons if (text := answer(each, points, published))]
        if said:
            lines.append(
                f"- **{question}.** {'. '.join(text[0].upper() + text[1:] for text in said)}."
            )
    if lines:
        yield "\n## What the settings do to the margin error\n"
        yield (
            "Runs are compared seed by seed. In brackets: the 95% interval of the mean difference, "
            "by Student's t; where it holds 0, the difference is not larger than seed noise. About "
            "one such interval in twenty misses by chance. One seed gives no interval: its "
            "difference is held against three times the standard deviation, over seeds, of what it "
            "is compared with.\n"
        )
        yield from lines


def _against_table(points: Points) -> Iterator[str]:
    gains = {
        point: statistics.mean(column(kept, "gain_over_table"))
        for point, rows in points.items()
        if (kept := trained(rows))
    }
    if not gains:
        return
    best = max(gains, key=lambda point: gains[point])
    losing = {point: gain for point, gain in gains.items() if gain <= 0}
    yield "\n## Against a table with one color for each gray level\n"
    yield (
        f"{len(gains) - len(losing)} of {len(gains)} points have a lower margin error than the "
        f"better of two such tables; {best} does best, {gains[best]:+.4f}."
    )
    if losing:
        yield "\nThose that have not, by sweep:\n"
    for sweep in dict.fromkeys(point.partition("/")[0] for point in losing):
        of_sweep = [point for point in gains if point.partition("/")[0] == sweep]
        lost = [point for point in of_sweep if point in losing]
        names = ", ".join(f"{point.partition('/')[2]} ({losing[point]:+.4f})" for point in lost)
        few = len(lost) <= NAMED
        yield f"- {sweep}: {len(lost)} of {len(of_sweep)}{f': {names}' if few else ''}"


def _recipes(points: Points) -> Iterator[tuple[list[str], list[Row]]]:
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


def _far_off(runs: Sequence[Run], points: Points, published: Mapping[str, Row]) -> Iterator[str]:
    rates = {f"{run.sweep}/{run.point}": run.changes.get(GRID[0]) for run in runs}
    compared = {}
    for names, rows in _recipes(points):
        known = [name for name in names if name in published and published[name]["margin_error"]]
        if known and rates.get(known[0]) != NEVER_STOPPED:
            compared[", ".join(names)] = (rows, float(published[known[0]]["margin_error"]))
    if not compared:
        return
    yield "\n## Against what the report published\n"
    off = []
    for what, (rows, theirs) in compared.items():
        errors = column(trained(rows), "margin_error")
        if not errors:
            off.append(f"- {what}: diverged here, published {theirs:.4f}")
        elif abs(statistics.mean(errors) - theirs) > FAR_OFF:
            seeds = f"{len(errors)} seeds, {min(errors):.4f} to {max(errors):.4f}"
            off.append(f"- {what}: {spread(errors, 4)} here ({seeds}), published {theirs:.4f}")
    yield (
        f"Of {len(compared)} networks with the report's recipe that it has an error for (without "
        f"learning rate {NEVER_STOPPED}), {len(off) or 'none'} "
        f"{'is' if len(off) < 2 else 'are'} more than {FAR_OFF} off{':' if off else '.'}\n"
    )
    yield from off


def _tables(runs: Sequence[Run], points: Points, published: Mapping[str, Row]) -> Iterator[str]:
    sweeps = dict.fromkeys(run.sweep for run in runs)
    for sweep in sweeps:
        of_sweep = dict.fromkeys(f"{sweep}/{run.point}" for run in runs if run.sweep == sweep)
        some = {point: points[point] for point in of_sweep if point in points}
        beside = bool(some.keys() & published.keys())
        columns = ["point", "seeds", "chosen epoch", "train MSE", "val MSE", "margin error"]
        columns += ["PSNR, dB", "SSIM", "gain over table"]
        if beside:
            columns += [f"published {name}" for name in ("epochs", "train MSE", "val MSE", "error")]
            columns += ["difference"]
        cells = [
            [
                point.partition("/")[2],
                *_measured(rows),
                *(_published(rows, published.get(point)) if beside else []),
            ]
            for point, rows in some.items()
        ]
        if cells:
            yield f"\n## Sweep {sweep}"
            yield table(
                "Means over seeds ± standard deviations, of runs that did not diverge:",
                columns,
                cells,
            )


def _measured(rows: Sequence[Row]) -> list[str]:
    seeds, kept = ", ".join(row["seed"] for row in rows), trained(rows)
    if not kept:
        return [seeds, "", "", "", "diverged", "", "", ""]
    digits = {"best_epoch": 0, "train_mse": 6, "val_mse": 6, "margin_error": 4}
    digits |= {"psnr": 2, "ssim": 4, "gain_over_table": 4}
    cells = {name: spread(column(kept, name), places) for name, places in digits.items()}
    if len(kept) < len(rows):
        cells["margin_error"] += f" ({len(rows) - len(kept)} of {len(rows)} diverged)"
    return [seeds, *cells.values()]


def _published(rows: Sequence[Row], published: Row | None) -> list[str]:
    if published is None:
        return [""] * 5
    numbers = [published[name] for name in ("epochs", "train_mse", "val_mse")]
    if not published["margin_error"]:
        return [*numbers, "diverged", ""]
    theirs, kept = float(published["margin_error"]), column(trained(rows), "margin_error")
    apart = f"{statistics.mean(kept) - theirs:+.4f}" if kept else ""
    return [*numbers, published["margin_error"], apart]


def _seeds(rows: Sequence[Row]) -> str:
    return f"seed{'s' if len(rows) > 1 else ''} {', '.join(row['seed'] for row in rows)}"
