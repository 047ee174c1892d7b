"""The ranges that params.yaml states are those that the code allows."""

import re

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from colorizer.metrics import MetricParams
from colorizer.network import ModelParams
from colorizer.photos import DataParams, PrepareParams
from colorizer.tiles import SampleParams
from colorizer.training import TrainParams
from stages.evaluate import EvaluateParams
from stages.plot import PlotParams
from stages.predict_test import PredictTestParams
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
# What some keys need of others to take all their values.
OF_UNET = {"network": "unet", "color_space": "ycbcr"}
WITH = {
    "halvings": OF_UNET,
    "doublings": OF_UNET | {"halvings": 8},
    "squares": OF_UNET,
    "bins": OF_UNET,
    "reach": OF_UNET | {"bins": 9},
}
TEXT = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
KEY = re.compile(r"^  (\w+): *(\S+) *# (.*)$")
BETWEEN = re.compile(r"([\d.]+?)\.\.([\de.]+)")
FROM = re.compile(r"\bfrom (\d+)\b")


def stated_ranges() -> list[tuple[str, str, str, float, float | None]]:
    """Section, key, default, lowest and (where there is one) highest value, by the comments."""
    ranges = []
    section = ""
    for line in TEXT.splitlines():
        if re.match(r"\w+:", line):
            section = line.partition(":")[0]
        elif match := KEY.match(line):
            key, default, comment = match.groups()
            if both := BETWEEN.search(comment):
                ranges.append((section, key, default, float(both[1]), float(both[2])))
            elif lowest := FROM.search(comment):
                ranges.append((section, key, default, float(lowest[1]), None))
    return ranges


def is_allowed(section: str, key: str, value: float, default: str) -> bool:
    typed = value if "." in default else int(value)
    try:
        SECTIONS[section](**(small_params()[section] | WITH.get(key, {}) | {key: typed}))
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


def test_every_number_has_a_stated_range():
    sections = YAML(typ="safe", pure=True).load(TEXT)
    numbers = {
        (section, key)
        for section, values in sections.items()
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    stated = {(section, key) for section, key, *_ in stated_ranges()}
    assert numbers - stated == {("train", "learning_rate")}  # above 0: has no lowest value
    assert not is_allowed("train", "learning_rate", 0.0, "0.1")
    assert is_allowed("train", "learning_rate", 1e6, "0.1")
    assert not is_allowed("train", "learning_rate", 1.1e6, "0.1")


def test_the_sections_are_those_of_the_file():
    assert list(SECTIONS) == list(YAML(typ="safe", pure=True).load(TEXT))
