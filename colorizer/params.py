"""Sections of params.yaml, validated strictly."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from colorizer.errors import InputError
from colorizer.files import read_yaml

PARAMS_FILE = Path("params.yaml")  # the name that DVC gives it


class Section(BaseModel):
    """The keys of one section of params.yaml, with their types and ranges.

    Every key is required, unknown keys are refused, nothing is converted (`16.0` and `"16"` are not
    integers) and every number is finite.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


SectionType = TypeVar("SectionType", bound=Section)


def read_section(file: Path, name: str, section_type: type[SectionType]) -> SectionType:
    """Read the section `name` of a params file.

    Raises InputError that names each wrong key and the closest known one.
    """
    sections = read_yaml(file)
    if not isinstance(sections, Mapping):
        raise InputError(f"{file}: should consist of sections such as '{name}:'")
    if name not in sections:
        raise InputError(f"{file}: section {name} is missing{_closest(name, sections)}")
    if not isinstance(sections[name], Mapping):
        raise InputError(f"{file}: section {name} should be a mapping of keys to values")
    if strange := [key for key in sections[name] if not isinstance(key, str)]:
        raise InputError(f"{file}: {name} has the key {strange[0]!r}; should be a word")
    return validated(sections[name], section_type, f"{file}: {name}")


def validated(
    values: Mapping[str, Any], section_type: type[SectionType], place: str
) -> SectionType:
    """Validate values as a section; `place` begins the message of each error.

    Raises InputError with all errors in one line.
    """
    try:
        return section_type.model_validate(dict(values))
    except ValidationError as error:
        known = list(section_type.model_fields)
        messages: dict[str, list[str]] = {}
        for problem in error.errors():
            key = str(problem["loc"][0])
            match problem["type"]:
                case "extra_forbidden":
                    message = f"is not a known key{_closest(key, known)}"
                case "missing":
                    message = f"is missing{_closest(key, set(values) - set(known))}"
                case _:
                    reason = problem["msg"].removeprefix("Input ").removeprefix("Value error, ")
                    message = f"is {values[key]!r} but {reason}"
            messages.setdefault(key, []).append(message)
        # A key that allows several types has an error for each of them.
        lines = [
            " or ".join([f"{place}.{key} {first}", *map(_alternative, others)])
            for key, (first, *others) in messages.items()
        ]
        raise InputError("; ".join(lines)) from None


def _alternative(message: str) -> str:
    return message.split(" but should be ")[-1]


def _closest(name: str, known: Any) -> str:
    near = get_close_matches(name, [str(key) for key in known], n=1)
    if near:
        return f" (did you mean {near[0]}?)"
    return f" (known: {', '.join(known)})" if isinstance(known, list) else ""
