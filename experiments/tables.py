"""Write the tables of README.md, and that of the report's networks in docs/results.md.

A table is found by its header, and replaced from there to its last line.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path

from colorizer.errors import InputError, one_line_errors
from colorizer.files import write_text
from colorizer.markdown import table_lines
from colorizer.params import PARAMS_FILE
from experiments.reporting import published
from experiments.reporting.ablation_tables import CHECKED, RUNS_FILE, WHOLE, with_numbers
from experiments.reporting.published import published_rows, read_published
from experiments.reporting.statistics import Results, means
from experiments.runs import results
from experiments.runs.identity import require_committed
from experiments.runs.sweeps import SWEEPS_FILE, read_sweeps

README, RESULTS = Path("README.md"), Path("docs/results.md")
FACES, SAMPLE = Path("experiments/results/faces"), Path("experiments/results/sample")
BEST = "report/conv2_kernels16"  # the report's
NETWORKS = ["network", "12-margin error", "mean squared error", "PSNR, dB", "training time"]
METHODS = ["method", "12-margin error"]
MODELS = {
    "report_best": "`report_best`: the same recipe here",
    "ours_small": "`ours_small`, {epochs} epochs",
    "ours_best": "`ours_best`, {epochs} epochs",
}


def replace_table(text: str, lines: list[str]) -> str:
    """The text with the table that has the header `lines[0]` replaced.

    Raises InputError when there is not exactly one.
    """
    table = rf"^{re.escape(lines[0])}\n(?:\|.*\n)+"
    replaced, count = re.subn(table, lambda _: "\n".join(lines) + "\n", text, flags=re.MULTILINE)
    if count != 1:
        raise InputError(f"has {count} tables, should have one, with the header {lines[0]}")
    return replaced


def networks(of_faces: Results) -> Iterator[list[str]]:
    """The report's best network, three of models.yaml, and the table without a network."""
    figures = read_published().set_index("network").loc[BEST]
    error, mse = figures["margin_error"], figures["val_mse"]
    yield ["the report's best, as published, one seed", f"{error:.4f}", f"{mse:.5f}", "", "1"]
    rows = with_numbers(results.read_table(FACES / RUNS_FILE, ()))
    rows = rows[(rows["measured_on"] == WHOLE["val"]) & rows["model"].isin(CHECKED)]
    digits = {"margin_error": 4, "mse": 5, "psnr": 2, "time": 2}
    by_model = rows.groupby("model")
    lowest, epochs = by_model["margin_error"].mean().idxmin(), by_model["epochs"].max()
    for model, error, *others in means(rows, "model", digits).itertuples(name=None):
        error = f"**{error}**" if model == lowest else error
        title = MODELS[model].format(epochs=int(epochs[model]))
        yield [title, error, *(text.partition(" ±")[0] for text in others)]
    table = of_faces.of_network(BEST)["table_margin_error"].iloc[0]
    yield ["no network: a table with one color per gray level", f"{table:.4f}", "", "", ""]


def methods() -> Iterator[list[str]]:
    """What needs no training, the default network and `ours_small` on the sample."""
    default = json.loads(Path("metrics/evaluate.json").read_text(encoding="utf-8"))
    small = json.loads((SAMPLE / "ours_small.json").read_text(encoding="utf-8"))
    yield ["gray copied", f"{default['gray']['margin_error']:.4f}"]
    yield ["the default network", f"{default['margin_error']:.4f}"]
    yield ["table, median", f"{default['table_median']['margin_error']:.4f}"]
    mode = default["table_mode"]["margin_error"]
    yield ["table, most values within the margin", f"{mode:.4f}"]
    yield ["the network `ours_small`", f"**{small['margin_error']:.4f}**"]


def documents() -> dict[Path, str]:
    """The text of each file with its tables as the results have them."""
    rows = results.read_tables(FACES)[results.RUNS_FILE]
    of_faces = Results.of(rows, read_sweeps(SWEEPS_FILE, FACES.name))
    tables = {
        README: [table_lines(NETWORKS, networks(of_faces)), table_lines(METHODS, methods())],
        RESULTS: [table_lines(published.COLUMNS, published_rows(of_faces, read_published()))],
    }
    texts = {}
    for path, of_file in tables.items():
        texts[path] = path.read_text(encoding="utf-8")
        for lines in of_file:
            texts[path] = replace_table(texts[path], lines)
    return texts


def main() -> None:
    """Write the tables."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    require_committed([str(PARAMS_FILE)])  # an experiment leaves its metrics with its params
    for path, text in documents().items():
        write_text(path, text)


if __name__ == "__main__":
    with one_line_errors():
        main()
