"""How settings change the margin error: the questions of questions.csv, answered seed by seed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.reporting.statistics import Results, failures, interval_text, mean_intervals
from experiments.runs.results import read_table

QUESTIONS_FILE = Path("experiments/questions.csv")
AGAINST_TABLE = "Against a table with one color per gray level"
KEYS = ["question", "change"]
COLUMNS = ["change", "difference", "95% interval", "seeds lower", "the report", "verdict"]


def read_questions() -> pd.DataFrame:
    """Columns question, change, then network and reference: two networks, each as SWEEP/POINT."""
    return read_table(QUESTIONS_FILE, (*KEYS, "network", "reference"))


def paired_differences(questions: pd.DataFrame, results: Results) -> pd.DataFrame:
    """How the margin errors of network and reference differ, a row for each seed that both have.

    The difference is NaN for a seed with which one of the two failed. The last question compares
    each network with several seeds, outside the grid, with the better table of one color per gray
    level.
    """
    rows = results.rows.drop_duplicates(["recipe", "seed"])
    error = rows["margin_error"].where(rows["failure"] == "")
    errors = rows.assign(error=error)[["recipe", "seed", "error"]]
    of_reference = errors.set_index(["recipe", "seed"])["error"].rename("error_of_reference")
    recipes = {
        f"{name}_recipe": questions[name].map(results.recipes) for name in ("network", "reference")
    }
    pairs = (
        questions.assign(**recipes)
        .rename(columns={"network_recipe": "recipe"})
        .merge(errors, on="recipe")
        .join(of_reference, on=["reference_recipe", "seed"], how="inner")
    )
    pairs["difference"] = pairs["error"] - pairs["error_of_reference"]
    return pd.concat([pairs, _against_table(results.rows)], ignore_index=True)


def _against_table(rows: pd.DataFrame) -> pd.DataFrame:
    named = rows[rows["sweep"] != "grid"].groupby("recipe")["network"].first()
    rows = rows.drop_duplicates(["recipe", "seed"])
    rows = rows.assign(
        question=AGAINST_TABLE,
        change=rows["recipe"].map(named),
        difference=-rows["gain_over_table"].where(rows["failure"] == ""),
    )
    several = rows.groupby("recipe")["difference"].transform("count") > 1
    return rows.loc[several, [*KEYS, "recipe", "seed", "difference"]]


def answers(differences: pd.DataFrame, results: Results, published: pd.Series) -> pd.DataFrame:
    """Mean, interval and verdict for each question and change, by `mean_intervals`.

    `published` are the report's margin errors, by recipe; column `published` has the differences of
    these, and `failures` how many runs of the network failed.
    """
    found = mean_intervals(differences["difference"], [differences[key] for key in KEYS])
    recipes = differences.groupby(KEYS, sort=False)[["recipe", "reference_recipe"]].first()
    rows = results.rows.drop_duplicates(["recipe", "seed"])
    failed = {recipe: failures(group) for recipe, group in rows.groupby("recipe")}
    error, of_reference = (recipes[name].map(published) for name in recipes)
    is_verdict = {
        "failed": found["count"] == 0,
        "untested": found["count"] == 1,
        "lower": found["high"] < 0,
        "higher": found["low"] > 0,
    }
    return found.assign(
        published=error - of_reference,
        failures=recipes["recipe"].map(failed),
        verdict=np.select([*is_verdict.values()], [*is_verdict], default="unclear"),
    )


def answer_rows(answers: pd.DataFrame) -> Iterator[list[str]]:
    """The answers to one question as rows of a table with COLUMNS."""
    for _, answer in answers.reset_index().iterrows():
        yield [
            answer["change"] + answer["failures"],
            "" if np.isnan(answer["mean"]) else f"{answer['mean']:+.4f}",
            interval_text(answer["low"], answer["high"]),
            f"{answer['below']} of {answer['count']}",
            "" if np.isnan(answer["published"]) else f"{answer['published']:+.4f}",
            answer["verdict"],
        ]
