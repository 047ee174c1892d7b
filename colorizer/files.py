"""Files: written atomically, complete or not at all; JSON, CSV and YAML."""

import json
import os
import shutil
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from colorizer.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def atomic_write(*paths: Path) -> Iterator[list[Path]]:
    """Yield temporary paths to write to; when the block succeeds, rename them to `paths`.

    Each may become a file or a folder. When the block fails, `paths` stay as they were and the
    temporary files are removed. A killed process leaves `.NAME.partial` behind, which nothing reads
    and the next run removes.
    """
    partials = [path.with_name(f".{path.name}.partial") for path in paths]
    for partial in partials:
        _remove(partial)
        partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partials
        for partial, path in zip(partials, paths, strict=True):
            if path.is_dir():  # a folder cannot be renamed to one with content
                shutil.rmtree(path)
            partial.replace(path)
    except OSError as error:
        if error.filename is None:  # a write to a full disk raises an error without a file name
            error.filename = ", ".join(map(str, paths))
        raise
    finally:
        for partial in partials:
            _remove(partial)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with a line feed at the end of each line on every system."""
    with atomic_write(path) as (partial,):
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_metrics(path: Path, metrics: Mapping[str, object]) -> None:
    """Write metrics as JSON: keys in the given order, floats with 6 decimals.

    Raises ValueError for NaN and infinity, which tools that read metrics cannot show.
    """
    write_text(path, json.dumps(_rounded(metrics), indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a CSV with a header line; floats have 6 significant digits, as 1e-8 needs."""
    with atomic_write(path) as (partial,):
        table.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")


def read_yaml(path: Path) -> Any:
    """Read YAML 1.2, as DVC does. Raises InputError when the file is missing or no YAML."""
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise InputError(f"{path}: {line}{getattr(error, 'problem', 'is not YAML')}") from None
    except ValueError as error:  # no UTF-8, or a date with a 45th day
        raise InputError(f"{path}: {error}") from None


def write_yaml(path: Path, value: object) -> None:
    """Write mappings, lists and scalars as YAML 1.2, keys in the given order."""
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    with atomic_write(path) as (partial,):
        yaml.dump(value, partial)


def project_root() -> Path:
    """The nearest folder with dvc.yaml, here or above; the present folder where there is none."""
    here = Path.cwd()
    roots = (folder for folder in (here, *here.parents) if (folder / "dvc.yaml").exists())
    return Path(os.path.relpath(next(roots, here)))


def enter_project(args: Namespace) -> None:
    """Make the root of the project the present folder, and adapt the paths in `args`."""
    root = project_root()
    for name, value in vars(args).items():
        if isinstance(value, Path):
            setattr(args, name, Path(os.path.relpath(value, root)))
    os.chdir(root)


def _rounded(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 6) if isinstance(value, float) else value


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
