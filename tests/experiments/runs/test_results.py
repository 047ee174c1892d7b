import pandas as pd

from experiments.runs.results import (
    COLUMNS,
    CURVES_FOLDER,
    HISTORIES_FOLDER,
    RUNS_FILE,
    Tables,
    read_tables,
    write_tables,
)
from tests.experiments.conftest import histories, rows_of


def test_written_tables_are_read_as_they_were_with_a_file_for_each_sweep(tmp_path):
    rows = pd.DataFrame([*rows_of("wide/plain", 0.25, 0.26), *rows_of("deep/plain", 0.3)])
    tables: Tables = {
        RUNS_FILE: rows,
        HISTORIES_FOLDER: histories(*rows["name"][::-1]),
        CURVES_FOLDER: pd.DataFrame(columns=[*COLUMNS[CURVES_FOLDER]], dtype=str),
    }
    write_tables(tmp_path, tables)
    read = read_tables(tmp_path)
    pd.testing.assert_frame_equal(read[RUNS_FILE], rows)
    written, found = tables[HISTORIES_FOLDER], read[HISTORIES_FOLDER]
    by_run = written.sort_values(["name", "epoch"], ignore_index=True)
    pd.testing.assert_frame_equal(found.sort_values(["name", "epoch"], ignore_index=True), by_run)
    assert read[CURVES_FOLDER].empty
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv")}
    assert files == {RUNS_FILE, "histories/deep.csv", "histories/wide.csv"}

    write_tables(tmp_path, tables | {RUNS_FILE: rows[rows["sweep"] == "deep"]})
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv")}
    assert files == {RUNS_FILE, "histories/deep.csv"}
