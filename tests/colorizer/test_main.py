"""python -m colorizer: from photographs to colorized photographs."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorizer.__main__ import main
from colorizer.errors import InputError
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.models.model_file import save_network
from tests.conftest import REPOSITORY, small_params

GIB = 2**30


@pytest.fixture
def gray() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (30, 44), dtype=np.uint8)


@pytest.fixture(autouse=True)
def model(tmp_path, monkeypatch) -> Path:
    """A model file of an untrained network, where the pipeline writes it."""
    monkeypatch.chdir(tmp_path)
    # main() lets PyTorch use every processor, and later tests of this process would do so too.
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    torch.manual_seed(5)
    params = ModelParams(**small_params()["model"] | {"color_space": "ycbcr"})
    Path("models").mkdir()
    path = Path("models/colorizer.safetensors")
    save_network(path, Colorizer(params, 12), (16, 16))
    return path


@pytest.fixture
def run(monkeypatch) -> Callable[..., None]:
    def call(*words: str | Path) -> None:
        monkeypatch.setattr(sys, "argv", ["colorizer", *map(str, words)])
        main()

    return call


def luma_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB").convert("L")).astype(int)


def files(folder: str) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


def test_formats_are_kept_or_become_png_and_the_luma_is_kept(run, gray):
    image = Image.fromarray(gray)
    for name in ("a.png", "b.tif", "c.bmp", "d.gif"):
        image.save(name)
    Image.fromarray(gray.astype(np.uint16) * 257).save("deep.png")
    image.save("e.jpg", quality=100)
    run("a.png", "b.tif", "c.bmp", "d.gif", "deep.png", "e.jpg", "-o", "out")
    assert files("out") == ["a.png", "b.tif", "c.png", "d.png", "deep.png", "e.jpg"]
    for name in files("out"):
        out = Image.open(Path("out", name))
        assert out.format == {"jpg": "JPEG", "tif": "TIFF"}.get(name[-3:], "PNG")
        assert out.mode == "RGB"
        assert np.asarray(out).std(axis=-1).max() > 3  # it has colors
        off = np.abs(luma_of(Path("out", name)) - gray)
        if name == "e.jpg":
            assert off.mean() < 2
        else:
            assert off.max() <= 1


def test_transparency_is_kept(run, gray):
    alpha = np.arange(gray.size, dtype=np.uint32).reshape(gray.shape).astype(np.uint8)
    for name in ("a.png", "b.tiff", "c.webp"):
        layers = Image.merge("LA", [Image.fromarray(gray), Image.fromarray(alpha)])
        layers.convert("RGBA").save(name, lossless=True)
    run("a.png", "b.tiff", "c.webp", "-o", "out")
    for name in ("a.png", "b.tiff", "c.png"):
        out = Image.open(Path("out", name))
        assert out.mode == "RGBA"
        np.testing.assert_array_equal(out.getchannel("A"), alpha)
        visible = alpha > 0  # some formats drop the color of transparent pixels
        assert np.abs(luma_of(Path("out", name)) - gray)[visible].max() <= 1


def test_exif_orientation_is_applied(run, gray):
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is at the right
    Image.fromarray(gray).save("rotated.png", exif=exif)
    run("rotated.png", "-o", "out")
    upright = np.rot90(gray, -1)
    assert np.abs(luma_of(Path("out/rotated.png")) - upright).max() <= 1
    assert 0x0112 not in Image.open("out/rotated.png").getexif()


def test_a_folder_keeps_its_structure_and_outputs_are_not_inputs_of_the_next_run(run, gray):
    Path("album/1950").mkdir(parents=True)
    Image.fromarray(gray).save("album/1950/a.png")
    Image.fromarray(gray).save("album/b.png")
    Path("album/notes.txt").write_text("no photograph")
    for _ in range(2):
        run("album", "-o", "album/colors", "--force")
        assert files("album/colors") == ["1950/a.png", "b.png"]


@pytest.mark.parametrize(("mode", "images"), [("L", 2), ("RGB", 3), ("RGBA", 3)])
def test_side_by_side_shows_gray_colorized_and_original(run, gray, mode, images):
    colors = np.stack([gray, 255 - gray, gray // 2, np.full_like(gray, 99)], axis=-1)
    target = Image.fromarray(gray if mode == "L" else colors[..., : len(mode)])
    target.save("a.png")
    run("a.png", "-o", "out", "--side-by-side")
    row = Image.open("out/a.png")
    assert row.size == (44 * images, 30)
    first = np.asarray(row.crop((0, 0, 44, 30)).convert("RGB"))
    np.testing.assert_array_equal(first[..., 0], target.convert("RGB").convert("L"))
    if images == 3:
        last = row.crop((88, 0, 132, 30))
        np.testing.assert_array_equal(last, target)


def test_nothing_is_overwritten_without_force(run, gray):
    for name in ("a.png", "b.png"):
        Image.fromarray(gray).save(name)
    run("b.png", "-o", "out")
    before = Path("out/b.png").read_bytes()
    with pytest.raises(InputError, match=r"^out/b\.png: exists; --force replaces it$"):
        run("a.png", "b.png", "-o", "out")
    assert files("out") == ["b.png"]
    Path("out/b.png").write_bytes(b"old")
    run("a.png", "b.png", "-o", "out", "--force")
    assert Path("out/b.png").read_bytes() == before
    with pytest.raises(InputError, match=r"^b\.png: is the photograph itself"):
        run("b.png", "-o", ".", "--force")


def test_an_unreadable_photograph_does_not_stop_the_others(run, gray, capsys):
    Path("a.png").write_text("not an image")
    Image.fromarray(gray).save("b.png")
    with pytest.raises(InputError, match=r"^1 of 2 photographs could not be read"):
        run("a.png", "b.png", "-o", "out")
    assert files("out") == ["b.png"]
    assert "a.png: is not an image in a known format" in capsys.readouterr().err


def test_invalid_arguments_are_input_errors(run, gray):
    Image.fromarray(gray).save("a.png")
    Image.fromarray(gray).save("a.bmp")
    Path("empty").mkdir()
    Path("file").write_text("")
    for words, complaint in {
        ("b.png", "-o", "out"): r"b\.png: no such file or folder",
        ("empty", "-o", "out"): r"empty: no photographs",
        ("a.png", "-o", "file"): r"file: is a file; should be a folder",
        ("a.png", "a.bmp", "-o", "out"): r"out/a\.png: would hold both a\.png and a\.bmp",
        ("a.png", "-o", "out", "--model", "none"): r"none: cannot be read as a model",
        ("a.png", "-o", "out", "--model", "a.png"): r"a\.png: cannot be read as a model",
    }.items():
        with pytest.raises(InputError, match=complaint):
            run(*words)
    Path("models/colorizer.safetensors").unlink()
    with pytest.raises(InputError, match="make repro trains it"):
        run("a.png", "-o", "out")
    assert not Path("out").exists()


def test_side_by_side_never_shows_gray_or_toned_as_the_true_colors(run, gray):
    smooth = Image.fromarray(gray).resize((320, 240), Image.Resampling.BICUBIC)
    smooth.convert("RGB").save("gray.jpg", quality=60)
    values = np.asarray(smooth)[..., None] / 255
    sepia = (8, 2, 0) + values * (247, 238, 180)
    Image.fromarray(sepia.astype(np.uint8)).save("sepia.jpg", quality=75)
    run("gray.jpg", "sepia.jpg", "-o", "out", "--side-by-side")
    for name in ("gray.jpg", "sepia.jpg"):
        assert Image.open(Path("out", name)).size == (2 * 320, 240)


def test_files_of_a_folder_that_are_no_photographs_are_listed_by_kind(run, gray, capsys):
    Path("album").mkdir()
    Image.fromarray(gray).save("album/a", "JPEG")
    for name in ("b.CR2", "c.cr2", "d.mov"):
        Path("album", name).write_text("x")
    run("album", "-o", "out")
    assert len(files("out")) == 1
    kinds = "album: not photographs: 2 .cr2 (camera raw), 1 .mov"
    assert kinds in capsys.readouterr().err


def test_the_largest_photograph_is_an_option(run, gray):
    Image.fromarray(gray).save("a.png")
    with pytest.raises(InputError, match=r"could not be read"):
        run("a.png", "-o", "out", "--max-megapixels", "0.001")
    run("a.png", "-o", "out", "--max-megapixels", "0.0014")
    assert files("out") == ["a.png"]


def test_a_phone_photograph_of_100_megapixels_takes_half_of_2_gib(tmp_path, monkeypatch):
    """For 250 megapixels, the default limit, it takes 2 GiB: 6 bytes a pixel and 0.4 GiB."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # Pillow would warn here
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient = Image.linear_gradient("L").resize((11600, 8700))
    gradient.convert("RGB").save("large.jpg", exif=exif)
    command = [sys.executable, "-m", "colorizer", "large.jpg", "-o", "out"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(command, env=environment, cwd=tmp_path)
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert Image.open("out/large.jpg").size == (8700, 11600)
    assert usage.ru_maxrss * 1024 < 1.1 * GIB  # Linux counts in KiB
    assert usage.ru_utime + usage.ru_stime < 120
