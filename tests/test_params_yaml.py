"""The ranges that the comments of params.yaml state are those that the code allows."""

import re

import pytest

from colorizer.params import Params, load_params
from tests.conftest import REPOSITORY

FILE = REPOSITORY / "params.yaml"
TEXT = re.sub(r"\n +#", "", FILE.read_text(encoding="utf-8"))  # a comment in one line
COMMENT = re.compile(r"^  (\w+): *[^ ]+ +# (.*)", re.MULTILINE)
NUMBER = r"(\d+(?:\.\d+)?(?:e\d+|\*\*63-1)?)"
RANGE = re.compile(rf"\b{NUMBER}(?:\.\.{NUMBER}\b| or more)|above {NUMBER}, up to {NUMBER}\b")
LIMITS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
# "0, 2..256", and strides that depend on other keys: see colorizer/test_params.py
NOT_RANGES = {"chroma_bins", "output_stride"}


@pytest.mark.parametrize("section", Params.model_fields)
def test_ranges_are_what_the_comments_say(section):
    (keys,) = re.findall(rf"^{section}:.*\n((?:  .*\n)+)", TEXT, re.MULTILINE)
    matches = {key: RANGE.search(comment) for key, comment in COMMENT.findall(keys)}
    stated = {
        key: [eval(number) for number in match.groups() if number]
        for key, match in matches.items()
        if match and key not in NOT_RANGES
    }
    allowed = {}
    schema = Params.model_fields[section].annotation.model_json_schema()
    for key, field in schema["properties"].items():
        field |= field.get("anyOf", [{}])[0]
        if field["type"] in {"integer", "number"} and key not in NOT_RANGES:
            limits = [name for name in LIMITS if name in field]
            allowed[key] = [field[name] - (name == "exclusiveMaximum") for name in limits]
    assert stated == allowed


def test_the_file_is_valid():
    assert load_params(FILE)
