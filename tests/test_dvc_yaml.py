"""dvc.yaml states what each stage reads and writes; these tests compare it with the code."""

import ast
import shutil
from importlib import import_module

import pytest

from colorizer.files import read_yaml, write_yaml
from colorizer.params import Params, load_params
from tests.conftest import RAW, REPOSITORY, contents, small_params, write_raw

PIPELINE = read_yaml(REPOSITORY / "dvc.yaml")
STAGES = PIPELINE["stages"]
CODE = ("colorizer/", "stages/")
each_stage = pytest.mark.parametrize("stage", STAGES)


def import_closure(path: str) -> set[str]:
    """Files of the project that a module imports, at any depth, but `__init__.py`."""
    closure, frontier = set(), {path}
    while frontier:
        path = frontier.pop()
        closure.add(path)
        names = []
        for node in ast.walk(ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        paths = {f"{name.replace('.', '/')}.py" for name in names}
        frontier |= {path for path in paths - closure if (REPOSITORY / path).is_file()}
    return closure


def owner(path: str, declared: list[str]) -> str:
    """The declared file or folder that a path lies in; without one the path."""
    return next((dep for dep in declared if path == dep or path.startswith(f"{dep}/")), path)


@each_stage
def test_the_code_deps_of_a_stage_are_its_file_and_what_it_imports(stage):
    deps = [dep for dep in STAGES[stage]["deps"] if dep.startswith(CODE)]
    assert {owner(path, deps) for path in import_closure(f"stages/{stage}.py")} == {*deps}


class Recorder:
    """Params that note which of their sections are used."""

    def __init__(self) -> None:
        self.params, self.used = load_params(), set()

    def __getattr__(self, name: str) -> object:
        self.used |= {name} & {*Params.model_fields}
        return getattr(self.params, name)


def paths(stage: str, kind: str) -> list[str]:
    """Declared data: deps or outs."""
    entries = [[path] if isinstance(path, str) else path for path in STAGES[stage][kind]]
    declared = [path for entry in entries for path in entry]
    return [path.replace("${data.name}", "tiny") for path in declared if not path.startswith(CODE)]


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> dict[str, tuple[set[str], set[str]]]:
    """The sections that each stage uses and the files that it writes, where only its deps are."""
    root, results = tmp_path_factory.mktemp("all"), {}
    write_raw(root / RAW)
    for stage in STAGES:
        folder = tmp_path_factory.mktemp(stage)
        for dep in paths(stage, "deps"):
            (folder / dep).parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (root / dep).is_dir() else shutil.copy)(root / dep, folder / dep)
        write_yaml(folder / "params.yaml", small_params())
        before = {*contents(folder)}
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.chdir(folder)
            recorder = Recorder()
            monkeypatch.setattr(f"stages.{stage}.load_params", lambda params=recorder: params)
            import_module(f"stages.{stage}").main()
        results[stage] = recorder.used, {*contents(folder)} - before
        shutil.copytree(folder, root, dirs_exist_ok=True)
    return results


@each_stage
def test_the_params_of_a_stage_are_the_sections_that_it_uses(ran, stage):
    assert {*STAGES[stage]["params"]} == ran[stage][0]


@each_stage
def test_the_outs_of_a_stage_are_what_it_writes(ran, stage):
    outs = paths(stage, "outs")
    assert {owner(path, outs) for path in ran[stage][1]} == {*outs}
