"""Bad input: one clear message, exit status 1, and every output as it was before."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from colorizer.data.splits import open_split
from colorizer.errors import one_line_errors
from colorizer.files import write_yaml
from tests.broken import LINKS, PICTURES
from tests.conftest import REPOSITORY, SIZE, small_params
from tests.stages.conftest import (
    COLORED_TEST,
    COLORED_VAL,
    COUNTS,
    EVALUATION,
    METRICS,
    MODEL,
    PATHS,
    PREPARED,
    SKIPPED,
    TEST,
    TRAIN,
    VAL,
    metrics,
)

Fails = Callable[..., str]


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Fails:
    """Run a stage that must fail; return its message and assert that it changed no file."""

    def run(stage: str, *paths: str) -> str:
        before = contents()
        monkeypatch.setattr(sys, "argv", [stage, *paths])
        with pytest.raises(SystemExit) as ended, one_line_errors():
            import_module(f"stages.{stage}").main()
        message = ended.value.code
        # Python prints a text in SystemExit on standard error and exits with status 1.
        assert isinstance(message, str)
        assert message.startswith("error: ")
        assert contents() == before
        return message

    return run


def contents() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def prepare_paths(raw: Path) -> tuple[str, ...]:
    return (str(raw), *PREPARED)


@pytest.mark.parametrize("name", PICTURES)
def test_a_bad_photograph(built, fails, name):
    (built / "val/images" / name).write_bytes(PICTURES[name])
    message = fails("prepare", *prepare_paths(built))
    assert f"val/images/{name}: " in message
    cures = ("; fix or remove it", "of gray or RGB", "megapixels; reduce it")
    assert message.endswith(cures)
    assert message.count("\n") == 0


@pytest.mark.parametrize("name", LINKS)
def test_a_photograph_that_cannot_be_read(built, fails, name):
    LINKS[name](built / "val/images" / name)
    message = fails("prepare", *prepare_paths(built))
    assert name.encode("unicode_escape").decode() in message
    assert message.removeprefix("error: ").isprintable()


def test_all_bad_photographs_are_listed_at_once(built, fails):
    for split, count in [("train", 15), ("test", 10)]:
        for number in range(count):
            (built / split / f"bad{number:02}.jpg").write_bytes(b"")
    first, *lines, last = fails("prepare", *prepare_paths(built)).split("\n  ")
    assert first.startswith("error: 25 photographs are bad; fix or remove them, or set")
    assert ["train/bad" in line for line in lines] == [True] * 15 + [False] * 5
    assert last == "and 5 more"


def test_bad_photographs_can_be_skipped(built, run_stage, params, capsys):
    for split in ("train", "test"):
        (built / split / "bad.jpg").write_bytes(b"")
    before = {path: path.read_bytes() for path in Path("data/prepared").rglob("*.npy")}
    params["prepare"]["bad_photos"] = "skip"
    run_stage("prepare", str(built), *PREPARED)
    assert {path: path.read_bytes() for path in Path("data/prepared").rglob("*.npy")} == before
    assert Path(SKIPPED).read_text().splitlines() == [
        f"{built}/{split}/bad.jpg" for split in ("train", "test")
    ]
    assert f"skipped {built}/train/bad.jpg: is an empty file" in capsys.readouterr().out
    assert metrics(COUNTS) == {
        "photos": {"train": 12, "val": 6, "test": 4},
        "skipped": {"train": 1, "val": 0, "test": 1},
    }


def test_a_split_whose_photographs_are_all_bad(built, run_stage, fails, params):
    for path in (built / "val").rglob("*.png"):
        path.write_bytes(b"")
    params["prepare"]["bad_photos"] = "skip"
    with pytest.raises(Exception, match="val: all 6 photographs are bad"):
        run_stage("prepare", str(built), *PREPARED)
    assert "val: all 6 photographs are bad" in fails("prepare", *prepare_paths(built))


def remove_split(raw: Path, split: str) -> None:
    shutil.rmtree(raw / split)


def empty_split(raw: Path, split: str) -> None:
    remove_split(raw, split)
    (raw / split / "images").mkdir(parents=True)


def only_other_files(raw: Path, split: str) -> None:
    empty_split(raw, split)
    for name in (".hidden.jpg", "Thumbs.db", "notes.txt", "no suffix"):
        (raw / split / name).write_text("no photograph")


def a_file_for_a_split(raw: Path, split: str) -> None:
    remove_split(raw, split)
    (raw / split).write_text("no folder")


def no_color(raw: Path, split: str) -> None:
    for path in (raw / split).rglob("*.png"):
        Image.open(path).convert("L").save(path)


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove_split, "no such folder; a dataset has the folders train, val and test"),
        (a_file_for_a_split, "no such folder; a dataset has the folders train, val and test"),
        (empty_split, "no photographs (.jpg, "),
        (only_other_files, "no photographs (.jpg, "),
    ],
)
def test_a_data_set_with_another_layout(built, fails, split, change, message):
    change(built, split)
    assert fails("prepare", *prepare_paths(built)).startswith(f"error: {built / split}: {message}")


@pytest.mark.parametrize("split", ["train", "val"])
def test_no_color_at_all(built, fails, split):
    no_color(built, split)
    message = fails("prepare", *prepare_paths(built))
    assert f"{split}: all " in message
    assert "photographs are gray; some should have color" in message


def unreadable(path: Path) -> list[str]:
    """A command prefix for which a file without read permission cannot be read, root or not."""
    path.chmod(0)
    if path.owner() != "root":
        return []
    drop = "-dac_override,-dac_read_search"
    return ["setpriv", f"--inh-caps={drop}", f"--bounding-set={drop}"]


@pytest.mark.parametrize("place", ["val/images/3.png", "val/images"])
def test_no_permission_to_read(built, place):
    prefix = unreadable(built / place)
    ended = subprocess.run(
        [*prefix, sys.executable, "-m", "stages.prepare", *prepare_paths(built)],
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    (built / place).chmod(0o755)
    assert ended.returncode == 1
    last = ended.stderr.replace("\r", "\n").splitlines()[-1]
    assert last.startswith(f"error: {built / place}: Permission denied")
    assert "Traceback" not in ended.stderr


PARAMS = [
    ("", "should consist of sections such as 'data:'"),
    ("- a\n- b\n", "should consist of sections such as"),
    ("data:\n\tname: tiny\n", "line 2: found character '\\t'"),
    ("data: {name: a}\ndata: {name: b}\n", "line 2: found duplicate key 'data'"),
    ("data: {name: a, name: b}\n", "line 1: found duplicate key 'name'"),
    ("data: {name: [\n", "line 2: "),
    ("data: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
    ("datum: {}\n", "section data is missing (did you mean datum?)"),
    ("data: tiny\n", "section data should be a mapping"),
    ("data: {name: ../../etc}\n", "data.name is '../../etc' but should be the name of a folder"),
    ("data: {name: 3}\n", "data.name is 3 but should be a valid string"),
    ("data: {name: a, 1: 2}\n", "data has the key 1; should be a word"),
    ("data: {name: a, ~: 2}\n", "data has the key None; should be a word"),
    ("data: {name: 2020-13-45}\n", "has a value that its form does not allow"),
    ("data: {name: !!int abc}\n", "has a value that its form does not allow"),
    ("data: {name: !!bool x}\n", "has a value that its form does not allow"),
    ("data: " + "[" * 3000, "has a value that its form does not allow"),
    ("data: {name: a}\nprepare: {image_size: 16}\n", "prepare.bad_photos is missing"),
]


@pytest.mark.parametrize(("text", "message"), PARAMS)
def test_a_bad_params_file(built, fails, text, message):
    Path("params.yaml").write_text(text)
    printed = fails("prepare", *prepare_paths(built))
    assert printed.startswith("error: params.yaml: ")
    assert message in printed
    assert "\n" not in printed


VALUES = [
    ("prepare", "prepare", "image_size", 15, "greater than or equal to 16"),
    ("prepare", "prepare", "image_size", 80.5, "valid integer"),
    ("prepare", "prepare", "bad_photos", "ignore", "'fail' or 'skip'"),
    ("train", "model", "conv_layers", 0, "greater than or equal to 1"),
    ("train", "model", "kernels", "abc", "valid integer"),
    ("train", "model", "kernels", 16.0, "valid integer"),
    ("train", "model", "kernel_size", 4, "should be odd"),
    ("train", "model", "batch_norm", True, "should be 'none', 'hidden' or 'all'"),
    ("train", "train", "learning_rate", float("nan"), "finite number"),
    ("train", "train", "learning_rate", float("inf"), "finite number"),
    ("train", "train", "learning_rate", -1, "greater than 0"),
    ("train", "train", "learning_rate", [0.1], "valid number"),
    ("train", "train", "weight_decay", -0.1, "greater than or equal to 0"),
    ("train", "train", "batch_size", 0, "greater than or equal to 1"),
    ("train", "train", "batch_size", True, "valid integer"),
    ("train", "train", "seed", -1, "greater than or equal to 0"),
    ("train", "train", "patience", None, "valid integer"),
    ("train", "metric", "margin", 256, "less than or equal to 255"),
    ("evaluate", "evaluate", "largest_margin", -1, "greater than or equal to 0"),
    ("evaluate", "evaluate", "threads", 0, "greater than or equal to 1"),
    (
        "predict_test",
        "predict_test",
        "count",
        "many",
        "'many' but should be a valid integer or 'all'",
    ),
    ("plot", "plot", "pictures", 0, "greater than or equal to 1"),
    ("plot", "plot", "dpi", 1000, "less than or equal to 600"),
]


@pytest.mark.parametrize(("stage", "section", "key", "value", "message"), VALUES)
def test_a_bad_value(built, params, fails, stage, section, key, value, message):
    params[section][key] = value
    write_yaml(Path("params.yaml"), params)
    paths = prepare_paths(built) if stage == "prepare" else PATHS[stage]
    printed = fails(stage, *paths)
    assert printed.startswith(f"error: params.yaml: {section}.{key} is ")
    assert message in printed


LATER = [
    ("evaluate", "largest_margin", 256, "less than or equal to 255"),
    ("predict_test", "count", "some", "valid integer or 'all'"),
    ("plot", "dpi", 1000, "less than or equal to 600"),
]


@pytest.mark.parametrize(("section", "key", "value", "message"), LATER)
def test_training_does_not_start_with_a_bad_value_for_a_later_stage(
    built, params, fails, section, key, value, message
):
    params[section][key] = value
    write_yaml(Path("params.yaml"), params)
    assert built.is_dir()
    printed = fails("train", *PATHS["train"])
    assert printed.startswith(f"error: params.yaml: {section}.{key} is ")
    assert message in printed


def save_pickled(path: Path) -> None:
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)


def save_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, array=np.zeros(3))


def rewrite_shape(path: Path, length: int) -> None:
    """Change the number of rows in the header, which has room for that."""
    array = np.load(path)
    with path.open("r+b") as file:
        shape = (length, *array.shape[1:])
        header = {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)


def change_array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda path: np.save(path, change(np.load(path)))


ARRAYS = {
    "shorter": (change_array(lambda array: array[:-1]), "should hold"),
    "longer": (change_array(lambda array: np.concatenate([array, array])), "should hold"),
    "with another dtype": (change_array(lambda array: array.astype(np.int64)), "should hold"),
    "with another shape": (change_array(lambda array: array[:, :8]), "should hold"),
    "flat": (change_array(np.ravel), "should hold"),
    "a single number": (change_array(lambda array: array.ravel()[0]), "should hold"),
    "pickled": (save_pickled, "cannot be read as an array"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "cannot be read"),
    "without rows": (change_array(lambda array: array[:0]), "should hold"),
    "an archive": (lambda path: save_archive(path), "cannot be read as an array"),
    "with a negative length": (lambda path: rewrite_shape(path, -1), "cannot be read as an array"),
    "with a huge length": (lambda path: rewrite_shape(path, 10**12), "cannot be read as an array"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "text": (lambda path: path.write_text("no array\n"), "cannot be read"),
    "missing": (Path.unlink, "cannot be read"),
}


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize(
    ("stage", "array"), [("train", f"{TRAIN}/rgb.npy"), ("evaluate", f"{VAL}/gray.npy")]
)
def test_a_bad_prepared_array(fails, stage, array, kind):
    damage, message = ARRAYS[kind]
    damage(Path(array))
    printed = fails(stage, *PATHS[stage])
    assert message in printed
    assert "\n" not in printed


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"\xff")])
def test_bad_names(fails, damage):
    damage(Path(TEST, "names.txt"))
    printed = fails("predict_test", *PATHS["predict_test"])
    assert printed.startswith(f"error: {TEST}/names.txt: cannot be read")


def with_another_configuration(path: Path) -> None:
    configure(path, load_file(path), small_params()["model"] | {"conv_layers": 3})


def without_a_layer(path: Path) -> None:
    weights = load_file(path)
    del weights["body.0.bias"]
    configure(path, weights, small_params()["model"])


def configure(path: Path, weights: dict[str, torch.Tensor], model: dict[str, Any]) -> None:
    configuration = {"model": model, "margin": 12, "image_size": [SIZE, SIZE]}
    save_file(weights, path, metadata={"colorizer": json.dumps(configuration)})


def with_a_giant_configuration(path: Path) -> None:
    giant = small_params()["model"] | {"conv_layers": 64, "kernels": 4096, "kernel_size": 31}
    configure(path, load_file(path), giant)


MODELS = {
    "with a giant configuration": (with_a_giant_configuration, "weights do not fit"),
    "missing": (Path.unlink, "cannot be read as a model"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read as a model"),
    "text": (lambda path: path.write_text("no model"), "cannot be read as a model"),
    "truncated": (
        lambda path: path.write_bytes(path.read_bytes()[:-4]),
        "cannot be read as a model",
    ),
    "pickled": (lambda path: path.write_bytes(pickle.dumps({})), "cannot be read as a model"),
    "saved by torch": (lambda path: torch.save({}, path), "cannot be read as a model"),
    "of another project": (
        lambda path: save_file(load_file(path), path),
        "has no network configuration",
    ),
    "with another configuration": (with_another_configuration, "weights do not fit"),
    "without a layer": (without_a_layer, "weights do not fit"),
}


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("stage", ["evaluate", "predict_test"])
def test_a_bad_model(fails, stage, kind):
    damage, message = MODELS[kind]
    damage(Path(MODEL))
    printed = fails(stage, *PATHS[stage])
    assert printed.startswith(f"error: {MODEL}: ")
    assert message in printed
    assert "\n" not in printed


@pytest.mark.usefixtures("built")
def test_a_model_with_nan_weights_gets_the_largest_errors(run_stage):
    weights = {name: weight * float("nan") for name, weight in load_file(MODEL).items()}
    configure(Path(MODEL), weights, small_params()["model"])
    run_stage("evaluate", *PATHS["evaluate"])
    assert metrics(EVALUATION)["margin_error"] == 1
    assert not np.load(COLORED_VAL).any()


PLOT_INPUTS = [
    (METRICS, "not JSON"),
    (METRICS, "{}"),
    ("plots/history.csv", ""),
    ("plots/history.csv", "epoch,train_mse\n1,0.5\n"),
    ("plots/curve.csv", "margin,network\n1,a\n"),
    ("data/test_images.txt", "test/images/unknown.png\n"),
    ("data/val.npy", "no array"),
    (METRICS, '{"best_epoch": 77}'),
    (METRICS, '{"best_epoch": NaN}'),
    ("plots/history.csv", "epoch,train_mse,val_mse,val_margin_error\n1,nan,1,1\n"),
    ("data/test_images.txt", ""),
]


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(("path", "text"), PLOT_INPUTS)
def test_a_bad_input_of_the_plot_stage(fails, path, text):
    Path(path).write_text(text)
    printed = fails("plot", *PATHS["plot"])
    assert printed.startswith(f"error: {path}: ")
    assert "\n" not in printed


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", [COLORED_VAL, COLORED_TEST])
@pytest.mark.parametrize("change", [lambda a: a[:-1], lambda a: a[:, 1:], np.float32])
def test_predictions_with_another_shape_or_dtype(fails, path, change):
    np.save(path, change(np.load(path)))
    printed = fails("plot", *PATHS["plot"])
    assert printed.startswith(f"error: {path}: holds ")


@pytest.mark.usefixtures("built")
def test_an_empty_split(fails):
    for name in ("gray", "rgb", "lab"):
        np.save(Path(VAL, f"{name}.npy"), np.load(Path(VAL, f"{name}.npy"))[:0])
    Path(VAL, "names.txt").write_text("")
    assert "should hold" in fails("train", *PATHS["train"])


def test_a_pipe_is_not_read(built, fails):
    os.mkfifo(built / "val/images/pipe.jpg")
    printed = fails("prepare", *prepare_paths(built))
    assert "pipe.jpg: is not a file; fix or remove it" in printed


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), MemoryError()])
def test_no_photograph_is_skipped_for_a_fault_of_the_machine(
    built, run_stage, params, monkeypatch, error
):
    def fail(*_: object, **__: object) -> None:
        raise error

    params["prepare"]["bad_photos"] = "skip"
    monkeypatch.setattr("colorizer.data.photos.Image.open", fail)
    with pytest.raises(type(error)):
        run_stage("prepare", *prepare_paths(built))


def test_the_test_split_may_hold_gray_and_color_photographs(built, run_stage):
    Image.new("RGB", (16, 16), "red").save(built / "test/images/colored.png")
    Image.new("RGB", (16, 16), "red").save(built / "test/images/0.jpg")
    run_stage("prepare", str(built), *PREPARED)
    names = open_split(Path(TEST)).names
    photos = ("colored.png", "0.jpg", "0.png")
    assert {f"{built}/test/images/{photo}" for photo in photos} <= set(names)
