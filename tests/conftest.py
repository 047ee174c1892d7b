"""Small data sets and places to run stages in."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import settings
from PIL import Image

from colorizer.data.color import luma, rgb_to_lab
from colorizer.data.splits import (
    Rows,
    Split,
    allocate_split,
    finish_split,
    open_split,
    write_photos,
)
from colorizer.files import write_yaml

# A hook may run the tests, which use Git in folders of their own.
for name in [name for name in os.environ if name.startswith("GIT_")]:
    del os.environ[name]

# The same examples in each run, however slow the machine is.
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")

REPOSITORY = Path(__file__).parents[1]
# Files that take long: most of them run DVC for real. Each runs in one process.
SLOW = (
    "test_pipeline.py",
    "test_sweep.py",
    "test_guides.py",
    "test_interruption.py",
    "test_report_figures.py",
    "test_torchrun.py",
    "test_export_onnx.py",
)
Run = Callable[..., subprocess.CompletedProcess[str]]

SIZE = 16  # pixels, the smallest that params.yaml allows
RAW = "data/raw/tiny"
PHOTOS = {"train": 12, "val": 6, "test": 4}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start slow files first, so that they run beside all others."""
    items.sort(key=lambda item: item.path.name not in SLOW)


def pytest_collection_finish() -> None:
    """Leave what is imported by now out of the search for garbage, which then takes less time."""
    gc.collect()
    gc.freeze()


def draw_photos(count: int, seed: int, size: int = SIZE) -> np.ndarray:
    """Smooth pictures whose color follows from their gray, so that there is a thing to learn."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, 256, (count, 3, 3), dtype=np.uint8)
    gray = np.stack([np.asarray(Image.fromarray(c).resize((size, size), 2)) for c in corners])
    return np.stack([gray, gray // 2, 255 - gray], axis=-1)


def write_raw(root: Path) -> None:
    """A data set in the raw layout: PNG files, the test split in gray."""
    for seed, (split, count) in enumerate(PHOTOS.items()):
        folder = root / split / "images"
        folder.mkdir(parents=True)
        for number, rgb in enumerate(draw_photos(count, seed)):
            image = Image.fromarray(rgb)
            (image.convert("L") if split == "test" else image).save(folder / f"{number}.png")


# Changes of section model for a small one of its kind, trained with train.loss cross_entropy.
UNET_WITH_BINS = {
    "network": "unet",
    "color_space": "ycbcr",
    "kernels": 4,
    "batch_norm": "hidden",
    "depth": 1,
    "patch_size": 2,
    "output_stride": 2,
    "coord_channels": True,
    "chroma_bins": 33,
    "chroma_range": 0.8,
}


def small_params() -> dict[str, dict[str, Any]]:
    """Sections of params.yaml for runs of a second, whatever the file in the repository says."""
    return {
        "data": {"name": "tiny"},
        "sample": {"tile_size": 80, "scales": 1, "largest_scale": 1.0, "step": 1.0},
        "prepare": {"image_size": SIZE, "train_fraction": 1.0, "bad_photos": "fail"},
        "metric": {"margin": 12},
        "model": {
            "network": "plain",
            "color_space": "rgb",
            "conv_layers": 2,
            "kernels": 4,
            "kernel_size": 3,
            "batch_norm": "none",
            "track_running_stats": True,
            "tanh": False,
            "dropout": 0.0,
            "depth": 0,
            "patch_size": 1,
            "output_stride": 1,
            "coord_channels": False,
            "chroma_bins": 0,
            "chroma_range": 1.0,
            "eval_batch_size": 4,
        },
        "train": {
            "launcher": "python",
            "seed": 483,
            "threads": 1,
            "precision": "float32",
            "loss": "mse",
            "contrast_weight": 0.0,
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "momentum": 0.0,
            "weight_decay": 0.0,
            "lr_schedule": "constant",
            "batch_size": 5,
            "horizontal_flip": False,
            "max_shift": 0,
            "ema_decay": 0.0,
            "epochs": 3,
            "patience": 5,
        },
        "evaluate": {"threads": 1, "flip_tta": False, "largest_margin": 40},
        "predict_test": {"seed": 483, "threads": 1, "flip_tta": False, "count": 3},
        "plot": {"seed": 483, "pictures": 2, "dpi": 50},
    }


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run side by side, where more threads would wait for each other."""
    torch.set_num_threads(1)  # for each test: a command that ran in another one may have set more


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_raw(tmp_path / RAW)
    return tmp_path / RAW


@pytest.fixture
def params() -> dict[str, dict[str, Any]]:
    return small_params()


@pytest.fixture
def make_split(tmp_path: Path) -> Callable[..., Split]:
    """Write a prepared split of given pictures and open it."""

    def make(rgb: np.ndarray, name: str = "split") -> Split:
        folder = tmp_path / name
        names = [f"{name}/{number}.png" for number in range(len(rgb))]
        allocate_split(folder, len(rgb), rgb.shape[1])
        write_photos(folder, 0, Rows(luma(rgb), rgb, rgb_to_lab(rgb)))
        finish_split(folder, names)
        return open_split(folder)

    return make


@pytest.fixture
def run_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, params: dict[str, dict[str, Any]]
) -> Callable[..., None]:
    """Run a stage's main() with its paths, in a folder of its own with `params` as params.yaml."""
    monkeypatch.chdir(tmp_path)

    def run(stage: str, *paths: str) -> None:
        write_yaml(Path("params.yaml"), params)
        monkeypatch.setattr(sys, "argv", [stage, *paths])
        import_module(f"stages.{stage}").main()

    return run


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the code as it stands, and small params."""
    folder = tmp_path_factory.mktemp("repository")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (REPOSITORY / name).is_file() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    write_yaml(folder / "params.yaml", small_params())
    for seed, (split, count) in enumerate(PHOTOS.items()):
        images = folder / "data/raw/tiny" / split / "images"
        images.mkdir(parents=True)
        for number, rgb in enumerate(draw_photos(count, seed)):
            Image.fromarray(rgb).save(images / f"{number}.jpg", quality=95)
    return folder


@pytest.fixture(scope="module")
def start(work: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a command in the repository, in a process group of its own."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **{f"GIT_{who}_NAME": "Somebody" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "somebody@example.com" for who in ("AUTHOR", "COMMITTER")},
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def command(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(words, cwd=work, env=environment, start_new_session=True, **pipes)

    return command


@pytest.fixture(scope="module")
def run(start: Callable[..., subprocess.Popen[str]]) -> Run:
    """Run a command in the repository to its end."""

    def command(*words: str, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
        process = start(*words)
        printed, errors = process.communicate(timeout=600)
        assert (process.returncode == 0) == succeeds, printed + errors
        return subprocess.CompletedProcess(words, process.returncode, printed, errors)

    return command


@pytest.fixture(scope="module")
def built(work: Path, run: Run, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The repository after `dvc add` of the photographs, `dvc repro` and a commit.

    The processes of pytest-xdist share it: the first one builds it, and each module has a copy.
    """
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    with FileLock(shared / "built.lock"):
        if (shared / "built").exists():
            shutil.copytree(shared / "built", work, dirs_exist_ok=True)
            return work
        run("git", "init", "--quiet", "--initial-branch", "main")
        run("dvc", "add", "--quiet", "data/raw/tiny")
        run("dvc", "repro")
        run("git", "add", ".")
        run("git", "commit", "--quiet", "--message", "Baseline")
        shutil.copytree(work, shared / "built")
    return work


def kill_when(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Kill a command of `start`, with the processes that it started, once something is reached."""
    ends = time.monotonic() + 300
    while not reached():
        assert process.poll() is None
        assert time.monotonic() < ends
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
