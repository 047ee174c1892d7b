"""Small data sets and places to run stages in."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from ruamel.yaml import YAML

from colorizer.color import luma, rgb_to_lab
from colorizer.splits import Split, open_split, write_split

# The same examples in each run, however slow the machine is.
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")

REPOSITORY = Path(__file__).parents[1]
SIZE = 16  # pixels, the smallest that params.yaml allows
PHOTOS = {"train": 12, "val": 6, "test": 4}


def draw_photos(count: int, seed: int, size: int = SIZE) -> np.ndarray:
    """Smooth pictures whose color follows from their gray, so that there is a thing to learn."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, 256, (count, 3, 3), dtype=np.uint8)
    gray = np.stack([np.asarray(Image.fromarray(c).resize((size, size), 2)) for c in corners])
    return np.stack([gray, gray // 2, 255 - gray], axis=-1)


@pytest.fixture
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A data set in the raw layout: PNG files, the test split in gray."""
    root = tmp_path / "data/raw/tiny"
    for seed, (split, count) in enumerate(PHOTOS.items()):
        folder = root / split / "images"
        folder.mkdir(parents=True)
        for number, rgb in enumerate(draw_photos(count, seed)):
            image = Image.fromarray(rgb)
            (image.convert("L") if split == "test" else image).save(folder / f"{number}.png")
    return root


@pytest.fixture
def make_split(tmp_path: Path) -> Callable[..., Split]:
    """Write a prepared split of given pictures and open it."""

    def make(rgb: np.ndarray, name: str = "split") -> Split:
        folder = tmp_path / name
        names = [f"{name}/{number}.png" for number in range(len(rgb))]
        write_split(folder, names, rgb.shape[1], [(luma(rgb), rgb, rgb_to_lab(rgb))])
        return open_split(folder)

    return make


@pytest.fixture
def params() -> dict[str, dict[str, Any]]:
    """The sections of params.yaml, made small."""
    sections = YAML(typ="safe", pure=True).load(REPOSITORY / "params.yaml")
    sections["data"]["name"] = "tiny"
    sections["prepare"]["image_size"] = SIZE
    sections["model"]["kernels"] = 4
    sections["train"] |= {"epochs": 3, "batch_size": 5, "threads": 1}
    sections["predict_test"]["count"] = 3
    sections["plot"] |= {"pictures": 2, "dpi": 50}
    return sections


@pytest.fixture
def run_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, params: dict[str, dict[str, Any]]
) -> Callable[..., None]:
    """Run a stage's main() with its paths, in a folder of its own with `params` as params.yaml."""
    monkeypatch.chdir(tmp_path)

    def run(stage: str, *paths: str) -> None:
        YAML().dump(params, Path("params.yaml"))
        monkeypatch.setattr(sys, "argv", [stage, *paths])
        import_module(f"stages.{stage}").main()

    return run
