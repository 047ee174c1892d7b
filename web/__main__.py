"""Serve a page to try networks: drop a photograph, see it in gray, colorized, and where it is off.

Only this machine can reach the page, unless --host says otherwise. The networks are the pipeline's
and those of DVC's experiments, which are read from DVC's cache.
"""

import argparse
import base64
import os
import re
import secrets
import subprocess
import sys
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

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
from colorizer.data.decoding import Photo
from colorizer.data.photos import MAX_MEGAPIXELS, NEEDS_MEMORY, over_white, read_photo, tone
from colorizer.device import available_device, configure_torch
from colorizer.errors import InputError, one_line_errors
from colorizer.files import parse_yaml
from colorizer.git_variables import drop_git_variables
from colorizer.inference.colorize import MODEL_FILE, colorize, colorize_image
from colorizer.inference.output import format_of, with_suffix_of, write_photo
from colorizer.metrics.margin import LEVELS, MetricParams, distance, margin_error_per_image
from colorizer.models.model_file import TrainedModel, load_model
from colorizer.params import PARAMS_FILE, read_section

WORKSPACE = "workspace"  # in place of the commit of an experiment
IN_WORKSPACE = f"the pipeline's network, in {MODEL_FILE}"
MAX_UPLOAD = 200_000_000  # bytes
MAX_KEPT = 8  # photographs that are kept, so that another network can be tried on them
MAX_WIDTH = 1200  # pixels of an image on the page
JPEG_QUALITY = 95
SCALE_END = 6  # multiple of the margin at which the error map is darkest


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


@cache
def flat_params(revision: str) -> dict[str, Any]:
    """The parameters of a commit as section.key; none where they cannot be read.

    In a project that is a folder of a larger repository, those of the folder.
    """
    try:
        sections = parse_yaml(git("show", f"{revision}:./{PARAMS_FILE}"), str(PARAMS_FILE))
    except InputError:
        return {}
    return {
        f"{section}.{key}": value
        for section, values in (sections if isinstance(sections, dict) else {}).items()
        if isinstance(values, dict)
        for key, value in values.items()
    }


@cache
def network_of_experiment(commit: str) -> TrainedModel:
    """The network of an experiment."""
    content = dvc.api.read(str(MODEL_FILE), rev=commit, mode="rb")
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        path.write_bytes(content)
        return load_model(path)


def network_of(key: str) -> TrainedModel:
    """The network that a key of the list stands for."""
    model = load_model(MODEL_FILE) if key == WORKSPACE else network_of_experiment(key)
    model.network.to(available_device())
    return model


def error_map(prediction: np.ndarray, target: np.ndarray, margin: int) -> np.ndarray:
    """Distance of the worst channel as uint8 rgb: white within the margin, darker beyond it."""
    levels = np.arange(LEVELS + 1)
    share = np.clip((levels - margin) / ((SCALE_END - 1) * margin), 0, 1)
    colors = colormaps["inferno_r"](share)[..., :3]
    colors[levels < margin] = 1
    worst = distance(prediction, target).max(axis=-1)
    drawn: np.ndarray = np.rint(colors * 255).astype(np.uint8)[worst]
    return drawn


def error_scale(margin: int) -> list[tuple[int, str]]:
    """Levels and their colors in the error map, evenly spaced, for its legend."""
    steps = range(1, SCALE_END + 1)
    return [
        (step * margin, to_hex(colormaps["inferno_r"]((step - 1) / (SCALE_END - 1))))
        for step in steps
    ]


def open_upload(photo: Kept, mode: Literal["RGB", "L"]) -> Photo:
    """Decode an uploaded photograph. Raises InputError, with its name, when it is not one."""
    try:
        return read_photo(photo.path, mode, MAX_MEGAPIXELS)
    except InputError as error:
        raise InputError(str(error).replace(str(photo.path), photo.name)) from None


def answer(rgb: np.ndarray, model: TrainedModel, margin: int) -> tuple[str, dict[str, np.ndarray]]:
    """The text and the images to show for a photograph, uint8 (H, W, 3)."""
    gray = luma(rgb)
    colorized = colorize(model.network, gray, model.image_size)
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
        # The suffix tells what the content of some formats does not.
        suffix = "".join(re.findall(r"\.\w{1,9}\Z", name, re.ASCII))
        kept[key] = Kept(name, folder / (key + suffix))
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
            rgb = np.asarray(over_white(open_upload(kept[photo], "RGB").image))
            model = network_of(chosen)
            text, images = answer(rgb, model, margin)
        except Exception as error:
            return page(status_of(error), **shown, error=one_line(error))
        return page(
            **shown,
            text=f"{text} The network was {model.training}.",
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
        model = network_of(network)
        image, metadata, _ = open_upload(kept[photo], "L")
        result = colorize_image(image, model.network, model.image_size, 1, beside=False)
        with TemporaryDirectory() as place:
            path = Path(place, "colorized")
            write_photo(path, result, file_format, JPEG_QUALITY, metadata)
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
        return f"The photograph {NEEDS_MEMORY}."
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
