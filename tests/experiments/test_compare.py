from experiments.compare import as_text, shown_rows

NONE = {"Experiment": None, "State": None, "best_epoch": 9.0, "diverged": 0.0}
HEAD = NONE | {"rev": "main", "typ": "baseline", "margin_error": 0.5, "model.kernels": 8.0}
HEAD |= {"train.loss": "mse", "train.threads": 2.0, "colorizer/data": "a1"}
ROWS = [
    HEAD | {"rev": "workspace", "model.kernels": 16.0, "margin_error": 0.46},
    HEAD,
    HEAD | {"Experiment": "wide", "rev": "12ab", "typ": "branch_commit", "model.kernels": 16.0}
    | {"margin_error": 0.25, "colorizer/data": "b2"},
    HEAD | {"Experiment": "waits", "rev": "34cd", "typ": "branch_base", "train.loss": "l1"}
    | {"State": "Queued", "margin_error": None, "best_epoch": None, "diverged": None},
    HEAD | {"Experiment": "fast", "rev": "56ef", "typ": "branch_base", "diverged": 1.0}
    | {"margin_error": 1.0, "best_epoch": 0.0},
]  # fmt: skip
SECTIONS = ["model", "train"]


def test_rows_are_sorted_by_error_and_say_what_was_changed_and_what_it_did():
    lines = as_text(shown_rows(ROWS, SECTIONS)).splitlines()[3:]  # below the header
    assert [line.split() for line in lines] == [
        ["wide", "model.kernels=16", "0.2500", "-0.2500", "9"],
        ["workspace", "model.kernels=16", "0.4600", "-0.0400", "9"],
        ["HEAD", "0.5000", "+0.0000", "9"],
        ["fast", "1.0000", "+0.5000", "0", "yes"],
        ["waits", "train.loss=l1", "Queued"],
    ]


def test_long_names_and_many_changes_fit_into_80_columns():
    names = [f"train.a_parameter_with_a_long_name_{number}" for number in range(9)]
    rows = [row | dict.fromkeys(names, float(number)) for number, row in enumerate(ROWS)]
    rows[2]["Experiment"] = "faces-grid-conv_layers_2-kernels_8-learning_rate_0.01-483"
    text = as_text(shown_rows(rows, SECTIONS))
    assert max(map(len, text.splitlines())) <= 80
