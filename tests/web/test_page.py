"""The page, in Chromium where one is installed: make test-web."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image

from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import TrainedModel, save_model
from colorizer.params import ModelParams
from tests.conftest import REPOSITORY, Run, draw_photos, small_params

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
OPTIONS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
needs_gradio = pytest.mark.skipif(not find_spec("gradio"), reason="gradio: make test-web")


@pytest.fixture(scope="module")
def repository(work: Path, run: Run) -> Path:
    """A repository with a network, and an experiment that has another one."""

    def commit(seed: int) -> str:
        torch.manual_seed(seed)
        network = Colorizer(ModelParams(**small_params()["model"]), 12)
        save_model(
            work / "models/colorizer.safetensors", TrainedModel(network, (16, 16), "", 12, {})
        )
        run("git", "add", "--force", ".", "models/colorizer.safetensors")
        run("git", "commit", "--quiet", "--message", "A network")
        return run("git", "rev-parse", "HEAD").stdout.strip()

    run("git", "init", "--quiet")
    baseline, params = commit(1), work / "params.yaml"
    changed = params.read_text().replace("kernels: 4", "kernels: 8  # more")
    params.write_text(changed.replace("epochs: 3", "epochs: 5"))
    run("git", "update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/mine", commit(2))
    run("git", "checkout", "--quiet", baseline)
    return work


def test_without_gradio_there_is_one_line():
    code = "import runpy, sys; sys.modules['gradio'] = None; runpy.run_module('web.__main__')"
    process = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True)
    assert (process.returncode, process.stderr[:30]) == (1, b"error: gradio is not installed")


@needs_gradio
def test_an_experiment_is_labeled_with_the_params_that_it_changes(repository, monkeypatch):
    from web.__main__ import list_networks

    monkeypatch.chdir(repository)
    (mine,) = (label for label, _ in list_networks() if "mine" in label)
    assert re.fullmatch(r"mine of \w{7}: model: kernels: 8 train: epochs: 5", mine)


@needs_gradio
def test_the_error_map_is_white_within_the_margin_and_darkest_from_six_margins_on():
    from web.__main__ import error_map

    errors = np.array([[[0, 0, 0], [11, 11, 11], [12, 0, 3], [0, 72, 0], [1, 2, 255]]], np.uint8)
    (image,) = error_map(errors, 12).axes[0].images
    drawn = [to_hex(color) for color in image.to_rgba(image.get_array())[0]]
    assert drawn == ["#ffffff", "#ffffff", "#fcffa4", "#000004", "#000004"]


@pytest.fixture
def address(start: Callable[..., subprocess.Popen[str]]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = start("python", "-u", "-m", "web", "--port", str(port))
    while "Running on" not in server.stdout.readline():
        assert server.poll() is None, server.communicate()
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.communicate(timeout=20)


@needs_gradio
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
def test_photographs_are_colorized_without_other_machines(repository, address, run, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright: make test-web")
    (rgb,) = draw_photos(1, seed=8, size=120)
    Image.fromarray(rgb).save(tmp_path / "color.png")
    Image.fromarray(rgb).convert("L").save(tmp_path / "gray.jpg")
    (tmp_path / "bad.png").write_text("not an image")
    urls: list[str] = []
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("request", lambda request: urls.append(request.url))
        page.goto(address)
        page.locator("input[type=file]").set_input_files(sorted(tmp_path.glob("*.*")))
        error = page.get_by_label("Error")
        error.wait_for()
        assert error.input_value().startswith("bad.png: is not an image in a known format")
        label = page.get_by_text("12-margin error")  # of one photograph
        text = label.inner_text()
        with page.expect_download() as download:
            page.get_by_text("Download gray.jpg").click()
        saved = download.value.path().read_bytes()
        assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
        page.get_by_label("Network").click()
        page.get_by_role("option", name="mine of").click()
        page.get_by_text(text).wait_for(state="hidden")
        label.wait_for()
        # As from a site whose name leads the browser to this machine.
        assert page.request.get(address, headers={"Host": "evil.example"}).status == 400
    assert [url for url in urls if not url.startswith(f"{address}/")] == []
    photos = str(tmp_path / "color.png"), str(tmp_path / "gray.jpg")
    run("python", "-m", "colorizer", *photos, "--out", "out")
    assert saved == (repository / "out/gray.jpg").read_bytes()
    off = abs(np.asarray(Image.open(repository / "out/color.png")).astype(int) - rgb) >= 12
    assert text == f"12-margin error {off.mean():.3f}"
