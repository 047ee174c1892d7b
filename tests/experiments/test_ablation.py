import csv
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest
import torch

from colorizer.device import available_device, processor_name
from colorizer.errors import InputError
from colorizer.files import write_yaml
from experiments import ablation
from experiments.ablation import COLUMNS, METRICS, hold_out
from experiments.reporting import ablation_tables
from experiments.reporting.ablation_tables import tables, with_numbers
from experiments.runs.identity import code_digest
from experiments.runs.results import write_table
from tests.conftest import REPOSITORY
from tests.experiments.conftest import git
from tests.stages.conftest import EVALUATION, PATHS, PREPARED
from tests.stages.forks import Server, Stage

MODELS = """
report_best: {model.kernels: 3}
ours_best: {train.epochs: 2}
"""
RUNS_FILE = Path("results/runs.csv")

Row = dict[str, str]
Ablation = Callable[..., list[Row]]


def read_rows(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def photos(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.rglob("*.png")}


def test_held_out_photographs_are_no_longer_trained_on(raw, tmp_path):
    hold_out(raw, tmp_path / "reduced")
    train, val, test = (photos(tmp_path / "reduced" / split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (9, 6, 3)  # of 12 photographs the 1st, 6th, 11th
    assert not train & test
    assert train | test == photos(raw / "train")
    assert val == photos(raw / "val")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def place(params, tmp_path, monkeypatch) -> Path:
    """A repository with the code and two models; the current folder."""
    for package in ("colorizer", "stages"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=ignored)
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/models.yaml").write_text(MODELS)
    write_yaml(tmp_path / "params.yaml", params)
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    git("add", "colorizer", "stages", "dvc.yaml", "params.yaml")
    git("commit", "-qm", "baseline")
    for module in (ablation, ablation_tables):
        monkeypatch.setattr(module, "CHECKED", ("report_best", "ours_best"))
    monkeypatch.setattr(ablation, "reference_epoch", lambda _: 1.5)  # to save the time
    return tmp_path


@pytest.fixture
def work(raw, place, monkeypatch, server) -> Ablation:
    """Run the ablation with the stages in forks; the rows of runs.csv."""

    def run_module(module: str, args: list[str], folder: Path) -> tuple[float, str]:
        stage = Stage(server, module.removeprefix("stages."), *args, folder=folder)
        output, errors = stage.communicate()
        assert stage.returncode == 0, errors
        return 1.0, output

    monkeypatch.setattr(ablation, "run_module", run_module)

    def run(*options: str) -> list[Row]:
        monkeypatch.setattr(sys, "argv", ["ablation", str(raw), "results", "5", *options])
        ablation.main()
        return read_rows(place / RUNS_FILE)

    return run


def edit_code() -> None:
    """Commit an edit of the code that changes no result."""
    with Path("colorizer/files.py").open("a") as file:
        file.write("OTHER = 1\n")
    git("commit", "-qam", "edit")


def test_rows_have_what_the_stages_measure_and_are_not_measured_twice(
    work, raw, params, run_stage, tmp_path
):
    rows = work()
    assert [(row["model"], row["measured_on"]) for row in rows] == [
        ("report_best", "validation"),
        ("report_best", "training"),
        ("ours_best", "validation"),
        ("ours_best", "training"),
        ("report_best", "validation, a fifth held out"),
        ("report_best", "held out"),
        ("ours_best", "validation, a fifth held out"),
        ("ours_best", "held out"),
    ]
    assert [row["epochs"] for row in rows[:4]] == ["3", "3", "2", "2"]

    params["model"]["kernels"] = 3
    params["train"]["seed"] = 5
    for data, split, measured in (
        (raw, "val", rows[0]),
        (raw, "train", rows[1]),
        (tmp_path / "reduced", "test", rows[5]),
    ):
        if data != raw:
            hold_out(raw, data)
        run_stage("prepare", data.as_posix(), *PREPARED)
        run_stage("train", *PATHS["train"])
        train, _, *outputs = PATHS["evaluate"]
        splits = dict(zip(("train", "val", "test"), PREPARED, strict=False))
        run_stage("evaluate", train, splits[split], *outputs)
        metrics = json.loads(Path(EVALUATION).read_text())
        for name in METRICS:
            assert float(measured[name]) == metrics[name]
        assert float(measured["error_12"]) == pytest.approx(metrics["margin_error"], rel=1e-5)
    git("checkout", "-q", "params.yaml")

    assert work() == rows


def test_an_epoch_of_the_reference_loop_is_timed(raw):
    assert 0 < ablation.reference_epoch(raw) < 60


class Replay:
    """A Workplace that measures the values of rows again."""

    measured: Sequence[Row] = ()
    trained: tuple[str, ...] = ()

    def __init__(self, raw: Path, models: dict[str, object], folder: Path) -> None:
        assert raw.is_dir()
        assert folder.is_dir()
        assert [*models] == ["report_best", "ours_best"]

    def measure(self, run: pd.DataFrame) -> pd.DataFrame:
        Replay.trained += (f"{run['model'].iloc[0]} {len(run)}",)
        values = pd.DataFrame(self.measured).drop(columns="params")
        return run.merge(values, on=["model", "seed", "measured_on"])


@pytest.fixture
def measured_rows(place, monkeypatch) -> list[Row]:
    """Rows of runs.csv, of the code before an edit; reruns repeat their values."""
    monkeypatch.setattr(ablation, "Workplace", Replay)
    monkeypatch.setattr(Replay, "trained", ())
    runs = ablation.plan(ablation.named_models(ablation.MODELS_FILE), [5])
    rows = [
        dict.fromkeys(COLUMNS, "0.1") | key | {"code": code_digest()}
        for run in runs
        for key in run[ablation.KEYS].to_dict("records")
    ]
    (place / "results").mkdir()
    write_table(RUNS_FILE, pd.DataFrame(rows))
    monkeypatch.setattr(Replay, "measured", rows)
    edit_code()
    return rows


@pytest.mark.usefixtures("measured_rows")
def test_rows_of_earlier_code_or_params_are_measured_again(work):
    rows = work()
    assert {row["code"] for row in rows} == {code_digest()}
    assert Replay.trained == ("report_best 2", "ours_best 2") * 2
    Path("experiments/models.yaml").write_text(MODELS.replace("epochs: 2", "epochs: 1"))
    again = work()
    assert Replay.trained == ("report_best 2", "ours_best 2") * 2 + ("ours_best 2",) * 2
    assert again[:4] == [*rows[:2], *rows[4:6]]


def test_identical_reruns_are_recorded(work, measured_rows):
    machine = processor_name(available_device())
    stamped = work("--recheck", "2", "--recheck-seed", "7")
    assert stamped == [row | {"code": code_digest()} for row in measured_rows]
    first = Replay.trained
    commit = git("rev-parse", "HEAD")
    assert read_rows(Path("results/rechecks.csv")) == [
        {
            "table": "runs.csv",
            "commit": commit,
            "code": code_digest(),
            "machine": machine,
            "seed": "7",
            "rerun": "2",
            "rows": "4",
            "compared_with": "the rows",
        }
    ]
    assert (
        f" Last checked on {commit[:7]}: 2 of 4 rows rerun (drawn with seed 7, on {machine}), "
        "identical to the rows.\n"
    ) in Path("results/ablation.md").read_text()
    edit_code()
    work("--recheck", "2", "--recheck-seed", "7")
    assert Replay.trained == first * 2  # the draw depends on the seed alone


@pytest.mark.parametrize("column", ["epochs", "mse", "error_12"])
def test_after_a_rerun_that_differs_no_file_is_changed(work, measured_rows, monkeypatch, column):
    before = RUNS_FILE.read_bytes()
    others = [*measured_rows[:-1], measured_rows[-1] | {column: "0.1000001"}]
    monkeypatch.setattr(Replay, "measured", others)
    with pytest.raises(InputError) as error:
        work("--recheck", "4")
    assert str(error.value).splitlines() == [
        "reruns differ, and no row was changed:",
        f"  ours_best 5 held out: {column} is 0.1000001, expected 0.1",
    ]
    assert RUNS_FILE.read_bytes() == before
    assert [path.name for path in RUNS_FILE.parent.iterdir()] == [RUNS_FILE.name]


def test_a_baseline_is_compared_with_instead_of_the_rows(work, measured_rows, monkeypatch):
    others = [row | {"mse": "0.2"} for row in measured_rows]
    write_table(Path("baseline.csv"), pd.DataFrame(others))
    with pytest.raises(InputError, match=r"mse is 0\.1, expected 0\.2"):
        work("--recheck", "4", "--baseline", "baseline.csv")
    monkeypatch.setattr(Replay, "measured", others)
    stamped = work("--recheck", "4", "--baseline", "baseline.csv")
    assert stamped == [row | {"code": code_digest()} for row in measured_rows]
    text = Path("results/ablation.md").read_text()
    assert ", identical to reruns of the earlier code on the same machine." in text


def test_rows_of_other_params_are_not_stamped(work, measured_rows):
    Path("experiments/models.yaml").write_text(MODELS.replace("epochs: 2", "epochs: 1"))
    rows = work("--recheck", "4")
    assert {row["model"] for row in rows if row["code"] == code_digest()} == {"report_best"}
    assert Replay.trained == ("report_best 2", "report_best 2")
    write_table(RUNS_FILE, pd.DataFrame(measured_rows).query("model == 'ours_best'"))
    with pytest.raises(InputError, match=r"runs.csv: has no run of the current params$"):
        work("--recheck", "4")


def row(
    model: str, seed: int, measured_on: str, error: float, seconds: float, reference_epoch: float
) -> dict[str, str]:
    values = dict.fromkeys(COLUMNS, "0")
    return values | {
        "model": model,
        "seed": str(seed),
        "measured_on": measured_on,
        "machine": "x86_64 AVX2",
        "margin_error": str(error),
        "seconds": str(seconds),
        "reference_epoch": str(reference_epoch),
    }


def test_the_tables_show_means_deviations_and_gains():
    errors = {"report_best": (0.23, 0.22, 0.24), "ours_best": (0.19, 0.19, 0.19)}
    rows = [
        row(
            model,
            seed,
            measured_on,
            error - (measured_on == "training") / 100,
            seconds=100 if model == "report_best" else 800,
            reference_epoch=10 if model == "report_best" else 20,
        )
        for model, values in errors.items()
        for measured_on in ("validation", "training", "held out")
        for seed, error in enumerate(values)
    ]
    models = {
        "report_best": {"model.kernels": 16},
        "ours_best": {"model.kernels": 16, "train.loss": "margin"},
    }
    numbers = with_numbers(pd.DataFrame(rows))
    header, steps, chart, _, checks = tables("faces", numbers, models, None)
    assert header.startswith("# From the report's best network to ours, on faces\n")
    assert header.endswith("Seeds: 0, 1, 2. Processors: x86_64 AVX2.")
    checked = next(tables("faces", numbers, models, "Last checked on abc."))
    assert checked == f"{header} Last checked on abc."
    report, ours = steps.splitlines()[-2:]
    assert chart == "\n![Margin error of each model against its training time](ablation.png)"
    # Standard deviation of 0.22, 0.23 and 0.24: sqrt(0.0002 / 2). 100 s of 40 epochs of 10 s: 0.25.
    assert report.startswith(
        "| report_best | model.kernels 16 | **0.2300 ± 0.0100** |  | 0.2200 ± 0.0100 |"
    )
    assert report.endswith("| 0.25 ± 0.00 |")
    # 0.04, 0.03 and 0.05 less: 4.3027 * 0.01 / sqrt(3) is 0.0248.
    assert ours.startswith(
        "| ours_best | train.loss margin | **0.1900 ± 0.0000** | -0.0400, -0.0648 to -0.0152 | "
        "0.1800 ± 0.0000 |"
    )
    assert ours.endswith("| 1.00 ± 0.00 |")  # 800 s of 40 epochs of 20 s
    assert "2 times: median 15.00 s, 10.00 to 20.00 s" in steps
    assert checks.splitlines()[-1].endswith("| 0.1900 ± 0.0000 | 0.0400 ± 0.0100 |")


def test_the_unit_for_bfloat16_is_part_of_the_machine_where_it_is_used():
    kind = processor_name(available_device())
    assert ablation.machine({"train.precision": "float32"}) == kind
    assert ablation.machine({}) == kind
    has_amx = bool(torch.cpu.get_capabilities().get("amx_bf16"))
    named = ablation.machine({"train.precision": "bfloat16"})
    assert named.startswith(f"{kind} (")
    assert ("amx_bf16" in named) == has_amx
