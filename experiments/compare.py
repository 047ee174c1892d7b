"""Compare HEAD, the workspace and DVC's experiments: what was changed, and what it did.

Prints a row for each, sorted by margin error, with the params that differ from those of HEAD.
"""

import argparse
import sys
from collections.abc import Sequence

import dvc.api
import pandas as pd
from dvc.exceptions import DvcException
from scmrepo.exceptions import SCMError

from colorizer.errors import InputError, one_line_errors
from colorizer.files import enter_project, read_yaml
from colorizer.params import PARAMS_FILE
from experiments.rows import git

COLUMN_WIDTHS = [16, 24, None, None, None, None]  # characters, so that a row has at most 80


def shown_rows(rows: Sequence[dict[str, object]], sections: Sequence[str]) -> pd.DataFrame:
    """Rows as `dvc.api.exp_show` returns them, those with the lowest error first.

    The columns are name, params that differ between rows, margin_error, difference (of it from
    HEAD), best_epoch, diverged and State. `sections` are those of params.yaml.
    """
    table = pd.DataFrame([{"Experiment": None, "State": None} | row for row in rows])
    head = table[(table["typ"] == "baseline") & (table["rev"] != "workspace")].index[0]
    table.loc[head, "rev"] = "HEAD"
    table["name"] = table["Experiment"].fillna(table["rev"])
    table["difference"] = table["margin_error"] - table["margin_error"][head]
    params = [name for name in table if name.partition(".")[0] in sections]
    varied = [name for name in params if table[name].astype(str).nunique() > 1]
    columns = ["name", *varied, "margin_error", "difference", "best_epoch", "diverged", "State"]
    return table[columns].sort_values("margin_error", kind="stable", ignore_index=True)


def as_text(table: pd.DataFrame) -> str:
    """The rows of `shown_rows` in 80 columns: params that differ from HEAD as KEY=VALUE."""
    head = table[table["name"] == "HEAD"].iloc[0]
    lines = []
    for _, row in table.iterrows():
        changed = [key for key in table if "." in key and row[key] != head[key]]
        finished = pd.notna(row["margin_error"])
        lines.append(
            {
                "name": row["name"],
                "changed from HEAD": "\n".join(f"{key}={_value(row[key])}" for key in changed),
                "margin\nerror": f"{row['margin_error']:.4f}" if finished else row["State"],
                "from\nHEAD": f"{row['difference']:+.4f}" if finished else "",
                "best\nepoch": f"{row['best_epoch']:.0f}" if finished else "",
                "di-\nverged": "yes" if row["diverged"] == 1 else "",
            }
        )
    text: str = pd.DataFrame(lines).to_markdown(
        index=False, tablefmt="simple", disable_numparse=True, maxcolwidths=COLUMN_WIDTHS
    )
    return text


def _value(value: object) -> str:
    """A value of `dvc.api.exp_show`, which has floats for integers."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Print the table, or CSV."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revisions", nargs="*", help="other commits, branches or tags")
    parser.add_argument("--all-commits", action="store_true", help="experiments of all commits")
    parser.add_argument("--csv", action="store_true", help="print all digits, as CSV")
    args = parser.parse_args()
    enter_project(args)
    revisions = ["HEAD", *args.revisions]
    if args.all_commits:
        refs = git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/exps/??/*/*").splitlines()
        revisions += sorted({"".join(ref.split("/")[:2]) for ref in refs})
    try:
        rows = dvc.api.exp_show(revs=revisions)
    except (DvcException, SCMError) as error:
        raise InputError(str(error)) from None
    table = shown_rows(rows, [*read_yaml(PARAMS_FILE)])
    if args.csv:
        table.to_csv(sys.stdout, index=False)
    else:
        print(as_text(table))


if __name__ == "__main__":
    with one_line_errors():
        main()
