"""python -m colorizer: from photographs to colorized photographs."""

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from PIL import Image

from colorizer.__main__ import main
from colorizer.data.photos import read_photo
from colorizer.errors import InputError
from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import TrainedModel, save_model
from colorizer.params import ModelParams
from tests.conftest import small_params


@pytest.fixture
def gray() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (30, 44), dtype=np.uint8)


@pytest.fixture(autouse=True)
def model(tmp_path, monkeypatch) -> Path:
    """A model file of an untrained network, where it lies in the repository."""
    monkeypatch.chdir(tmp_path)
    # main() lets PyTorch use every processor, and later tests of this process would do so too.
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    torch.manual_seed(5)
    params = ModelParams(**small_params()["model"] | {"color_space": "ycbcr"})
    Path("pretrained").mkdir()
    path = Path("pretrained/faces.safetensors")
    save_model(path, TrainedModel(Colorizer(params, 12), (16, 16), "tiny", 12, {}))
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
        np.testing.assert_array_equal(row.crop((88, 0, 132, 30)), target)


def test_all_outputs_can_have_one_format_and_saturation(run, gray):
    for name in ("a.png", "b.jpg"):
        Image.fromarray(gray).save(name)
    run("a.png", "b.jpg", "-o", "out", "--format", "tiff", "--saturation", "0")
    assert files("out") == ["a.tif", "b.tif"]
    for name in files("out"):
        image = Image.open(Path("out", name))
        assert image.format == "TIFF"
        assert np.asarray(image).std(axis=-1).max() == 0  # no colors


def test_existing_outputs_are_replaced_by_force_only_or_skipped(run, gray, capsys):
    for name in ("a.png", "b.png"):
        Image.fromarray(gray).save(name)
    run("b.png", "-o", "out")
    before = Path("out/b.png").read_bytes()
    with pytest.raises(InputError, match=r"^out/b\.png: exists; --force replaces it, --skip-exist"):
        run("a.png", "b.png", "-o", "out")
    assert files("out") == ["b.png"]
    Path("out/b.png").write_bytes(b"old")
    capsys.readouterr()
    run("a.png", "b.png", "-o", "out", "--skip-existing")
    assert Path("out/b.png").read_bytes() == b"old"
    assert "colorized 1 photographs" in (printed := capsys.readouterr().out)
    assert "; 1 existed" in printed
    run("a.png", "b.png", "-o", "out", "--force")
    assert Path("out/b.png").read_bytes() == before
    Path("folder/a.png").mkdir(parents=True)
    for photo, out in (("b.png", "."), ("a.png", "folder")):
        with pytest.raises(InputError, match=r"png: is a folder or the photograph; choose another"):
            run(photo, "-o", out, "--force")


def test_a_full_disk_ends_the_batch_and_leaves_no_partial_file(run, gray, monkeypatch):
    for name in ("a.png", "b.png"):
        Image.fromarray(gray).save(name)

    def fail(_image: Image.Image, path: Path, *_: object, **__: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space left on device"):
        run("a.png", "b.png", "-o", "out")
    assert files("out") == []


def test_a_transparent_photograph_named_jpg_stays_transparent(run, gray):
    hidden = Image.fromarray(np.stack([gray, gray, gray, gray // 2], axis=-1))
    hidden.save("a.jpg", "PNG")
    Image.fromarray(gray).save("scan", "JPEG")
    run("a.jpg", "scan", "-o", "out")
    assert files("out") == ["a.png", "scan.jpg"]
    np.testing.assert_array_equal(Image.open("out/a.png").getchannel("A"), gray // 2)


@pytest.mark.parametrize("strip", [False, True])
def test_metadata_are_taken_over_unless_they_are_stripped(run, gray, strip):
    exif = Image.Exif()
    exif.update({270: "a title", 274: 8})
    Image.fromarray(gray).save("a.jpg", exif=exif, dpi=(300, 300), comment="seen by nobody")
    run("a.jpg", "-o", "out", *["--strip-metadata"] * strip)
    out = Image.open("out/a.jpg")
    assert out.size == gray.shape  # upright
    found = out.getexif().get(270), out.info.get("dpi"), out.info.get("comment")
    assert found == ((None,) * 3 if strip else ("a title", (300, 300), b"seen by nobody"))


def test_photographs_that_fail_do_not_stop_the_others(run, gray, capsys, monkeypatch):
    def read(path: Path, *options) -> Image.Image:
        if path.name == "large.png":
            raise MemoryError
        return read_photo(path, *options)

    monkeypatch.setattr("colorizer.__main__.read_photo", read)
    for name in ("a.png", "a.bmp", "large.png", "b.png"):
        Image.fromarray(gray).save(name)
    Path("bad.png").write_text("not an image")
    Image.new("L", (33_000, 2), 99).save("wide.jpg")  # twice that is more than JPEG can hold
    Image.fromarray(gray).save(long := "x" * 255, "PNG")  # with .png, its name is too long
    photos = ("a.png", "a.bmp", long, "wide.jpg", "bad.png", "large.png", "b.png")
    with pytest.raises(InputError, match=r"^5 photographs failed"):
        run(*photos, "-o", "out", "--side-by-side")
    assert files("out") == ["a.png", "b.png"]
    printed = capsys.readouterr().err
    assert "error: a.bmp: has the output of a.png, out/a.png; rename one" in printed
    assert "error: bad.png: is not an image in a known format" in printed
    assert "File name too long" in printed
    assert "out/wide.jpg: cannot be written" in printed
    assert "large.png: takes more memory than there is" in printed


def test_what_is_printed(run, gray, capsys):
    Path("album").mkdir()
    Image.fromarray(gray).save("album/a", "JPEG")
    for name in ("b.CR2", "c.cr2", "d.mov"):
        Path("album", name).write_text("x")
    run("album", "-o", "out")
    printed = capsys.readouterr()
    assert "album: not photographs: 2 .cr2 (camera raw), 1 .mov" in printed.err
    assert printed.out.startswith(
        "pretrained/faces.safetensors: trained on tiny: 12 photographs of 16x16 pixels; "
        "subjects unlike its training data tend to come out brown\ncolorized 1 photographs in "
    )


def test_the_largest_photograph_is_an_option(run, gray, capsys):
    Image.fromarray(gray).save("a.tif")
    with pytest.raises(InputError, match=r"^1 photograph failed"):
        run("a.tif", "-o", "out", "--max-megapixels", "0.001")
    assert "a.tif: Image size (1320 pixels) exceeds limit of 1000" in capsys.readouterr().err
    for limit in ("0.0014", "inf"):
        run("a.tif", "-o", limit, "--max-megapixels", limit)
        assert files(limit) == ["a.tif"]


@pytest.mark.parametrize(
    "words",
    [
        ("--saturation", "-1"),
        ("--saturation", "nan"),
        ("--quality", "0"),
        ("--quality", "101"),
        ("--max-megapixels", "0"),
        ("--force", "--skip-existing", "--skip-existing"),
    ],
)
def test_options_out_of_range_are_refused(run, gray, words, capsys):
    Image.fromarray(gray).save("a.png")
    with pytest.raises(SystemExit):
        run("a.png", "-o", "out", *words)
    assert f"argument {words[-2]}" in capsys.readouterr().err
    assert not Path("out").exists()


def test_invalid_arguments_are_input_errors(run, gray):
    Image.fromarray(gray).save("a.png")
    Image.fromarray(gray).save("a.bmp")
    Path("empty").mkdir()
    Path("file").write_text("")
    for words, complaint in {
        ("b.png", "-o", "out"): r"b\.png: no such file or folder",
        (".", "-o", "."): r"^\.: all its photographs lie in \.; choose another",
        ("empty", "-o", "out"): r"empty: no photographs",
        ("a.png", "-o", "file"): r"file: is a file; should be a folder",
        ("a.png", "-o", "out", "--model", "none"): r"none: no such file",
        ("a.png", "-o", "out", "--model", "a.png"): r"a\.png: cannot be read as a model",
    }.items():
        with pytest.raises(InputError, match=complaint):
            run(*words)
    Path("pretrained/faces.safetensors").unlink()
    with pytest.raises(InputError, match="no such file; run in the project"):
        run("a.png", "-o", "out")
    assert not Path("out").exists()


@pytest.mark.slow  # 100 megapixels
def test_a_photograph_of_100_megapixels_takes_half_of_2_gib(monkeypatch):
    """For 250 megapixels, the default limit, it takes 2 GiB: 6 bytes a pixel and 0.4 GiB."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # Pillow would warn here
    Image.linear_gradient("L").resize((11600, 8700)).convert("RGB").save("large.jpg")
    # A small process measures: on Linux, the peak of a process begins with that of its parent.
    watch = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-m", "colorizer", "large.jpg", "-o", "out"]
    measured = subprocess.check_output([sys.executable, "-c", watch, *command], text=True)
    assert Image.open("out/large.jpg").size == (11600, 8700)
    assert int(measured.split()[-1]) * 1024 < 1.1 * 2**30
