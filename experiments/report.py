"""Write the report of a results folder: its networks, the answers to questions.csv, and charts.

What has no rows is left out. Tables of the report are also copied into the documents that are
given, below lines `<!-- NAME of DATA -->`.
"""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from colorizer.errors import InputError, one_line_errors
from colorizer.figures import write_png
from colorizer.files import atomic_write, enter_project, write_text
from experiments.charts import (
    ERROR_PANEL,
    MSE_PANEL,
    REPORT_SEED,
    Charts,
    curves_figure,
    differences_figure,
    grid_figure,
    kernels_figure,
)
from experiments.rows import CURVES, HISTORIES, read_table
from experiments.runs import Run, read_runs
from experiments.statistics import (
    failures,
    holm,
    mean_and_std,
    paired_differences,
    paired_test,
    rank_correlation,
    read_results,
    trained,
)

QUESTIONS_FILE = Path("experiments/questions.csv")
PUBLISHED_FILE, PUBLISHED_DATA = Path("experiments/published.csv"), "faces"
TOLERANCE = 0.005  # of a margin error, around the published one
REPORT_FILE, CHARTS, DPI = Path("report.md"), Path("charts"), 100
EPOCH_TIMES_FILE, OTHER_SPLITS_FILE = Path("epoch_times.csv"), Path("other_splits.csv")
KERNELS_FILE = Path("hidden_kernels.csv")
BEST = "report/conv2_kernels16"  # of the report, which shows its training and validation MSE alone
STEPS = "ablation"  # the sweep of the models of models.yaml
REFERENCE_EPOCHS = 40  # of the report's best run, the last 5 without a lower error
# Columns beside the report's: title, its column in published.csv, ours, digits.
BESIDE_OURS = {
    "epochs": ("epochs", "best_epoch", 0),
    "train MSE": ("train_mse", "train_mse", 5),
    "val MSE": ("val_mse", "val_mse", 5),
    "margin error": ("margin_error", "margin_error", 4),
}
SIGNIFICANT = 0.05
GRID = ["params", "seed", "learning_rate", "conv_layers", "kernels"]
# Columns of the table of a question, and of the table of claims.
ANSWER = ["change", "difference", "95% interval", "seeds lower", "the report", "p", "verdict"]
CLAIM = ["claim", "seeds", "difference", "95% interval", "p", "survives Holm's correction"]
MARGINS = [4, 6, 8, 12, 16, 24, 32]
# Columns of a network: titles and digits.
SHOWN = {
    "margin_error": ("12-margin error", 4),
    "gain_over_table": ("better than a lookup table by", 4),
    "mse": ("MSE", 5),
    "psnr": ("PSNR, dB", 2),
    "ssim": ("SSIM", 4),
    "accuracy": ("accuracy by the course's scorer", 4),
    "best_epoch": ("chosen epoch", 0),
}
HOW_TO_READ = (
    "Mean differences of the margin error, paired by seed: below 0 the change is better. The 95% "
    "interval is Student's t; a single seed has none. p is that of the paired t-test, corrected by "
    "Holm's method for the number of changes of the question. The verdict is lower or higher when "
    "the interval excludes 0, with `, holds` when the corrected p is below 0.05, too. Student's t "
    "assumes normal differences: the charts have a dot for each seed, which shows where outcomes "
    "are of two kinds instead. Failed runs are counted and left out. The report ran each network "
    "once, with seed 0."
)


Tables = dict[str, str]  # in Markdown, by the name that documents have for them


def write_report(data: str, results: Path) -> tuple[Path, Tables]:
    """Write report.md and the folder of its charts; return the path of the report and its tables.

    Raises InputError when the folder has no rows.
    """
    runs = read_runs(data)
    rows = read_results(results, runs)
    if rows.empty:
        raise InputError(f"{results}: has no rows; python -m experiments.sweep writes them")
    params_of = {f"{run.sweep}/{run.point}": run.params for run in runs}
    published = pd.read_csv(PUBLISHED_FILE)
    published["params"] = published["network"].map(params_of)
    published_errors = published.set_index("params")["margin_error"]
    if data != PUBLISHED_DATA:
        published_errors = published_errors[:0]
    charts: Charts = {}
    tables: Tables = {}
    parts = [
        *_header(data, rows),
        *_networks(rows, results),
        *_grid(rows, runs, charts),
        *_published(rows, results, data, published, charts, tables),
        *_answers(rows, params_of, published_errors, charts, tables),
        *_hidden_kernels(rows, runs, results, charts, tables),
        *_other_errors(rows, results, tables),
    ]
    with atomic_write(results / CHARTS) as (partial,):
        partial.mkdir()
        for name, figure in charts.items():
            write_png(partial / f"{name}.png", figure, DPI)
    write_text(results / REPORT_FILE, "\n\n".join(parts) + "\n")
    return results / REPORT_FILE, tables


def copy_tables(document: Path, data: str, tables: Tables) -> None:
    """Replace the tables of a data set in a document. Raises InputError for an unknown name."""

    def table(match: re.Match[str]) -> str:
        if match[2] not in tables:
            raise InputError(f"{document}: {data} has no table {match[2]}; has {', '.join(tables)}")
        return f"{match[1]}\n{tables[match[2]]}\n"

    marked = rf"(<!-- (.+) of {re.escape(data)} -->)\n(?:\|.*\n)*"
    text = document.read_text(encoding="utf-8")
    write_text(document, re.sub(marked, table, text))


def _markdown(rows: pd.DataFrame | Sequence[Mapping[str, object]]) -> str:
    text: str = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    return text


def _survives(corrected_p: float) -> str:
    return "yes" if corrected_p < SIGNIFICANT else "no"


def _header(data: str, rows: pd.DataFrame) -> Iterator[str]:
    yield f"# Results on {data}"
    facts = {"Commits": rows["commit"].str[:7], "Processors": rows["machine"]}
    yield "\n".join(f"{name}: {', '.join(sorted({*facts[name]}))}." for name in facts)


def _networks(rows: pd.DataFrame, results: Path) -> Iterator[str]:
    """All networks, those with the lowest error first; then training times, if they are there."""
    networks = trained(rows).groupby("network")["margin_error"].mean().sort_values(kind="stable")
    failed = [network for network in rows["network"].unique() if network not in networks]
    table = []
    for network in [*networks.index, *failed]:
        of_network = rows[rows["network"] == network]
        good = trained(of_network)
        table.append(
            {"network": network, "seeds": len(of_network)}
            | {title: mean_and_std(good[name], digits) for name, (title, digits) in SHOWN.items()}
            | {"failed": failures(of_network)}
        )
    yield "## Networks"
    yield (
        "Means over seeds ± standard deviations, sorted by error. A network has its name, "
        "SWEEP/POINT, in experiments/sweeps.yaml."
    )
    yield _markdown(table)
    if (results / EPOCH_TIMES_FILE).exists():
        times = pd.read_csv(results / EPOCH_TIMES_FILE).set_index("model")
        times["epochs"] = rows[rows["sweep"] == STEPS].groupby("point")["epochs"].mean()
        times["training time"] = times["epochs"] * times["ratio"] / REFERENCE_EPOCHS
        yield (
            f"Training time: 1 = {REFERENCE_EPOCHS} epochs of a plain PyTorch loop, as in the "
            "report, on the same machine. The ratio is that of an epoch to one of that loop, by "
            "`python -m benchmarks.epochs`, or by experiments/ablation.py of the commit that is "
            "named."
        )
        columns = ["machine", "epochs", "ratio", "training time"]
        yield times[columns].dropna().to_markdown(floatfmt=".2f")


def _grid(rows: pd.DataFrame, runs: Sequence[Run], charts: Charts) -> Iterator[str]:
    settings = [
        {"params": run.params, "seed": run.seed}
        | {key: float(value) for key, value in re.findall(r"(\w+)_([\d.]+)", run.point)}
        for run in runs
        if run.sweep == "grid"
    ]
    grid = pd.DataFrame(settings, columns=GRID).merge(rows, on=["params", "seed"])
    if not trained(grid).empty:
        charts["grid"] = grid_figure(grid)
        yield f"![Margin errors of the grid, lower is better]({CHARTS}/grid.png)"


def _published(
    rows: pd.DataFrame,
    results: Path,
    data: str,
    published: pd.DataFrame,
    charts: Charts,
    tables: Tables,
) -> Iterator[str]:
    """The networks that the report discusses: their curves and, on its data, both figures."""
    files = sorted((results / HISTORIES).glob("*.csv"))
    histories = pd.concat([pd.DataFrame({"name": []}), *map(pd.read_csv, files)])
    table, epochs, links = [], [], []
    for network in published.to_dict("records"):
        of_network = rows[rows["params"] == network["params"]]
        good = trained(of_network)
        if data == PUBLISHED_DATA and len(of_network):
            cells = {"network": f"{network['title']}, `{network['network']}`"}
            for title, (theirs, ours, digits) in BESIDE_OURS.items():
                seed_0 = of_network[of_network["seed"] == REPORT_SEED]
                numbers = [network[theirs], *seed_0[ours].mask(seed_0["failure"] != "")]
                texts = ["diverged" if np.isnan(n) else f"{n:.{digits}f}" for n in numbers]
                cells[f"{title}: the report, here"] = ", ".join(texts)
            errors = good["margin_error"]
            near = (abs(errors - network["margin_error"]) <= TOLERANCE).sum()
            spread = f"{errors.min():.4f} to {errors.max():.4f}" if len(errors) else ""
            cells["all seeds"] = ", ".join(filter(None, [spread, failures(of_network)]))
            cells[f"within {TOLERANCE}"] = f"{near} of {len(of_network)}"
            table.append(cells)
        if len(good):
            epochs.append(good.set_index("seed")["best_epoch"].rename(network["title"]))
            name = network["network"].partition("/")[2]
            dashed = network | {"val_margin_error": network["margin_error"]} if table else {}
            figures = {f"curves_{name}": [MSE_PANEL, ERROR_PANEL]}
            if network["network"] == BEST:
                label, columns = MSE_PANEL
                for column, of_split in columns.items():
                    figures[f"{column}_{name}"] = [(label, {column: of_split})]
            for figure, panels in figures.items():
                title = f"{network['title']}; seeds {', '.join(map(str, good['seed']))}"
                charts[figure] = curves_figure(title, good, histories, dashed, panels)
            links.append(f"![{network['title']}]({CHARTS}/curves_{name}.png)")
    if links:
        yield "## The report's networks"
    if table:
        yield (
            "The report's figures, then ours with its seed, 0; the errors of all our seeds, and "
            f"how many of them are within {TOLERANCE} of the published error."
        )
        yield tables.setdefault("the report's networks", _markdown(table))
    if links:
        chosen = pd.DataFrame(epochs).sort_index(axis="columns")
        if table:
            chosen.insert(0, "the report", published.set_index("title")["epochs"])
        yield "The epoch that early stopping chose, for each seed:"
        text = chosen.map("{:.0f}".format).replace("nan", "").to_markdown(disable_numparse=True)
        yield tables.setdefault("chosen epochs", text)
    yield from links


def _answers(
    rows: pd.DataFrame,
    params_of: Mapping[str, str],
    published: pd.Series,
    charts: Charts,
    tables: Tables,
) -> Iterator[str]:
    """A table and a chart for each question; `published` are the report's errors, by params.

    Changes that a document makes a claim of have it in the column claim of questions.csv; they are
    in the table `claims`, too.
    """
    yield "## How settings change the margin error"
    yield HOW_TO_READ
    claims = []
    for question, changes in pd.read_csv(QUESTIONS_FILE).groupby("question", sort=False):
        found = []
        for change in changes.itertuples():
            params, reference = params_of.get(change.network), params_of.get(change.reference)
            differences = paired_differences(rows, params, reference)
            failed = failures(rows[rows["params"] == params])
            if len(differences) or failed:
                notes = {"": failed, "reference: ": failures(rows[rows["params"] == reference])}
                noted = ", ".join(kind + counts for kind, counts in notes.items() if counts)
                low, high, p = paired_test(differences)
                found.append(
                    {
                        "change": f"{change.change} ({noted})" if noted else change.change,
                        "claim": change.claim,
                        "differences": differences,
                        "difference": differences.mean(),
                        "low": low,
                        "high": high,
                        "p": p,
                        "the report": published.get(params, np.nan)
                        - published.get(reference, np.nan),
                    }
                )
        if not found:
            continue
        answers = pd.DataFrame(found)
        answers["p"] = holm(answers["p"])
        conditions = [answers["high"] < 0, answers["low"] > 0, answers["low"].notna()]
        answers["verdict"] = np.select(conditions, ["lower", "higher", "unclear"], default="")
        answers.loc[answers["p"] < SIGNIFICANT, "verdict"] += ", holds"
        texts = _texts(answers)
        claims.append(texts[answers["claim"].notna()])
        yield f"### {question}"
        yield tables.setdefault(str(question), _markdown(texts[ANSWER]))
        if answers["difference"].notna().any():
            name = re.sub(r"\W+", "_", str(question)).lower()
            charts[name] = differences_figure(answers)
            yield f"![{question}: differences, seed by seed]({CHARTS}/{name}.png)"
    if claims:
        tables["claims"] = _markdown(pd.concat(claims)[CLAIM])


def _texts(answers: pd.DataFrame) -> pd.DataFrame:
    """The columns ANSWER and CLAIM of answers, as documents show them."""
    signed = answers[["difference", "low", "high", "the report"]].map("{:+.4f}".format)
    seeds = answers["differences"].map(len)
    lower = answers["differences"].map(lambda differences: (differences < 0).sum())
    texts = answers[["change", "claim", "verdict"]].assign(
        **{
            "seeds": seeds,
            "difference": signed["difference"],
            "95% interval": signed["low"] + " to " + signed["high"],
            "seeds lower": lower.astype(str) + " of " + seeds.astype(str),
            "the report": signed["the report"],
            "p": answers["p"].map("{:.2g}".format),
            "survives Holm's correction": answers["p"].map(_survives),
        }
    )
    return texts.replace(["nan", "+nan", "+nan to +nan"], "")


def _hidden_kernels(
    rows: pd.DataFrame, runs: Sequence[Run], results: Path, charts: Charts, tables: Tables
) -> Iterator[str]:
    """How the number of active kernels goes with the error, in each network of several seeds."""
    if not (results / KERNELS_FILE).exists():
        return
    # A network can have its row under the name that another sweep gives it.
    named = pd.DataFrame([{"name": r.name, "params": r.params, "seed": r.seed} for r in runs])
    active = pd.read_csv(results / KERNELS_FILE)[["name", "active"]].merge(named, on="name")
    counted = trained(rows).drop(columns="name").merge(active, on=["params", "seed"])
    # Networks whose seeds differ in both; their ranks can be pooled.
    counted = counted.groupby("network").filter(
        lambda runs: len(runs) > 3 and runs.active.nunique() > 1
    )
    if counted.empty:
        return
    pooled = counted.groupby("network")[["active", "margin_error"]].rank(pct=True)
    groups = [*counted.groupby("network"), ("all, by ranks within each network", pooled)]
    found = [rank_correlation(group["active"], group["margin_error"]) for _, group in groups]
    corrected = holm([p for *_, p in found])
    table = [
        {
            "network": network,
            "seeds": len(group),
            "rank correlation": f"{rho:+.2f}",
            "95% interval": "" if np.isnan(low) else f"{low:+.2f} to {high:+.2f}",
            "p": f"{p:.2g}",
            "survives Holm's correction": _survives(p),
        }
        for (network, group), (rho, low, high, _), p in zip(groups, found, corrected, strict=True)
    ]
    charts["hidden_kernels"] = kernels_figure(counted)
    yield "## Active kernels and the margin error"
    yield (
        "Spearman's rank correlation of the number of active kernels (`python -m "
        "experiments.analysis.hidden_kernels`) and the margin error over seeds, with Fisher's 95% "
        "interval and the p-value of a permutation test, corrected by Holm's method. Below 0, more "
        "active kernels go with a lower error. Runs that learned nothing are left out."
    )
    yield tables.setdefault("active kernels", _markdown(table))
    yield f"![Active kernels and margin errors]({CHARTS}/hidden_kernels.png)"


def _other_errors(rows: pd.DataFrame, results: Path, tables: Tables) -> Iterator[str]:
    """The models at other margins, and on other photographs than the validation split."""
    curves = read_table(results / CURVES / f"{STEPS}.csv").merge(rows[["name", "point"]], on="name")
    if len(curves):
        curves = curves.astype({"margin": int, "network": float})
        errors = curves[curves["margin"].isin(MARGINS)].groupby(["point", "margin"])["network"]
        yield "## The error at other margins"
        table = errors.agg(mean_and_std, 4).unstack().sort_values(12)
        yield tables.setdefault("other margins", table.to_markdown(disable_numparse=True))
    if (results / OTHER_SPLITS_FILE).exists():
        measured = pd.read_csv(results / OTHER_SPLITS_FILE)
        errors = measured.groupby(["model", "measured_on"])["margin_error"].agg(mean_and_std, 4)
        yield "## Other photographs"
        yield (
            "The error on the training photographs; and, trained without a fifth of them, on the "
            "validation split and on that fifth (`python -m experiments.analysis.hold_out`)."
        )
        table = errors.unstack(fill_value="")
        yield tables.setdefault("other photographs", table.to_markdown(disable_numparse=True))


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="value of data.name")
    parser.add_argument("results", type=Path, help="folder of the results")
    parser.add_argument("documents", type=Path, nargs="*", help="Markdown that has its tables")
    args = parser.parse_args()
    enter_project(args)
    path, tables = write_report(args.data, args.results)
    for document in args.documents:
        copy_tables(document, args.data, tables)
    print(path)


if __name__ == "__main__":
    with one_line_errors():
        main()
