"""A page to try networks: drop a photograph, see its gray, its colors, and where they are off.

Reached from this machine alone, unless --host says otherwise. The networks are the pipeline's and
those of DVC's experiments, which are read from its cache.
"""

import argparse
import base64
import os
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import dvc.api
import numpy as np
from flask import Flask, render_template, request
from matplotlib import colormaps
from PIL import Image

from colorizer.color import luma
from colorizer.colorize import MODEL, colorize
from colorizer.device import available_device, set_up_processor
from colorizer.errors import InputError, one_line_errors
from colorizer.metrics import MetricParams
from colorizer.network import Colorizer, load_network, read_learnt_size
from colorizer.params import PARAMS_FILE, read_section
from colorizer.photos import is_gray, read_photo
from experiments.commands import command
from experiments.pictures import margin_errors

WORKSPACE = "the pipeline's"  # the network in the workspace, beside those of experiments
LARGEST_UPLOAD = 200_000_000  # bytes
WIDEST = 1200  # pixels of a picture on the page


def experiments() -> list[str]:
    """The names of DVC's experiments, of all commits."""
    try:
        return sorted(set(command("dvc", "exp", "list", "--all-commits", "--name-only").split()))
    except InputError:  # no repository of git and DVC: there are none
        return []


@cache
def network_of(experiment: str) -> tuple[Colorizer, tuple[int, int]]:
    """The network of an experiment, and what size of pictures it learnt from."""
    content = dvc.api.read(str(MODEL), rev=experiment, mode="rb")
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        path.write_bytes(content)
        return load_network(path).to(available_device()), read_learnt_size(path)


def network_named(name: str) -> tuple[Colorizer, tuple[int, int]]:
    """The network that a name on the page stands for."""
    if name != WORKSPACE:
        return network_of(name)
    return load_network(MODEL).to(available_device()), read_learnt_size(MODEL)


def error_map(prediction: np.ndarray, target: np.ndarray, margin: int) -> np.ndarray:
    """Levels that the worst channel is off, as uint8 rgb: white within the margin, then darker."""
    distance = np.abs(prediction.astype(int) - target.astype(int)).max(axis=-1)
    shown = colormaps["inferno_r"](np.clip((distance - margin) / (5 * margin), 0, 1))[..., :3]
    shown[distance < margin] = 1
    return np.rint(shown * 255).astype(np.uint8)


def read_upload(name: str, content: bytes) -> np.ndarray:
    """An uploaded photograph as rgb, uint8 (H, W, 3); InputError where it is none."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "photograph")
        path.write_bytes(content)
        try:
            return np.asarray(read_photo(path).convert("RGB"))
        except InputError as error:
            raise InputError(str(error).replace(str(path), name)) from None


def answer(rgb: np.ndarray, network: str, margin: int) -> tuple[str, dict[str, np.ndarray]]:
    """What is said and shown of a photograph, uint8 (H, W, 3); of one in color the truth, too."""
    gray = luma(rgb)
    colorizer, learnt_size = network_named(network)
    colors = colorize(colorizer, gray, learnt_size)
    pictures = {"gray": gray, "colorized": colors}
    if is_gray(rgb):
        return "It has no colors of its own, so that there is no error.", pictures
    (error,) = margin_errors(colors[None], rgb[None], margin)
    said = f"{margin}-margin error {error:.3f}: the share of values {margin} levels off or more."
    return said, pictures | {"as it was": rgb, "where it is off": error_map(colors, rgb, margin)}


def as_url(picture: np.ndarray) -> str:
    """A picture as it can stand in a page."""
    image = Image.fromarray(picture)
    image.thumbnail((WIDEST, WIDEST))
    content = BytesIO()
    image.save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def application(networks: list[str], margin: int) -> Flask:
    """The page, which offers these networks."""
    app = Flask(__name__, template_folder=".")
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_UPLOAD

    def page(status: int = 200, **shown: object) -> tuple[str, int]:
        names = {"networks": networks, "network": request.form.get("network", networks[0])}
        return render_template("web.html", **({"pictures": {}} | names | shown)), status

    @app.get("/")
    def form() -> tuple[str, int]:
        return page()

    @app.post("/")
    def colorized() -> tuple[str, int]:
        upload, network = request.files.get("photograph"), request.form.get("network")
        if not upload or not upload.filename or network not in networks:
            return page(400, error="Choose a photograph, and a network of the list.")
        try:
            rgb = read_upload(upload.filename, upload.read())
            said, pictures = answer(rgb, network, margin)
        except InputError as error:
            return page(400, error=str(error))
        return page(said=said, pictures={name: as_url(some) for name, some in pictures.items()})

    return app


def main() -> None:
    """Serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="port (%(default)s)")
    given = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    set_up_processor(os.cpu_count() or 1)
    networks = [WORKSPACE] * MODEL.exists() + experiments()
    if not networks:
        raise InputError(f"{MODEL}: no such file; make repro trains it")
    application(networks, margin).run(given.host, given.port, threaded=False)


if __name__ == "__main__":
    with one_line_errors():
        main()
