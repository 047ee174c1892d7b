"""dvc.yaml says what each stage reads and writes; here that is compared with the code."""

import ast
import subprocess
import sys
from itertools import chain
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import REPOSITORY

PIPELINE = YAML(typ="safe", pure=True).load(REPOSITORY / "dvc.yaml")
STAGES: dict[str, dict[str, Any]] = PIPELINE["stages"]
PARAMS = YAML(typ="safe", pure=True).load(REPOSITORY / "params.yaml")

each_stage = pytest.mark.parametrize("stage", STAGES)


def syntax(path: str) -> ast.Module:
    return ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))


def imported_modules(path: str) -> set[str]:
    """The project's own modules that a module imports, as paths."""
    names = set()
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = {f"{name.replace('.', '/')}.py" for name in names}
    return {path for path in paths if (REPOSITORY / path).is_file()}


def import_closure(path: str) -> set[str]:
    closure, open_paths = {path}, {path}
    while open_paths:
        open_paths = set().union(*map(imported_modules, open_paths)) - closure
        closure |= open_paths
    return closure


def outputs(stage: str) -> list[str]:
    return [next(iter(out)) if isinstance(out, dict) else out for out in STAGES[stage]["outs"]]


def data_deps(stage: str) -> list[str]:
    return [dep for dep in STAGES[stage]["deps"] if not dep.endswith(".py")]


def test_there_is_one_file_for_each_stage_and_nothing_else():
    files = {path.name for path in (REPOSITORY / "stages").iterdir()} - {"__pycache__"}
    assert files == {f"{stage}.py" for stage in STAGES}


@each_stage
def test_code_deps_are_the_modules_that_the_stage_imports(stage):
    listed = [dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")]
    assert set(listed) == import_closure(f"stages/{stage}.py")
    assert len(listed) == len(set(listed))


@each_stage
def test_params_are_the_sections_that_the_stage_reads(stage):
    read = {
        node.args[1].value
        for node in ast.walk(syntax(f"stages/{stage}.py"))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "read_section"
    }
    assert set(STAGES[stage]["params"]) == read


@each_stage
def test_paths_in_the_command_are_its_deps_and_outputs(stage):
    command = STAGES[stage]["cmd"].split()
    launcher = "${train.launcher}" if stage == "train" else "python"
    assert command[:3] == [launcher, "-m", f"stages.{stage}"]
    paths = [*data_deps(stage), *outputs(stage)]
    assert sorted(command[3:]) == sorted(paths)


@each_stage
def test_a_stage_says_what_it_is_for(stage):
    assert STAGES[stage]["desc"]


def test_each_path_comes_from_one_stage():
    written = list(chain.from_iterable(map(outputs, STAGES)))
    assert len(written) == len(set(written))
    for dep in chain.from_iterable(map(data_deps, STAGES)):
        assert dep in written or dep == "data/raw/${data.name}"


def test_every_section_is_read_and_every_section_read_is_there():
    read = set(chain.from_iterable(stage["params"] for stage in STAGES.values()))
    assert read == set(PARAMS)


def test_metrics_and_series_are_in_git_and_the_rest_in_the_cache():
    in_git = {
        path
        for stage in STAGES.values()
        for out in stage["outs"]
        if isinstance(out, dict)
        for path, options in out.items()
        if options == {"cache": False}
    }
    series = {
        path for plot in PIPELINE["plots"] if isinstance(plot, dict) for path in drawn_from(plot)
    }
    assert in_git == set(PIPELINE["metrics"]) | series


def drawn_from(plot: dict[str, Any]) -> list[str]:
    return [path for options in plot.values() for path in options["y"]]


def test_image_plots_are_what_the_plot_stage_writes():
    images = [plot for plot in PIPELINE["plots"] if isinstance(plot, str)]
    assert images == outputs("plot")


@pytest.mark.parametrize("stage", ["sample", "prepare", "plot"])
def test_a_stage_without_a_network_does_not_load_torch(stage):
    code = f"import sys, stages.{stage}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


@pytest.mark.parametrize(
    "path",
    # All but the command line that people type.
    sorted({*(REPOSITORY / "colorizer").glob("*.py")} - {REPOSITORY / "colorizer/__main__.py"}),
    ids=lambda path: path.stem,
)
def test_shared_modules_parse_no_arguments_print_nothing_and_have_no_defaults(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert "argparse" not in [alias.name for alias in node.names]
        if isinstance(node, ast.Call):
            assert getattr(node.func, "id", "") != "print"
        if isinstance(node, ast.FunctionDef):
            assert not [*node.args.defaults, *filter(None, node.args.kw_defaults)]
