"""Rechecks: some rows of a table rerun on newer code, with identical results."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from experiments.runs.experiments import last_change
from experiments.runs.identity import code_digest
from experiments.runs.results import read_table, write_table

T = TypeVar("T")

RECHECKS_FILE = "rechecks.csv"
COLUMNS = ("table", "commit", "code", "machine", "seed", "rerun", "rows", "compared_with")
ROWS = "the rows"
BASELINE = "reruns of the earlier code on the same machine"


def draw(candidates: Sequence[T], count: int, seed: int) -> list[T]:
    """Draw `count` candidates, or all when there are fewer; in their order."""
    count = min(count, len(candidates))
    drawn = random.Random(seed).sample(range(len(candidates)), count)
    return [candidates[index] for index in sorted(drawn)]


def record(results: Path, table: str, seed: int, rerun: int, rows: int, compared_with: str) -> None:
    """Add a line to the rechecks of a results folder."""
    from colorizer.device import available_device, processor_name  # here: PyTorch takes 1 s

    line = {
        "table": table,
        "commit": last_change("HEAD"),
        "code": code_digest(),
        "machine": processor_name(available_device()),
        "seed": str(seed),
        "rerun": str(rerun),
        "rows": str(rows),
        "compared_with": compared_with,
    }
    file = results / RECHECKS_FILE
    write_table(file, pd.concat([read_table(file, COLUMNS), pd.DataFrame([line])]))


def last_recheck(results: Path, table: str) -> str | None:
    """The last recheck of a table on the current code as a sentence; None when there was none."""
    lines = read_table(results / RECHECKS_FILE, COLUMNS)
    lines = lines[(lines["table"] == table) & (lines["code"] == code_digest())]
    if lines.empty:
        return None
    last = lines.iloc[-1]
    return (
        f"Last checked on {last['commit'][:7]}: {last['rerun']} of {last['rows']} rows rerun "
        f"(drawn with seed {last['seed']}, on {last['machine']}), identical to "
        f"{last['compared_with']}."
    )
