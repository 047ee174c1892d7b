"""Serve a page to try networks: drop a photograph, see it in gray, colorized, and where it is off.

Only this machine can reach the page, unless --host says otherwise. The networks are the pipeline's
and those of DVC's experiments, which are read from DVC's cache.
"""

import argparse
import base64
import os
import secrets
import subprocess
import sys
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

os.environ["MPLBACKEND"] = "agg"  # no window: a notebook sets a backend that may be missing here

try:
    import flask
except ModuleNotFoundError:
    sys.exit("error: Flask is not installed; make web installs it and starts the page")
import dvc.api
import numpy as np
from flask import Flask, render_template, request
from matplotlib import colormaps
from matplotlib.colors import to_hex
from PIL import Image
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from colorizer.data.color import luma
from colorizer.data.photos import MAX_MEGAPIXELS, read_photo, tone
from colorizer.device import available_device, configure_torch
from colorizer.errors import InputError, one_line_errors
from colorizer.files import parse_yaml
from colorizer.git_variables import drop_git_variables
from colorizer.inference.colorize import MODEL_FILE, colorize, colorize_image
from colorizer.inference.output import format_of, read_metadata, with_suffix_of, write_photo
from colorizer.metrics.margin import MetricParams, margin_error_per_image
from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import describe_training, load_network, read_image_size
from colorizer.params import PARAMS_FILE, read_section

WORKSPACE = "workspace"  # in place of the commit of an experiment
IN_WORKSPACE = f"the pipeline's network, in {MODEL_FILE}"
MAX_UPLOAD = 200_000_000  # bytes
MAX_KEPT = 8  # photographs that are kept, so that another network can be tried on them
MAX_WIDTH = 1200  # pixels of an image on the page
JPEG_QUALITY = 95
SCALE_END = 6  # multiple of the margin at which the error map is darkest


class Network(NamedTuple):
    """A network with what a colorized photograph needs, and what it was trained on."""

    colorizer: Colorizer
    image_size: tuple[int, int]
    training: str


class Kept(NamedTuple):
    """An uploaded photograph: its name, and the file that holds it."""

    name: str
    path: Path


def git(*words: str) -> str:
    """What a command of Git prints; nothing where it fails, as outside a repository."""
    process = subprocess.run(["git", *words], capture_output=True, check=False)
    return "" if process.returncode else process.stdout.decode(errors="replace")


def list_experiments() -> dict[str, str]:
    """DVC's experiments of all commits: a line in plain words for each commit.

    DVC keeps each as a Git ref, refs/exps/<its baseline, as 2 and 38 digits>/<name>.
    """
    labels = {}
    for line in git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines():
        commit, _, ref = line.partition(" ")
        match ref.split("/"):
            case [_, _, start, rest, name] if len(start + rest) == 40:
                before, after = (flat_params(revision) for revision in (start + rest, commit))
                changes = [f"{key}={after[key]}" for key in after if after[key] != before.get(key)]
                what = ", ".join(changes) or "no changed parameter"
                labels[commit] = f"experiment {name} of commit {(start + rest)[:7]}: {what}"
    return dict(sorted(labels.items(), key=lambda item: item[1]))


def flat_params(revision: str) -> dict[str, Any]:
    """The parameters of a commit as section.key; none where they cannot be read."""
    try:
        sections = parse_yaml(git("show", f"{revision}:{PARAMS_FILE}"), str(PARAMS_FILE))
    except InputError:
        return {}
    return {
        f"{section}.{key}": value
        for section, values in (sections if isinstance(sections, dict) else {}).items()
        if isinstance(values, dict)
        for key, value in values.items()
    }


def read_network(path: Path) -> Network:
    """The network of a model file."""
    colorizer = load_network(path).to(available_device())
    return Network(colorizer, read_image_size(path), describe_training(path))


@cache
def network_of_experiment(commit: str) -> Network:
    """The network of an experiment."""
    content = dvc.api.read(str(MODEL_FILE), rev=commit, mode="rb")
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        path.write_bytes(content)
        return read_network(path)


def network_of(key: str) -> Network:
    """The network that a key of the list stands for."""
    return read_network(MODEL_FILE) if key == WORKSPACE else network_of_experiment(key)


def error_map(prediction: np.ndarray, target: np.ndarray, margin: int) -> np.ndarray:
    """Distance of the worst channel as uint8 rgb: white within the margin, darker beyond it."""
    distance = np.abs(prediction.astype(int) - target.astype(int)).max(axis=-1)
    share = np.clip((distance - margin) / ((SCALE_END - 1) * margin), 0, 1)
    colors = colormaps["inferno_r"](share)[..., :3]
    colors[distance < margin] = 1
    return np.rint(colors * 255).astype(np.uint8)


def error_scale(margin: int) -> list[tuple[int, str]]:
    """Levels and their colors in the error map, evenly spaced, for its legend."""
    steps = range(1, SCALE_END + 1)
    return [
        (step * margin, to_hex(colormaps["inferno_r"]((step - 1) / (SCALE_END - 1))))
        for step in steps
    ]


def open_upload(photo: Kept) -> Image.Image:
    """Decode an uploaded photograph. Raises InputError, with its name, when it is not one."""
    try:
        return read_photo(photo.path, "RGB", MAX_MEGAPIXELS)
    except InputError as error:
        raise InputError(str(error).replace(str(photo.path), photo.name)) from None


def answer(rgb: np.ndarray, network: Network, margin: int) -> tuple[str, dict[str, np.ndarray]]:
    """The text and the images to show for a photograph, uint8 (H, W, 3)."""
    gray = luma(rgb)
    colorized = colorize(network.colorizer, gray, network.image_size, saturation=1)
    images = {"gray": gray, "colorized": colorized}
    kind = tone(Image.fromarray(rgb))
    if kind != "color":
        return f"The photograph is {kind}, so there are no true colors to compare with.", images
    (error,) = margin_error_per_image(colorized[None], rgb[None], margin)
    text = f"{margin}-margin error {error:.3f}: the share of values {margin} levels off or more."
    return text, images | {"original": rgb, "errors": error_map(colorized, rgb, margin)}


def as_url(image: np.ndarray) -> str:
    """An image as a data URL."""
    reduced = Image.fromarray(image)
    reduced.thumbnail((MAX_WIDTH, MAX_WIDTH))
    content = BytesIO()
    reduced.save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def read_to_the_end() -> None:
    """Read and drop the rest of a request: a browser shows no answer before it has sent all."""
    left = request.content_length or 0
    while left > 0 and (part := request.environ["wsgi.input"].read(min(left, 2**20))):
        left -= len(part)


def application(networks: dict[str, str], margin: int, folder: Path) -> Flask:
    """The page, which offers networks, by their lines in the list, and keeps photographs."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_UPLOAD
    kept: dict[str, Kept] = {}

    def page(status: int = 200, **values: object) -> tuple[str, int]:
        known = {"networks": networks, "chosen": "", "photo": "", "name": "", "images": {}}
        return render_template("page.html", **(known | values)), status

    def keep(name: str, content: bytes) -> str:
        key = secrets.token_hex(8)
        kept[key] = Kept(name, folder / key)
        kept[key].path.write_bytes(content)
        while len(kept) > MAX_KEPT:
            kept.pop(next(iter(kept))).path.unlink()
        return key

    @app.get("/")
    def form() -> tuple[str, int]:
        return page()

    @app.post("/")
    def colorized() -> tuple[str, int]:
        upload, chosen = request.files.get("photograph"), request.form.get("network", "")
        if upload and upload.filename:
            photo = keep(upload.filename, upload.read())
        else:
            photo = request.form.get("photo", "")
        if photo not in kept or chosen not in networks:
            return page(400, error="Choose a photograph, and a network from the list.")
        shown = {"chosen": chosen, "photo": photo, "name": kept[photo].name}
        try:
            rgb = np.asarray(open_upload(kept[photo]).convert("RGB"))
            network = network_of(chosen)
            text, images = answer(rgb, network, margin)
        except Exception as error:
            return page(status_of(error), **shown, error=one_line(error))
        return page(
            **shown,
            text=f"{text} The network was {network.training}.",
            images={name: as_url(image) for name, image in images.items()},
            scale=error_scale(margin),
        )

    @app.get("/colorized/<photo>/<network>")
    def full_size(photo: str, network: str) -> flask.Response | tuple[str, int]:
        """The file that python -m colorizer would write."""
        if photo not in kept or network not in networks:
            return page(404, error="Choose the photograph again: it is no longer kept.")
        name, source = kept[photo]
        file_format = format_of(source)
        colorizer, image_size, _ = network_of(network)
        result = colorize_image(open_upload(kept[photo]), colorizer, image_size, 1, beside=False)
        with TemporaryDirectory() as place:
            path = Path(place, "colorized")
            write_photo(path, result, file_format, JPEG_QUALITY, read_metadata(source)[0])
            content = BytesIO(path.read_bytes())
        named = with_suffix_of(Path(name), file_format)
        return flask.send_file(
            content,
            mimetype=f"image/{file_format}",
            as_attachment=True,
            download_name=f"{named.stem} colorized{named.suffix}",
        )

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_: RequestEntityTooLarge) -> tuple[str, int]:
        read_to_the_end()
        return page(413, error=f"The file is larger than {MAX_UPLOAD // 1_000_000} MB.")

    @app.errorhandler(Exception)
    def fault(error: Exception) -> tuple[str, int]:
        return page(status_of(error), error=one_line(error))

    def status_of(error: Exception) -> int:
        if isinstance(error, HTTPException):
            return error.code or 500
        if isinstance(error, InputError):
            return 400
        app.logger.error("a fault behind the page", exc_info=error)
        return 500

    return app


def one_line(error: Exception) -> str:
    """An error for the page."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, HTTPException):
        return str(error.description)
    if isinstance(error, MemoryError):
        return "The photograph needs more memory than there is; reduce it."
    message = str(error).strip().partition("\n")[0]
    return f"{message or type(error).__name__} (the terminal says more)"


def main() -> None:
    """Serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m web", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="port (%(default)s)")
    args = parser.parse_args()
    drop_git_variables()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    configure_torch(os.cpu_count() or 1)
    networks = {WORKSPACE: IN_WORKSPACE} if MODEL_FILE.exists() else {}
    networks |= list_experiments()
    if not networks:
        raise InputError(f"{MODEL_FILE}: no such file; make repro trains it")
    with TemporaryDirectory() as folder:
        app = application(networks, margin, Path(folder))
        app.run(args.host, args.port, threaded=False)


if __name__ == "__main__":
    with one_line_errors():
        main()
