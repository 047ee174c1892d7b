"""Small data sets and places to run stages in."""

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
from hypothesis import settings
from PIL import Image
from ruamel.yaml import YAML

from colorizer.data.color import luma, rgb_to_lab
from colorizer.data.splits import Row, Split, open_split, write_split
from colorizer.files import write_yaml

# A hook may run the tests, which use Git in folders of their own.
for name in [name for name in os.environ if name.startswith("GIT_")]:
    del os.environ[name]

# Let prepare decode in this process: others keep the working directory that they were started in.
os.environ["LOKY_MAX_CPU_COUNT"] = "1"

# The same examples in each run, however slow the machine is.
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")

REPOSITORY = Path(__file__).parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]

SIZE = 16  # pixels, the smallest that params.yaml allows
RAW = "data/raw/tiny"
PHOTOS = {"train": 12, "val": 6, "test": 4}

# params.yaml for runs of a second, whatever the file in the repository says.
SMALL_PARAMS = """
data: {name: tiny}
sample: {tile_size: 80, scales: 1, largest_scale: 1.0, step: 1.0}
prepare: {image_size: 16, train_fraction: 1.0, bad_photos: fail}
metric: {margin: 12}
model: {network: plain, color_space: rgb, conv_layers: 2, kernels: 4, kernel_size: 3,
    batch_norm: none, track_running_stats: true, tanh: false, dropout: 0.0, depth: 0, patch_size: 1,
    output_stride: 1, coord_channels: false, chroma_bins: 0, chroma_range: 1.0, eval_batch_size: 4}
train: {launcher: python, seed: 483, threads: 1, precision: float32, loss: mse,
    contrast_weight: 0.0, optimizer: sgd, learning_rate: 0.1, momentum: 0.0, weight_decay: 0.0,
    lr_schedule: constant, batch_size: 5, horizontal_flip: false, max_shift: 0, ema_decay: 0.0,
    epochs: 3, patience: 5}
evaluate: {threads: 1, flip_tta: false, largest_margin: 40}
predict_test: {seed: 483, threads: 1, flip_tta: false, count: 3}
plot: {seed: 483, pictures: 2, dpi: 50}
"""

# Changes of section model for a small one of its kind, trained with train.loss cross_entropy.
UNET_WITH_BINS: dict[str, Any] = YAML(typ="safe").load("""
{network: unet, color_space: ycbcr, kernels: 4, batch_norm: hidden, depth: 1, patch_size: 2,
    output_stride: 2, coord_channels: true, chroma_bins: 33, chroma_range: 0.8}
""")


def small_params() -> dict[str, dict[str, Any]]:
    return YAML(typ="safe").load(SMALL_PARAMS)


def draw_photos(count: int, seed: int, size: int = SIZE) -> np.ndarray:
    """Smooth images whose color follows from their gray, so that there is something to learn."""
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


def contents(folder: Path = Path()) -> dict[str, bytes]:
    """Every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def rows_of(rgb: np.ndarray, folder: str) -> list[Row]:
    """Rows of a prepared split, named FOLDER/0.png and so on."""
    return [
        Row(f"{folder}/{number}.png", luma(each), each, rgb_to_lab(each))
        for number, each in enumerate(rgb)
    ]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run side by side, where more threads would wait for each other."""
    torch.set_num_threads(1)  # for each test: a stage that ran in another one may have set more


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_raw(tmp_path / RAW)
    return tmp_path / RAW


@pytest.fixture
def params() -> dict[str, dict[str, Any]]:
    return small_params()


@pytest.fixture
def make_split(tmp_path: Path) -> Callable[..., Split]:
    """Write a prepared split of given images and open it."""

    def make(rgb: np.ndarray, name: str = "split") -> Split:
        write_split(tmp_path / name, rows_of(rgb, name), len(rgb), rgb.shape[1])
        return open_split(tmp_path / name)

    return make


@pytest.fixture
def run_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, params: dict[str, dict[str, Any]]
) -> Callable[[str], None]:
    """Run a stage's main() in a folder of its own, with `params` as params.yaml."""
    monkeypatch.chdir(tmp_path)

    def run(stage: str) -> None:
        write_yaml(Path("params.yaml"), params)
        import_module(f"stages.{stage}").main()

    return run


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository's files as they stand, small params and photographs."""
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
    write_raw(folder / RAW)
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
def built(work: Path, run: Run) -> Path:
    """The repository after `dvc add` of the photographs, `dvc repro` and a commit."""
    run("git", "init", "--quiet", "--initial-branch", "main")
    run("dvc", "add", "--quiet", RAW)
    run("dvc", "repro")
    run("git", "add", ".")
    run("git", "commit", "--quiet", "--message", "Baseline")
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
