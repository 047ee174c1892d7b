"""What the runs of sweeps say, in Markdown: answers, tables beside what was published, charts."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib

from benchmarks.run import table
from colorizer.figures import write_png
from colorizer.files import replacing, write_text
from experiments.ablation import ABLATION_FILE
from experiments.comparisons import (
    QUESTIONS,
    answer,
    interval_of_another,
    interval_of_mean,
    recipes,
)
from experiments.rows import (
    Points,
    Row,
    column,
    converged,
    failure,
    failures,
    points_of,
    read_rows,
    spread,
    trained,
    wall_time,
)
from experiments.sweep_figures import CHARTS, figures
from experiments.sweeps import GRID, Run

REPORT_FILE = "report.md"
PUBLISHED_FILE = Path("experiments/published.csv")
PUBLISHED_DATA = "faces"  # what the report learnt from
NEVER_STOPPED = 0.0001  # the learning rate whose run the report ended before it was done
FAR_OFF = 0.005  # of a margin error, from what was published
DPI = 100


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
            "difference has to be larger than 95% of those between two runs of what it is compared "
            "with. The report ran each network once: what it has is held against where 95% of the "
            "differences between one run of each are.\n"
        )
        yield from lines


def _against_table(points: Points) -> Iterator[str]:
    several: dict[str, list[str]] = {"better": [], "worse": [], "not told from it": []}
    alone = []
    for names, rows in recipes(points):
        if gains := column(trained(rows) or converged(rows), "gain_over_table"):
            gain, noise = statistics.mean(gains), interval_of_mean(gains)
            name = next((name for name in names if not name.startswith("grid/")), names[0])
            told = f"{name} ({gain:+.4f} ± {noise:.4f})"
            if len(gains) == 1:
                alone.append(gain)
            elif abs(gain) > noise:
                several["better" if gain > 0 else "worse"].append(told)
            else:
                several["not told from it"].append(told)
    if not alone and not any(several.values()):
        return
    yield "\n## Against a table with one color for each gray level\n"
    yield (
        "Of two such tables the better one. Of networks of several seeds: how much lower their "
        "margin error is, and half of the 95% interval of that.\n"
    )
    yield from (
        f"- {len(some)} {verdict}: {', '.join(some)}" for verdict, some in several.items() if some
    )
    if alone:
        better = sum(gain > 0 for gain in alone)
        yield f"- of {len(alone)} networks of one seed, {better} have a lower margin error"


def _far_off(runs: Sequence[Run], points: Points, published: Mapping[str, Row]) -> Iterator[str]:
    rates = {f"{run.sweep}/{run.point}": run.changes.get(GRID[0]) for run in runs}
    # A network may have several names, of which the report has one figure; a seed is a run.
    compared: dict[tuple[str, ...], tuple[list[str], dict[str, Row]]] = {}
    for point, rows in points.items():
        known = published.get(point)
        if known and known["margin_error"] and rates.get(point) != NEVER_STOPPED:
            figures_of = tuple(known[name] for name in known if name not in ("sweep", "point"))
            names, seeds = compared.setdefault(figures_of, ([], {}))
            names.append(point)
            seeds |= {row["seed"]: row for row in rows}
    if not compared:
        return
    yield "\n## Against what the report published\n"
    off = []
    for names, seeds in compared.values():
        theirs = float(published[names[0]]["margin_error"])
        runs_here = [*seeds.values()]
        errors = column(trained(runs_here), "margin_error")
        if not errors:
            off.append(
                f"- {', '.join(names)}: {failure(runs_here[0])} here, published {theirs:.4f}"
            )
        elif abs(statistics.mean(errors) - theirs) > FAR_OFF:
            off.append(f"- {', '.join(names)}{failures(runs_here)}: {_off(errors, theirs)}")
    yield (
        f"Of {len(compared)} networks with the report's recipe that it has an error for (without "
        f"learning rate {NEVER_STOPPED}), {len(off) or 'none'} "
        f"{'is' if len(off) < 2 else 'are'} more than {FAR_OFF} off{':' if off else '.'}\n"
    )
    yield from off


def _off(errors: Sequence[float], theirs: float) -> str:
    here = f"{spread(errors, 4)} here"
    if len(errors) == 1:
        return f"{here} with one seed, published {theirs:.4f}"
    mean, noise = statistics.mean(errors), interval_of_another(errors)
    within = "which another seed may give" if abs(theirs - mean) <= noise else "which no seed gives"
    return (
        f"{here} ({len(errors)} seeds, {min(errors):.4f} to {max(errors):.4f}; 95% of others "
        f"{mean - noise:.4f} to {mean + noise:.4f}), published {theirs:.4f}, {within}"
    )


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
                "Means over seeds ± standard deviations; failed runs are told of, not counted:",
                columns,
                cells,
            )


def _measured(rows: Sequence[Row]) -> list[str]:
    seeds, kept = ", ".join(row["seed"] for row in rows), trained(rows) or converged(rows)
    if not kept:
        return [seeds, "", "", "", "diverged", "", "", ""]
    digits = {"best_epoch": 0, "train_mse": 6, "val_mse": 6, "margin_error": 4}
    digits |= {"psnr": 2, "ssim": 4, "gain_over_table": 4}
    cells = {name: spread(column(kept, name), places) for name, places in digits.items()}
    cells["margin_error"] += failures(rows)
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
