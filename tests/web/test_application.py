"""The page without a browser: make test-web."""

import os
import re
import subprocess
import sys
import tracemalloc
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.models.model_file import TrainedModel, save_model
from tests.broken import png
from tests.conftest import REPOSITORY, draw_photos, small_params


def test_without_flask_there_is_one_line():
    code = (
        "import runpy, sys; sys.modules['flask'] = None; runpy.run_module('web', None, '__main__')"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert process.returncode == 1
    assert process.stderr == (
        "error: Flask is not installed; make web installs it and starts the page\n"
    )


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Flask's client for a page with the network of the workspace and one that is not there."""
    pytest.importorskip("flask", reason="requirements-web.txt")
    from web.__main__ import WORKSPACE, application

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(5)
    params = ModelParams(**small_params()["model"] | {"color_space": "ycbcr"})
    Path("models").mkdir()
    network = Colorizer(params, 12)
    save_model(Path("models/colorizer.safetensors"), TrainedModel(network, (16, 16), "tiny", 12))
    networks = {WORKSPACE: "the pipeline's network", "0" * 40: "experiment lost"}
    Path("kept").mkdir()
    return application(networks, 12, Path("kept")).test_client()


def photo(kind: str = "PNG", **options: object) -> BytesIO:
    (rgb,) = draw_photos(1, seed=8, size=40)
    content = BytesIO()
    Image.fromarray(rgb).save(content, kind, **options)
    content.seek(0)
    return content


def post(page, network: str = "workspace", **fields):
    return page.post("/", data={"network": network} | fields)


def kept_photo(text: str) -> str:
    return text.partition('name="photo" value="')[2][:16]


def test_a_photograph_is_kept_for_another_network(page):
    first = post(page, photograph=(photo(), "a.png")).text
    assert "a.png is kept" in first
    assert "The network was trained on tiny: 12 photographs of 16x16 pixels." in first
    second = post(page, photo=kept_photo(first))
    assert second.status_code == 200
    assert second.text == first
    assert "Choose a photograph" in post(page, photo="unknown").text


def test_the_last_photographs_are_kept_and_older_ones_removed(page):
    keys = [kept_photo(post(page, photograph=(photo(), "a.png")).text) for _ in range(9)]
    assert sorted(path.stem for path in Path("kept").iterdir()) == sorted(keys[1:])
    assert post(page, photo=keys[0]).status_code == 400
    assert page.get(f"/colorized/{keys[0]}/workspace").status_code == 404
    assert post(page, photo=keys[1]).status_code == 200


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "b.jpg"), ("PNG", "b.png"), ("TIFF", "b.tif")])
def test_what_is_saved_is_what_the_command_writes(page, kind, name, monkeypatch):
    from colorizer.__main__ import main

    exif = Image.Exif()
    exif[270] = "A title"
    key = kept_photo(post(page, photograph=(photo(kind, exif=exif), name)).text)
    saved = page.get(f"/colorized/{key}/workspace")
    assert saved.headers["Content-Disposition"].endswith(f'"b colorized{name[1:]}"')
    assert Image.open(BytesIO(saved.data)).getexif()[270] == "A title"
    Path(name).write_bytes(photo(kind, exif=exif).getvalue())
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(sys, "argv", ["colorizer", name, "-o", "out"])
    main()
    assert saved.data == Path("out", name).read_bytes()


def test_every_fault_is_a_line_on_the_page(page, monkeypatch):
    for fields, status, line in (
        ({"network": "0" * 40, "photograph": (photo(), "a.png")}, 500, "(the terminal says more)"),
        ({"photograph": (BytesIO(b"text"), "a.png")}, 400, "a.png: is not an image"),
        ({"network": "none", "photograph": (photo(), "a.png")}, 400, "from the list"),
    ):
        answer = post(page, **fields)
        assert answer.status_code == status
        assert line in answer.text.partition('<p role="alert">')[2].partition("</p>")[0]
    assert page.get("/nothing").status_code == 404
    assert '<p role="alert">' in page.get("/nothing").text
    Path("models/colorizer.safetensors").unlink()
    answer = post(page, photograph=(photo(), "a.png"))
    assert "models/colorizer.safetensors: cannot be read as a model" in answer.text
    monkeypatch.setattr("web.__main__.read_photo", lambda *_: 1 / 0)
    answer = post(page, photograph=(photo(), "a.png"))
    assert (answer.status_code, "division by zero" in answer.text) == (500, True)


def test_the_suffix_tells_what_the_content_does_not(page):
    assert "margin error" in post(page, photograph=(photo("TGA"), "фото.TGA")).text
    raw = post(page, photograph=(photo("TIFF"), "a.cr2"))
    assert (raw.status_code, "a.cr2: is a camera raw file" in raw.text) == (400, True)
    for name in ("a", "a.\0", "../a", f"a.{'x' * 300}"):
        assert post(page, photograph=(photo(), name)).status_code == 200


def test_more_megapixels_than_the_command_reads_are_refused(page):
    large = BytesIO(png(20_000, 18_000, 8, 2, np.zeros((1, 1), np.uint8)))
    answer = post(page, photograph=(large, "a.png"))
    assert answer.status_code == 400
    assert "a.png: has more than 250 megapixels; reduce it<" in answer.text


def test_errors_are_those_of_the_picture_over_white(page):
    (rgb,) = draw_photos(1, seed=8, size=40)
    texts = set()
    for hidden in (0, 99, 255):
        layers = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
        layers[:, 20:] = (hidden, 0, 255 - hidden, 0)
        content = BytesIO()
        Image.fromarray(layers).save(content, "PNG")
        content.seek(0)
        text = post(page, photograph=(content, "a.png")).text
        texts.add(re.search(r"margin error [\d.]+:", text).group())
    assert len(texts) == 1


def test_the_error_and_its_map_are_right_and_take_little_memory():
    pytest.importorskip("flask", reason="requirements-web.txt")
    from web.__main__ import answer

    torch.manual_seed(5)
    params = ModelParams(**small_params()["model"] | {"color_space": "ycbcr"})
    model = TrainedModel(Colorizer(params, 12), (16, 16), "tiny", 12)
    (rgb,) = draw_photos(1, seed=8, size=1000)
    answer(rgb[:20], model, 12)  # imports
    tracemalloc.start()
    text, images = answer(rgb, model, 12)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30 * 1000 * 1000  # bytes for each pixel, without those of PyTorch
    off = np.abs(images["colorized"].astype(int) - rgb.astype(int))
    assert f"12-margin error {(off >= 12).mean():.3f}: " in text
    white = (images["errors"] == 255).all(axis=-1)
    np.testing.assert_array_equal(white, (off < 12).all(axis=-1))


def test_a_file_that_is_too_large_is_refused_with_a_line(page):
    answer = post(page, photograph=(BytesIO(bytes(200_000_001)), "a.png"))
    assert answer.status_code == 413
    assert "The file is larger than 200 MB." in answer.text


def test_the_scale_has_the_colors_of_the_map():
    pytest.importorskip("flask", reason="requirements-web.txt")
    from web.__main__ import error_map, error_scale

    levels, colors = zip(*error_scale(12), strict=True)
    assert levels == (12, 24, 36, 48, 60, 72)
    target = np.zeros((1, 8, 3), np.uint8)
    prediction = target.copy()
    prediction[0, :, 1] = [0, 11, *levels]
    drawn = [bytes(pixel).hex() for pixel in error_map(prediction, target, 12)[0]]
    assert drawn == ["ffffff", "ffffff", *(color.removeprefix("#") for color in colors)]


@pytest.mark.parametrize("folder", ["", "project"])
def test_experiments_of_the_same_name_are_told_apart(tmp_path, monkeypatch, folder):
    pytest.importorskip("flask", reason="requirements-web.txt")
    from web.__main__ import list_experiments

    monkeypatch.chdir(tmp_path)
    assert list_experiments() == {}

    def git(*words: str) -> str:
        who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
        command = ["git", *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    if folder:
        Path(folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
    expected = {}
    for message in ("first", "second"):
        Path("params.yaml").write_text("model:\n  kernels: 8\n")
        git("add", ".")
        git("commit", "--quiet", "--allow-empty", "--message", message)
        baseline = git("rev-parse", "HEAD")
        Path("params.yaml").write_text(f"model:\n  kernels: {len(message)}\n")
        git("commit", "--quiet", "--all", "--message", "dvc: commit experiment")
        commit = git("rev-parse", "HEAD")
        git("update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/mine", commit)
        git("checkout", "--quiet", baseline)
        expected[commit] = f"experiment mine of commit {baseline[:7]}: model.kernels={len(message)}"
    git("update-ref", "refs/exps/exec/EXEC_HEAD", baseline)  # not an experiment
    assert list_experiments() == expected
