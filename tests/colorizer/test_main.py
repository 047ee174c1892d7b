"""python -m colorizer: from photographs to colorized photographs."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from colorizer.__main__ import main
from colorizer.data.decoding import Photo
from colorizer.data.photos import read_photo
from colorizer.errors import InputError
from colorizer.models.colorizer import Colorizer
from colorizer.models.config import ModelParams
from colorizer.models.model_file import TrainedModel, save_model
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
    save_model(path, TrainedModel(Colorizer(params, 12), (16, 16), "tiny", 12))
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


def test_hidden_pixels_do_not_change_what_is_seen(run, gray):
    alpha = np.full_like(gray, 255)
    alpha[:, 22:] = 0
    for name, hidden in (("a.png", gray), ("b.png", 255 - gray)):
        layers = np.stack([np.where(alpha == 0, hidden, gray), alpha], axis=-1)
        Image.fromarray(layers, "LA").save(name)
    run("a.png", "b.png", "-o", "out")
    run("a.png", "b.png", "-o", "rows", "--side-by-side")
    for folder in ("out", "rows"):
        first, second = (np.asarray(Image.open(Path(folder, name))) for name in ("a.png", "b.png"))
        seen = first[..., 3] > 0
        np.testing.assert_array_equal(first[seen], second[seen])


def test_exif_orientation_is_applied(run, gray):
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is at the right
    Image.fromarray(gray).save("rotated.png", exif=exif)
    run("rotated.png", "-o", "out")
    upright = np.rot90(gray, -1)
    assert np.abs(luma_of(Path("out/rotated.png")) - upright).max() <= 1
    assert Image.open("out/rotated.png").getexif().get(0x0112, 1) == 1


def test_a_folder_keeps_its_structure_and_outputs_are_not_inputs_of_the_next_run(run, gray):
    Path("album/1950").mkdir(parents=True)
    Image.fromarray(gray).save("album/1950/a.png")
    Image.fromarray(gray).save("album/b.png")
    Path("album/notes.txt").write_text("no photograph")
    for _ in range(2):
        run("album", "-o", "album/colors", "--force")
        assert files("album/colors") == ["1950/a.png", "b.png"]


def test_a_folder_whose_photographs_are_all_left_out_is_an_input_error(run, gray):
    Path("album").mkdir()
    Image.fromarray(gray).save("album/a.png")
    for out in ("album", "."):
        with pytest.raises(
            InputError, match=r"^album: all its photographs lie in .* another folder$"
        ):
            run("album", "-o", out)
    assert files("album") == ["a.png"]


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
    with pytest.raises(InputError, match=r"^out/b\.png: exists; --force replaces it, --skip-exist"):
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
    with pytest.raises(InputError, match=r"^1 errors, see above"):
        run("a.png", "b.png", "-o", "out")
    assert files("out") == ["b.png"]
    assert "a.png: is not an image in a known format" in capsys.readouterr().err


def test_two_photographs_with_one_output_do_not_stop_the_others(run, gray, capsys):
    for name in ("a.png", "a.bmp", "b.png"):
        Image.fromarray(gray).save(name)
    with pytest.raises(InputError, match=r"^1 errors, see above"):
        run("a.png", "a.bmp", "b.png", "-o", "out")
    assert files("out") == ["b.png"]
    assert "out/a.png: would hold a.png and a.bmp; rename one" in capsys.readouterr().err


def test_a_photograph_that_cannot_be_written_does_not_stop_the_others(run, gray, capsys):
    Image.new("L", (33_000, 2), 99).save("a.jpg")  # twice that is more than JPEG can hold
    Image.new("RGB", (65_501, 1), "red").save("b.png")
    Image.fromarray(gray).save("z.png")
    Path("c").mkdir()
    Image.fromarray(gray).save("c/d.png")
    Path("out").mkdir()
    Path("out/d.png").mkdir()
    with pytest.raises(InputError, match=r"^out/d\.png: is a folder"):
        run("c", "-o", "out", "--force")
    Path("out/d.png").rmdir()
    with pytest.raises(InputError, match=r"^1 errors, see above"):
        run("a.jpg", "z.png", "-o", "out", "--side-by-side")
    assert files("out") == ["z.png"]
    assert "out/a.jpg: would have 66000 x 2 pixels; JPEG has at most 65500" in (
        capsys.readouterr().err
    )
    with pytest.raises(InputError, match=r"^1 errors, see above"):
        run("b.png", "c", "-o", "out", "--format", "jpeg")
    assert files("out") == ["d.jpg", "z.png"]


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


def test_a_name_as_long_as_a_file_system_allows_is_kept(run, gray):
    name = "é" * 125 + "e.png"
    assert len(name.encode()) == 255
    Image.fromarray(gray).save(name)
    run(name, "-o", "out")
    assert files("out") == [name]


def test_a_name_that_would_become_too_long_does_not_stop_the_others(run, gray, capsys):
    Image.fromarray(gray).save("x" * 255, "PNG")
    Image.fromarray(gray).save("z.png")
    with pytest.raises(InputError, match=r"^1 errors, see above"):
        run("x" * 255, "z.png", "-o", "out")
    assert files("out") == ["z.png"]
    assert "File name too long" in capsys.readouterr().err


def test_existing_outputs_can_be_skipped(run, gray, capsys):
    for name in ("a.png", "b.png"):
        Image.fromarray(gray).save(name)
    run("a.png", "-o", "out")
    Path("out/a.png").write_bytes(b"kept")
    run("a.png", "b.png", "-o", "out", "--skip-existing")
    assert files("out") == ["a.png", "b.png"]
    assert Path("out/a.png").read_bytes() == b"kept"
    assert "colorized 1 photographs" in (printed := capsys.readouterr().out)
    assert "; 1 existed" in printed


def test_a_transparent_photograph_named_jpg_stays_transparent(run, gray):
    hidden = Image.fromarray(np.stack([gray, gray, gray, gray // 2], axis=-1))
    hidden.save("a.jpg", "PNG")
    Image.fromarray(gray).save("scan", "JPEG")
    run("a.jpg", "scan", "-o", "out")
    assert files("out") == ["a.png", "scan.jpg"]
    np.testing.assert_array_equal(Image.open("out/a.png").getchannel("A"), gray // 2)


@pytest.mark.parametrize("file_format", ["jpeg", "png", "tiff"])
def test_all_outputs_can_have_one_format(run, gray, file_format):
    for name in ("a.png", "b.tif", "c.jpg"):
        Image.fromarray(gray).save(name)
    run("a.png", "b.tif", "c.jpg", "-o", "out", "--format", file_format)
    assert [Path(name).stem for name in files("out")] == ["a", "b", "c"]
    for name in files("out"):
        assert Image.open(Path("out", name)).format == file_format.upper()


@pytest.fixture
def described(gray) -> Callable[[str], None]:
    """Write a photograph with a title, a date, a place, a comment and 300 dpi."""

    def save(name: str) -> None:
        exif = Image.Exif()
        exif[0x010E] = "Großmutter".encode()
        exif[0x0112] = 8
        exif[0x9C9C] = "a comment\0".encode("utf-16-le")
        exif.get_ifd(0x8769)[0x9003] = "1950:06:12 10:00:00"
        exif.get_ifd(0x8769)[0x927C] = b"the camera's own"
        exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 15.5)})
        Image.fromarray(gray).convert("RGB").save(name, exif=exif, dpi=(300, 300))

    return save


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
@pytest.mark.parametrize("strip", [False, True])
def test_metadata_are_taken_over_unless_they_are_stripped(run, gray, described, name, strip):
    described(name)
    run(name, "-o", "out", *["--strip-metadata"] * strip)
    out = Image.open(Path("out", name))
    assert out.size == gray.shape  # upright
    exif = out.getexif()
    assert exif.get(0x0112, 1) == 1
    assert out.info["icc_profile"]
    if strip:
        assert not {0x010E, 0x8769, 0x8825, 0x9C9C} & set(exif)
        assert out.info.get("dpi", (1, 1)) == (1, 1)  # of a TIFF that has none
        return
    assert exif[0x010E].encode("latin-1").decode() == "Großmutter"
    assert exif[0x9C9C].decode("utf-16-le") == "a comment\0"
    if name != "a.tif":  # Pillow wrote the fixture without these directories
        assert exif.get_ifd(0x8769) == {0x9003: "1950:06:12 10:00:00"}
        assert exif.get_ifd(0x8825) == {1: "N", 2: (52.0, 30.0, 15.5)}
    assert np.allclose(out.info["dpi"], 300, atol=0.01)


def test_a_tiff_without_a_resolution_gets_none(run, gray):
    Image.fromarray(gray).save("a.tif")
    run("a.tif", "-o", "out")
    with tifffile.TiffFile("out/a.tif") as tiff:
        assert "XResolution" not in tiff.pages[0].tags


def test_comments_and_texts_of_a_format_are_taken_over(run, gray):
    Image.fromarray(gray).save("a.jpg", comment="seen by nobody")
    text = PngInfo()
    text.add_text("Title", "1950")
    text.add_itxt("Author", "Łukasz")
    text.add_text("parameters", "of another program")
    Image.fromarray(gray).save("b.png", pnginfo=text)
    run("a.jpg", "b.png", "-o", "out")
    assert Image.open("out/a.jpg").info["comment"] == b"seen by nobody"
    assert Image.open("out/b.png").text == {"Title": "1950", "Author": "Łukasz"}
    run("a.jpg", "b.png", "-o", "none", "--strip-metadata")
    assert "comment" not in Image.open("none/a.jpg").info
    assert Image.open("none/b.png").text == {}


def test_the_page_that_was_taken_is_named(run, gray, capsys):
    Image.fromarray(gray).save("a.tif", save_all=True, append_images=[Image.fromarray(255 - gray)])
    run("a.tif", "-o", "out")
    assert "a.tif: took page 1 of 2" in capsys.readouterr().err
    assert np.abs(luma_of(Path("out/a.tif")) - gray).max() <= 1
    assert Image.open("out/a.tif").n_frames == 1


def test_the_first_line_says_what_the_network_was_trained_on(run, gray, capsys):
    Image.fromarray(gray).save("a.png")
    run("a.png", "-o", "out")
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(
        "models/colorizer.safetensors: trained on tiny: 12 photographs of 16x16 pixels; "
    )


def test_saturation_scales_the_colors(run):
    gray = np.full((30, 44), 128, np.uint8)
    Image.fromarray(gray).save("a.png")
    distances = []
    for saturation in ("0", "1", "2"):
        run("a.png", "-o", saturation, "--saturation", saturation)
        rgb = np.asarray(Image.open(Path(saturation, "a.png"))).astype(int)
        distances.append(rgb[15, 22] - 128)
    assert not distances[0].any()
    assert np.abs(distances[1]).max() > 5
    np.testing.assert_allclose(distances[2], 2 * distances[1], atol=1)


@pytest.mark.parametrize(
    "words",
    [
        ("--saturation", "-1"),
        ("--saturation", "nan"),
        ("--quality", "0"),
        ("--quality", "101"),
        ("--max-megapixels", "0"),
        ("--max-megapixels", "-inf"),
        ("--max-megapixels", "nan"),
        ("--format", "gif"),
        ("--force", "--skip-existing", "--skip-existing"),
    ],
)
def test_options_out_of_range_are_refused(run, gray, words, capsys):
    Image.fromarray(gray).save("a.png")
    with pytest.raises(SystemExit):
        run("a.png", "-o", "out", *words)
    assert f"argument {words[-2]}" in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_photograph_that_needs_too_much_memory_does_not_stop_the_others(
    run, gray, capsys, monkeypatch
):
    for name in ("a.png", "b.png"):
        Image.fromarray(gray).save(name)

    def read(path: Path, *options) -> Photo:
        if path.name == "a.png":
            raise MemoryError
        return read_photo(path, *options)

    monkeypatch.setattr("colorizer.__main__.read_photo", read)
    with pytest.raises(InputError, match=r"^1 errors, see above"):
        run("a.png", "b.png", "-o", "out")
    assert files("out") == ["b.png"]
    assert "a.png: takes more memory than there is" in capsys.readouterr().err


def test_invalid_arguments_are_input_errors(run, gray):
    Image.fromarray(gray).save("a.png")
    Image.fromarray(gray).save("a.bmp")
    Path("empty").mkdir()
    Path("file").write_text("")
    for words, complaint in {
        ("b.png", "-o", "out"): r"b\.png: no such file or folder",
        ("empty", "-o", "out"): r"empty: no photographs",
        ("a.png", "-o", "file"): r"file: is a file; should be a folder",
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


def test_the_largest_photograph_is_an_option(run, gray, capsys):
    image = Image.fromarray(gray)
    image.save("a.tif", save_all=True, append_images=[image])
    with pytest.raises(InputError, match=r"^1 errors"):
        run("a.tif", "-o", "out", "--max-megapixels", "0.001")
    printed = capsys.readouterr().err
    assert "a.tif: has more than 0.001 megapixels; reduce it, or raise --max-megap" in printed
    assert "page" not in printed  # nothing was taken
    for limit in ("0.0014", "inf"):
        run("a.tif", "-o", limit, "--max-megapixels", limit)
        assert files(limit) == ["a.tif"]


def test_a_phone_photograph_of_100_megapixels_takes_half_of_2_gib(tmp_path, monkeypatch):
    """For 250 megapixels, the default limit, it takes 2 GiB: 6 bytes a pixel and 0.4 GiB."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # Pillow would warn here
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient = Image.linear_gradient("L").resize((11600, 8700))
    gradient.convert("RGB").save("large.jpg", exif=exif)
    # A small process measures: on Linux, the peak of a process begins with that of its parent.
    watch = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(used.ru_maxrss, used.ru_utime + used.ru_stime)"
    )
    command = [sys.executable, "-m", "colorizer", "large.jpg", "-o", "out"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", watch, *command],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert Image.open("out/large.jpg").size == (8700, 11600)
    kibibytes, seconds = map(float, done.stdout.split()[-2:])
    assert kibibytes * 1024 < 1.1 * GIB
    assert seconds < 120
