"""dvc.yaml states what each stage reads and writes; these tests compare it with the code."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from colorizer.files import read_yaml
from tests.conftest import REPOSITORY

PIPELINE = read_yaml(REPOSITORY / "dvc.yaml")
STAGES: dict[str, dict[str, Any]] = PIPELINE["stages"]
PARAMS = read_yaml(REPOSITORY / "params.yaml")

# What may import what. A room is a folder, or a module that lies beside the rooms.
GROUND_FLOOR = {
    "colorizer.errors": set(),
    "colorizer.params": {"colorizer.errors", "colorizer.files"},
    "colorizer.files": {"colorizer.errors"},
    "colorizer.device": set(),
    "colorizer.distributed": set(),
    "colorizer.later_stages": {"colorizer.errors", "colorizer.files", "colorizer.params"},
    "colorizer.openmp": set(),
    "colorizer.figures": {"colorizer.files"},
}
ARROWS = {
    **GROUND_FLOOR,
    "colorizer.data": {*GROUND_FLOOR},
    "colorizer.metrics": {*GROUND_FLOOR, "colorizer.data"},
    "colorizer.models": {*GROUND_FLOOR, "colorizer.data"},
    "colorizer.training": {
        *GROUND_FLOOR,
        "colorizer.data",
        "colorizer.metrics",
        "colorizer.models",
    },
    "colorizer.inference": {*GROUND_FLOOR, "colorizer.data", "colorizer.models"},
}
LIBRARY = {*ARROWS}
# Each of these stands on top of the library and imports none of the others.
ON_TOP = ("stages", "scripts", "experiments", "web", "benchmarks")
ARROWS |= {
    "colorizer.__main__": LIBRARY,
    **dict.fromkeys(ON_TOP, LIBRARY),
}

each_stage = pytest.mark.parametrize("stage", STAGES)


def syntax(path: str, root: Path = REPOSITORY) -> ast.Module:
    return ast.parse((root / path).read_text(encoding="utf-8"))


def imported_modules(path: str, root: Path = REPOSITORY) -> set[str]:
    """Paths of the project's modules that a module imports, also within functions."""
    names = set()
    for node in ast.walk(syntax(path, root)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports should be absolute"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = {f"{name.replace('.', '/')}.py" for name in names}
    return {path for path in paths if (root / path).is_file()}


def import_closure(path: str, root: Path = REPOSITORY) -> set[str]:
    closure, frontier = {path}, {path}
    while frontier:
        frontier = set().union(*(imported_modules(each, root) for each in frontier)) - closure
        closure |= frontier
    return closure


def room_problems(deps: list[str], imported: set[str]) -> Iterator[str]:
    """Imported modules outside the declared rooms, and declared rooms that are not imported."""
    for module in sorted(imported):
        if not any(module == dep or module.startswith(f"{dep}/") for dep in deps):
            yield f"{module} lies in no declared room"
    for dep in deps:
        if not any(module == dep or module.startswith(f"{dep}/") for module in imported):
            yield f"{dep} is declared but not imported"


def room_of(path: str) -> str:
    """The room of a module, as in ARROWS."""
    parts = path.removesuffix(".py").split("/")
    return ".".join(parts[:2]) if parts[0] == "colorizer" else parts[0]


def forbidden_arrows(root: Path) -> Iterator[str]:
    """Imports that ARROWS does not allow."""
    for folder in ("colorizer", *ON_TOP):
        for file in sorted((root / folder).rglob("*.py")):
            path = file.relative_to(root).as_posix()
            for imported in sorted(imported_modules(path, root)):
                room, other = room_of(path), room_of(imported)
                if other != room and other not in ARROWS[room]:
                    yield f"{path} imports {imported}"


def outputs(stage: str) -> list[str]:
    return [next(iter(out)) if isinstance(out, dict) else out for out in STAGES[stage]["outs"]]


def code_deps(stage: str) -> list[str]:
    return [dep for dep in STAGES[stage]["deps"] if dep.startswith(("colorizer/", "stages/"))]


def data_deps(stage: str) -> list[str]:
    return [dep for dep in STAGES[stage]["deps"] if dep not in code_deps(stage)]


def test_there_is_one_file_for_each_stage_and_nothing_else():
    files = {path.name for path in (REPOSITORY / "stages").iterdir()} - {"__pycache__"}
    assert files == {f"{stage}.py" for stage in STAGES}


@each_stage
def test_the_code_deps_of_a_stage_are_its_file_and_the_rooms_that_it_imports(stage):
    deps = code_deps(stage)
    assert [*room_problems(deps, import_closure(f"stages/{stage}.py"))] == []
    assert len(deps) == len(set(deps))
    assert all((REPOSITORY / dep).exists() for dep in deps)


def test_a_missing_and_an_unused_room_are_found(tmp_path):
    for path, text in {
        "stages/a.py": "from colorizer.data.deep import nested\n",
        "colorizer/data/deep/nested.py": "def f():\n    import colorizer.files\n",
        "colorizer/files.py": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    closure = import_closure("stages/a.py", tmp_path)
    assert closure == {"stages/a.py", "colorizer/data/deep/nested.py", "colorizer/files.py"}
    deps = ["stages/a.py", "colorizer/data", "colorizer/files.py"]
    assert [*room_problems(deps, closure)] == []
    assert [*room_problems([*deps[:2], "colorizer/models"], closure)] == [
        "colorizer/files.py lies in no declared room",
        "colorizer/models is declared but not imported",
    ]


def test_imports_follow_the_arrows():
    assert [*forbidden_arrows(REPOSITORY)] == []


@pytest.mark.parametrize(
    ("path", "imported"),
    [
        ("colorizer/metrics/a.py", "colorizer/models/b.py"),
        ("colorizer/training/a.py", "colorizer/inference/b.py"),
        ("colorizer/errors.py", "colorizer/data/b.py"),
        ("stages/a.py", "experiments/b.py"),
        ("experiments/a.py", "benchmarks/b.py"),
        ("experiments/deep/a.py", "stages/b.py"),
        ("colorizer/data/a.py", "stages/b.py"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path, path, imported):
    for file, text in ((imported, ""), (path, f"import {imported[:-3].replace('/', '.')}\n")):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    assert [*forbidden_arrows(tmp_path)] == [f"{path} imports {imported}"]


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
def test_a_stage_has_a_description(stage):
    assert STAGES[stage]["desc"]


def test_each_path_comes_from_one_stage():
    written = list(chain.from_iterable(map(outputs, STAGES)))
    assert len(written) == len(set(written))
    for dep in chain.from_iterable(map(data_deps, STAGES)):
        assert dep in written or dep == "data/raw/${data.name}"


def test_every_section_is_read_and_every_section_read_exists():
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
        path for plot in PIPELINE["plots"] if isinstance(plot, dict) for path in series_of(plot)
    }
    assert in_git == set(PIPELINE["metrics"]) | series


def series_of(plot: dict[str, Any]) -> list[str]:
    return [path for options in plot.values() for path in options["y"]]


def test_image_plots_are_what_the_plot_stage_writes():
    images = [plot for plot in PIPELINE["plots"] if isinstance(plot, str)]
    assert images == outputs("plot")


@pytest.mark.parametrize(
    ("stage", "package"),
    [
        ("sample", "torch"),
        ("sample", "pandas"),
        ("prepare", "torch"),
        ("prepare", "pandas"),
        ("plot", "torch"),
    ],
)
def test_a_stage_does_not_load_what_it_does_not_need(stage, package):
    code = f"import sys, stages.{stage}; sys.exit({package!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


@pytest.mark.parametrize(
    "path",
    # All but the command that people type.
    sorted({*(REPOSITORY / "colorizer").rglob("*.py")} - {REPOSITORY / "colorizer/__main__.py"}),
    ids=lambda path: path.relative_to(REPOSITORY / "colorizer").as_posix(),
)
def test_the_library_parses_no_arguments_prints_nothing_and_has_no_defaults(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert "argparse" not in [alias.name for alias in node.names]
        if isinstance(node, ast.Call):
            assert getattr(node.func, "id", "") != "print"
        if isinstance(node, ast.FunctionDef):
            assert not [*node.args.defaults, *filter(None, node.args.kw_defaults)]
