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


def test_another_network_can_be_tried_without_choosing_the_photograph_again(page, photo):
    colorize(page, photo)
    first = page.get_by_alt_text("colorized").get_attribute("src")
    (line,) = (text for text in page.locator("option").all_inner_texts() if "deeper" in text)
    assert line.endswith("model.conv_layers=3")
    page.get_by_label("Network").select_option(label=line)
    page.get_by_role("button", name="Colorize").click()
    page.get_by_text("a photograph.png is kept").wait_for()
    assert page.get_by_alt_text("colorized").get_attribute("src") != first
    assert page.locator("option:checked").inner_text() == line


def test_a_click_enlarges_an_image_and_another_one_reduces_it(page, photo):
    colorize(page, photo)
    image = page.get_by_alt_text("colorized", exact=True)
    narrow = image.bounding_box()["width"]
    image.click()
    if page.viewport_size["width"] > 1000:
        assert image.bounding_box()["width"] > 2 * narrow
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    image.click()
    assert image.bounding_box()["width"] == narrow


def test_the_colorized_photograph_is_saved_at_full_size(page, photo, tmp_path):
    Image.new("RGB", (1300, 20), (90, 120, 30)).save(photo)
    colorize(page, photo)
    with page.expect_download() as download:
        page.get_by_role("link", name="Save").click()
    assert download.value.suggested_filename == "a photograph colorized.png"
    download.value.save_as(tmp_path / "saved.png")
    assert Image.open(tmp_path / "saved.png").size == (1300, 20)


def test_the_page_says_that_it_is_busy_and_the_errors_have_a_scale(page, photo):
    page.evaluate("form.addEventListener('submit', event => event.preventDefault())")  # no answer
    colorize(page, photo)
    page.get_by_text("Colorizing.").wait_for()
    assert page.get_by_role("button", name="Colorize").is_disabled()
    page.reload()
    assert not page.get_by_text("Colorizing.").is_visible()
    colorize(page, photo)
    page.get_by_text("errors: levels that the worst channel is off").wait_for()
    assert page.locator(".levels span").all_inner_texts() == ["12", "24", "36", "48", "60", "72+"]


def test_no_box_is_wider_than_the_window(page, photo, tmp_path):
    long = tmp_path / ("name" * 60 + ".png")
    photo.rename(long)
    colorize(page, long)
    page.get_by_text("12-margin error").wait_for()
    right_edges = page.locator("body *:visible").evaluate_all(
        "boxes => boxes.map(box => box.getBoundingClientRect().right)"
    )
    assert max(right_edges) <= page.viewport_size["width"]
    long.write_text("not an image")
    colorize(page, long)
    page.get_by_role("alert").wait_for()
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")


def test_a_file_that_is_too_large_is_refused_with_a_line(page, tmp_path):
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(201_000_000)
    page.locator("input[type=file]").set_input_files(large)
    page.get_by_role("button", name="Colorize").click()
    assert page.get_by_role("alert").inner_text() == "The file is larger than 200 MB."


def test_only_this_machine_reaches_the_page(address):
    port = f"{int(address.rsplit(':', 1)[1]):04X}"
    tables = "".join(Path("/proc/net", name).read_text() for name in ("tcp", "tcp6"))
    listed = [line.split() for line in tables.splitlines()]
    listening = {local for _, local, _, state, *_ in listed if state == "0A"}
    assert {local for local in listening if local.endswith(f":{port}")} == {f"0100007F:{port}"}
