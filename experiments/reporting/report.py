"""The report of sweeps in Markdown: answers, tables beside the published figures, charts."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib

from colorizer.figures import write_png
from colorizer.files import atomic_write, write_text
from colorizer.markdown import table
from experiments.reporting.ablation_tables import ABLATION_FILE
from experiments.reporting.comparisons import QUESTIONS, answer
from experiments.reporting.figures import CHARTS, figures
from experiments.reporting.published import compare_with_published, published_cells
from experiments.reporting.statistics import (
    Points,
    column,
    confidence_interval,
    converged,
    failures,
    mean_and_std,
    points_of,
    recipes,
    trained,
    wall_time,
)
from experiments.runs.rechecks import last_recheck
from experiments.runs.results import RUNS_FILE, Row, Tables, read_rows
from experiments.runs.sweeps import Run

REPORT_FILE = "report.md"
PUBLISHED_FILE = Path("experiments/published.csv")
PUBLISHED_DATA = "faces"  # what the report trained on
DPI = 100
# Columns of a sweep's table, and their digits.
MEASURED = {
    "best_epoch": ("chosen epoch", 0),
    "train_mse": ("train MSE", 6),
    "val_mse": ("val MSE", 6),
    "margin_error": ("margin error", 4),
    "psnr": ("PSNR, dB", 2),
    "ssim": ("SSIM", 4),
    "gain_over_table": ("gain over table", 4),
}
PUBLISHED_COLUMNS = (
    *("published epochs", "published train MSE", "published val MSE", "published error"),
    "difference",
)


def report(
    data: str,
    runs: Sequence[Run],
    rows: Sequence[Row],
    failed: set[str],
    published: Sequence[Row],
    charts: Sequence[str],
    recheck: str | None,
) -> str:
    """The report in Markdown.

    `charts` are the names of those that lie beside it, `recheck` is a sentence on the last recheck.
    """
    points = points_of(rows)
    published_of = {f"{row['sweep']}/{row['point']}": row for row in published}
    parts = [
        f"# Sweeps on {data}\n",
        _header(rows, recheck),
        *_presence(runs, rows, failed),
        *_answers(points, published_of),
        *_compare_with_table(points),
        *compare_with_published(runs, points, published_of),
        *_sweep_tables(runs, points, published_of),
        *(f"\n![{CHARTS[name]}]({name}.png)" for name in charts),
    ]
    return "\n".join(parts) + "\n"


def write_report(
    results: Path, data: str, runs: Sequence[Run], tables: Tables, failed: set[str]
) -> None:
    """Write report.md and its charts; remove charts that have no rows any more."""
    matplotlib.rcdefaults()  # charts should not depend on the user's settings
    drawn = figures(runs, tables)
    for name in CHARTS:
        path = results / f"{name}.png"
        if name in drawn:
            with atomic_write(path) as (partial,):
                write_png(partial, drawn[name], DPI)
        else:
            path.unlink(missing_ok=True)
    published = read_rows(PUBLISHED_FILE) if data == PUBLISHED_DATA else []
    recheck = last_recheck(results, RUNS_FILE)
    text = report(data, runs, tables[RUNS_FILE], failed, published, [*drawn], recheck)
    if (results / ABLATION_FILE).exists():
        text += f"\n[From the report's best network to ours, step by step]({ABLATION_FILE}).\n"
    write_text(results / REPORT_FILE, text)


def _header(rows: Sequence[Row], recheck: str | None) -> str:
    if not rows:
        return "No run was collected."
    facts = {
        "Commits": {row["commit"][:7] for row in rows},
        "Processors": {row["machine"] or "unknown" for row in rows},
        "Margin error of the better table with one color per gray level": {
            row["table_margin_error"] for row in rows
        },
    }
    lines = [f"{name}: {', '.join(sorted(values))}." for name, values in facts.items()]
    if recheck:
        lines.append(recheck)
    if duration := wall_time(rows):
        untimed = sum(not row["queued"] for row in rows)
        without = f", without {untimed} runs of unknown start" if untimed else ""
        lines.append(f"Wall time, h:mm:ss, without gaps{without}: {duration}.")
    return "\n".join(lines)


def _presence(runs: Sequence[Run], rows: Sequence[Row], failed: set[str]) -> Iterator[str]:
    present = {row["name"] for row in rows}
    names: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        states = names.setdefault(run.sweep, {"present": [], "missing": [], "failed": []})
        absent = "failed" if run.name in failed else "missing"
        states["present" if run.name in present else absent].append(run.name)
    yield table(
        "Runs:",
        ["sweep", "present", "missing", "failed"],
        [[sweep, *map(len, states.values())] for sweep, states in names.items()],
    )
    for state in ("failed", "missing"):
        # All runs of a sweep that was not started are missing: the table shows that.
        listed = [
            name
            for states in names.values()
            if states["present"] or states["failed"]
            for name in states[state]
        ]
        if listed:
            started = " in sweeps that were started" if state == "missing" else ""
            yield f"\n{state.capitalize()}{started}: {', '.join(listed)}."


def _answers(points: Points, published: Mapping[str, Row]) -> Iterator[str]:
    lines = []
    for question, comparisons in QUESTIONS.items():
        texts = [text for each in comparisons if (text := answer(each, points, published))]
        if texts:
            sentences = ". ".join(text[0].upper() + text[1:] for text in texts)
            lines.append(f"- **{question}.** {sentences}.")
    if lines:
        yield "\n## How settings change the margin error\n"
        yield (
            "Runs are paired by seed. Parentheses hold the 95% confidence interval of the mean "
            "difference (Student's t, which assumes normally distributed differences); when it "
            "includes 0, the difference is within seed noise. One in twenty such intervals misses "
            "the true mean by chance. A single seed gives no interval: its difference is compared "
            "with the interval that holds 95% of the differences of two runs of the reference. The "
            "report ran each network once: its difference is compared with the interval that holds "
            "95% of the differences of one run each.\n"
        )
        yield from lines


def _compare_with_table(points: Points) -> Iterator[str]:
    groups: dict[str, list[str]] = {"better": [], "worse": [], "undecided": []}
    single_runs = []
    for names, rows in recipes(points):
        gains = column(trained(rows) or converged(rows), "gain_over_table")
        if not gains:
            continue
        gain, noise = statistics.mean(gains), confidence_interval(gains)
        name = next((name for name in names if not name.startswith("grid/")), names[0])
        text = f"{name} ({gain:+.4f} ± {noise:.4f})"
        if len(gains) == 1:
            single_runs.append(gain)
        elif abs(gain) > noise:
            groups["better" if gain > 0 else "worse"].append(text)
        else:
            groups["undecided"].append(text)
    if not single_runs and not any(groups.values()):
        return
    yield "\n## Against a table with one color per gray level\n"
    yield (
        "Gain over the better of two such tables. For networks with several seeds: the mean gain "
        "and half the width of its 95% interval.\n"
    )
    yield from (
        f"- {len(texts)} {verdict}: {', '.join(texts)}"
        for verdict, texts in groups.items()
        if texts
    )
    if single_runs:
        better = sum(gain > 0 for gain in single_runs)
        yield f"- {better} of {len(single_runs)} networks with one seed are better"


def _sweep_tables(
    runs: Sequence[Run], points: Points, published: Mapping[str, Row]
) -> Iterator[str]:
    for sweep in dict.fromkeys(run.sweep for run in runs):
        names = dict.fromkeys(f"{sweep}/{run.point}" for run in runs if run.sweep == sweep)
        rows_of = {name: points[name] for name in names if name in points}
        with_published = bool(rows_of.keys() & published.keys())
        cells = [
            [
                name.partition("/")[2],
                *_measured_cells(rows),
                *(published_cells(rows, published.get(name)) if with_published else []),
            ]
            for name, rows in rows_of.items()
        ]
        if cells:
            columns = ["point", "seeds", *(title for title, _ in MEASURED.values())]
            yield f"\n## Sweep {sweep}"
            yield table(
                "Means over seeds ± standard deviations; failed runs are counted in parentheses "
                "and excluded from the means:",
                [*columns, *PUBLISHED_COLUMNS] if with_published else columns,
                cells,
            )


def _measured_cells(rows: Sequence[Row]) -> list[str]:
    seeds, counted = ", ".join(row["seed"] for row in rows), trained(rows) or converged(rows)
    if not counted:
        return [seeds, "", "", "", "diverged", "", "", ""]
    cells = {
        name: mean_and_std(column(counted, name), digits) for name, (_, digits) in MEASURED.items()
    }
    cells["margin_error"] += failures(rows)
    return [seeds, *cells.values()]
