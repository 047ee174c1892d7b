"""The ranges that params.yaml states are those that the code allows."""

import re

import pytest
from pydantic import ValidationError

from colorizer.data.config import DataParams, PrepareParams
from colorizer.data.sample import SampleParams
from colorizer.files import parse_yaml
from colorizer.later_stages import EvaluateParams, PlotParams, PredictTestParams
from colorizer.metrics.margin import MetricParams
from colorizer.models.config import ModelParams
from colorizer.training.config import TrainParams
from tests.conftest import REPOSITORY, small_params

SECTIONS = {
    "data": DataParams,
    "sample": SampleParams,
    "prepare": PrepareParams,
    "metric": MetricParams,
    "model": ModelParams,
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "predict_test": PredictTestParams,
    "plot": PlotParams,
}
# Other keys that a key needs so that it can have all its values.
OF_UNET = {"network": "unet", "color_space": "ycbcr"}
WITH = {
    "contrast_weight": {"loss": "cross_entropy"},
    "depth": OF_UNET,
    "output_stride": OF_UNET,
    "patch_size": OF_UNET,
    "chroma_bins": OF_UNET,
    "chroma_range": OF_UNET | {"chroma_bins": 9},
}
TEXT = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
SECTION = re.compile(r"(\w+):")
KEY = re.compile(r"  (\w+): *(\S+) *# (.*)")
MORE = re.compile(r" *# (.*)")  # a comment on a second line
BETWEEN = re.compile(r"(?:(\d+), )?([\d.]+?)\.\.(2\*\*63-1|[\d.]+(?:e\d+)?)")
AT_LEAST = re.compile(r"\b(\d+) or more\b")
ABOVE = re.compile(r"\babove (\d+), up to ([\de]+)\b")


def stated() -> dict[tuple[str, str], tuple[str, str]]:
    """Default and comment of each key that has a comment, by section and key."""
    comments: dict[tuple[str, str], tuple[str, str]] = {}
    section, last = "", None
    for line in TEXT.splitlines():
        if match := SECTION.match(line):
            section, last = match[1], None
        elif match := KEY.fullmatch(line):
            last = section, match[1]
            comments[last] = match[2], match[3]
        elif (match := MORE.fullmatch(line)) and last:
            default, comment = comments[last]
            comments[last] = default, f"{comment} {match[1]}"
        else:
            last = None
    return comments


def number(text: str) -> int | float:
    if text == "2**63-1":
        return 2**63 - 1
    return int(text) if text.isdecimal() else float(text)


def stated_ranges() -> list[tuple[str, str, str, int | float, int | float | None]]:
    """Section, key, default, lowest and (when there is one) highest value, by the comments."""
    ranges = []
    for (section, key), (default, comment) in stated().items():
        if (section, key) == ("model", "output_stride"):
            continue  # its values depend on other keys
        if match := BETWEEN.search(comment):
            ranges.append((section, key, default, number(match[2]), number(match[3])))
        elif match := AT_LEAST.search(comment):
            ranges.append((section, key, default, number(match[1]), None))
    return ranges


def is_allowed(section: str, key: str, value: float, default: str, **others: object) -> bool:
    typed = float(value) if "." in default else int(value)
    values = small_params()[section] | WITH.get(key, {}) | others | {key: typed}
    if key == "patch_size":
        values["output_stride"] = typed  # the smallest stride of such patches
    try:
        SECTIONS[section](**values)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("section", "key", "default", "lowest", "highest"), stated_ranges())
def test_a_range_is_what_the_comment_says(section, key, default, lowest, highest):
    step = 1e-6 if "." in default else 1
    assert is_allowed(section, key, lowest, default)
    assert not is_allowed(section, key, lowest - step, default)
    if highest is not None:
        assert is_allowed(section, key, highest, default)
        assert not is_allowed(section, key, highest + step, default)


def test_values_below_a_range_are_those_that_the_comment_says():
    below = {
        (section, key): int(match[1])
        for (section, key), (_, comment) in stated().items()
        if (match := BETWEEN.search(comment)) and match[1]
    }
    assert below == {("model", "chroma_bins"): 0}
    assert is_allowed("model", "chroma_bins", 0, "0")


@pytest.mark.parametrize("patch_size", [1, 2, 3])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_output_strides_are_what_the_comment_says(patch_size, depth):
    _, comment = stated()["model", "output_stride"]
    assert "patch_size * 1, 2, 4, ..., 2**depth; above 1 only for chroma" in comment
    strides = [patch_size * 2**level for level in range(depth + 1)]
    others = {"patch_size": patch_size, "depth": depth}
    allowed = [
        stride
        for stride in range(2 * strides[-1] + 2)
        if is_allowed("model", "output_stride", stride, "1", **others)
    ]
    assert allowed == strides
    rgb = [
        stride
        for stride in strides
        if is_allowed("model", "output_stride", stride, "1", **others, color_space="rgb")
    ]
    assert rgb == [stride for stride in strides if stride == 1]


def test_every_number_has_a_stated_range():
    sections = parse_yaml(TEXT, "params.yaml")
    numbers = {
        (section, key)
        for section, values in sections.items()
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    ranges = {(section, key) for section, key, *_ in stated_ranges()}
    # The learning rate has no lowest value.
    assert numbers - ranges == {("model", "output_stride"), ("train", "learning_rate")}
    match = ABOVE.search(stated()["train", "learning_rate"][1])
    assert match
    assert (number(match[1]), number(match[2])) == (0, 1e6)
    assert not is_allowed("train", "learning_rate", 0.0, "0.1")
    assert is_allowed("train", "learning_rate", 1e6, "0.1")
    assert not is_allowed("train", "learning_rate", 1.1e6, "0.1")


def test_the_sections_are_those_of_the_file():
    assert list(SECTIONS) == list(parse_yaml(TEXT, "params.yaml"))
