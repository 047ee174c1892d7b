"""The page in a browser: make test-web, where a Chromium is installed."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run, draw_photos

playwright = pytest.importorskip("playwright.sync_api", reason="requirements-web.txt")
pytest.importorskip("flask", reason="requirements-web.txt")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")

# The browser must not use the network.
OPTIONS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
WINDOWS = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def address(built: Path, run: Run, start: Callable[..., subprocess.Popen[str]]) -> Iterator[str]:
    """Address of the page of a repository with an experiment."""
    assert (built / "models/colorizer.safetensors").exists()
    run("dvc", "exp", "run", "--name", "deeper", "-S", "model.conv_layers=3")
    run("git", "checkout", "--quiet", ".")
    run("dvc", "checkout", "--quiet")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = start("python", "-m", "web", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urlopen(url).close()
            break
        except URLError:
            assert server.poll() is None, server.communicate()
            time.sleep(0.2)
    yield url
    server.terminate()
    server.communicate(timeout=20)


@pytest.fixture(params=WINDOWS)
def page(request, address) -> Iterator["playwright.Page"]:
    width, height = WINDOWS[request.param]
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(address)
        yield page
        browser.close()


@pytest.fixture
def photo(tmp_path) -> Path:
    (rgb,) = draw_photos(1, seed=8, size=120)
    path = tmp_path / "a photograph.png"
    Image.fromarray(rgb).save(path)
    return path


def colorize(page: "playwright.Page", file: Path) -> None:
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Colorize").click()


def test_a_photograph_is_shown_in_gray_colorized_and_with_its_errors(page, photo, tmp_path):
    colorize(page, photo)
    page.get_by_text(re.compile(r"12-margin error [01]\.\d{3}")).wait_for()
    for label in ("gray", "colorized", "original", "errors"):
        image = page.get_by_alt_text(label, exact=True)
        image.wait_for()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 120
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert np.asarray(Image.open(tmp_path / "page.png")).std() > 10


def test_a_gray_photograph_has_no_original(page, photo):
    Image.open(photo).convert("L").save(photo)
    colorize(page, photo)
    page.get_by_text("The photograph is gray").wait_for()
    assert page.get_by_alt_text("colorized").count() == 1
    assert page.get_by_alt_text("original").count() == 0


def test_a_file_that_is_not_an_image_is_refused(page, photo):
    photo.write_text("not an image")
    colorize(page, photo)
    message = page.get_by_role("alert").inner_text()
    assert message == "a photograph.png: is not an image in a known format; fix or remove it"


def test_networks_of_experiments_can_be_chosen(page, photo):
    colorize(page, photo)
    first = page.get_by_alt_text("colorized").get_attribute("src")
    page.get_by_label("Network").select_option("deeper")
    colorize(page, photo)
    assert page.get_by_alt_text("colorized").get_attribute("src") != first
    assert page.get_by_label("Network").input_value() == "deeper"


def test_only_this_machine_reaches_the_page(address):
    port = f"{int(address.rsplit(':', 1)[1]):04X}"
    tables = "".join(Path("/proc/net", name).read_text() for name in ("tcp", "tcp6"))
    listed = [line.split() for line in tables.splitlines()]
    listening = {local for _, local, _, state, *_ in listed if state == "0A"}
    assert {local for local in listening if local.endswith(f":{port}")} == {f"0100007F:{port}"}
