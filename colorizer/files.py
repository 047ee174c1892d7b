"""Files: written atomically, complete or not at all; JSON and YAML."""

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from colorizer.errors import InputError

LONGEST_NAME = 255  # bytes of a file's name, on the usual file systems


@contextmanager
def atomic_write(*paths: Path) -> Iterator[list[Path]]:
    """Yield temporary paths to write to; when the block succeeds, rename them to `paths`.

    Each may become a file or a folder. When the block fails, `paths` stay as they were and the
    temporary files are removed. A killed process leaves `.NAME.partial` behind, which nothing reads
    and the next run removes. (For a NAME that leaves no room, it is a digest of NAME.)
    """
    partials = [_partial(path, "partial") for path in paths]
    for partial in partials:
        _remove(partial)
        partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partials
        for partial, path in zip(partials, paths, strict=True):
            if path.is_dir():  # a folder cannot be renamed to one with content
                replaced = _partial(path, "replaced.partial")
                _remove(replaced)
                path.replace(replaced)
                partial.replace(path)
                shutil.rmtree(replaced)
            else:
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


def read_metrics(path: Path, keys: Sequence[str]) -> dict[str, float]:
    """Read numbers from a JSON file. Raises InputError when one of `keys` is missing."""
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        values = {key: float(metrics[key]) for key in keys}
    except (OSError, TypeError, ValueError, KeyError):
        values = {}
    if len(values) < len(keys) or not all(map(math.isfinite, values.values())):
        raise InputError(f"{path}: should be JSON with numbers for {', '.join(keys)}")
    return values


class Yaml12Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2 (core schema, section 10.3.2).

    That is how DVC reads and writes YAML: `1e-05` is a number, `no` is text, `012` is twelve. A
    repeated key is an error.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse a key that the mapping already has."""
        names = [key.value for key, _ in node.value]
        for number, (key, _) in enumerate(node.value):
            if key.value in names[:number]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"found duplicate key {key.value!r}", key.start_mark
                )
        super().flatten_mapping(node)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """Decimal, 0o17 or 0x1F."""
        return int(node.value, 0 if node.value.startswith(("0o", "0x")) else 10)


YAML_12_SCALARS = {
    "bool": ("true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": ("[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
_YAML_11_TAGS = {f"tag:yaml.org,2002:{name}" for name in YAML_12_SCALARS}
Yaml12Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _YAML_11_TAGS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, (_pattern, _first) in YAML_12_SCALARS.items():
    Yaml12Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), [*_first]
    )
Yaml12Loader.add_constructor("tag:yaml.org,2002:int", Yaml12Loader.construct_integer)


def read_yaml(path: Path) -> Any:
    """Read a YAML 1.2 file. Raises InputError when it is missing or not YAML in UTF-8."""
    return parse_yaml(read_text(path), str(path))


def read_text(path: Path) -> str:
    """Read a text file. Raises InputError when it is missing or not in UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: should be text in UTF-8") from None


def parse_yaml(text: str, place: str) -> Any:
    """Parse YAML 1.2. Raises InputError, whose message begins with `place`, when it is not."""
    return deepcopy(_parsed(text, place))


@cache  # a stage reads several sections of a file, a sweep the same files for each of its runs
def _parsed(text: str, place: str) -> Any:
    try:
        return yaml.load(text, Yaml12Loader)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "is not valid YAML"
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise InputError(f"{place}: {line}{problem}") from None
    except (ValueError, KeyError, RecursionError):  # a date with a 45th day, for example
        raise InputError(f"{place}: has a value that its form does not allow") from None


def write_yaml(path: Path, value: object) -> None:
    """Write mappings, lists and scalars as YAML, keys in the given order."""
    write_text(path, yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def _rounded(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 6) if isinstance(value, float) else value


def _partial(path: Path, ending: str) -> Path:
    name = f".{path.name}.{ending}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()}.{ending}"
    return path.with_name(name)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
