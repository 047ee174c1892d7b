"""Serve a page to try networks: drop a photograph, see it in gray, colorized, and where it is off.

Only this machine can reach the page, unless --host says otherwise. The networks are the pipeline's
and those of DVC's experiments, which are read from DVC's cache.
"""

import argparse
import base64
import os
import subprocess
import sys
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import dvc.api
import numpy as np
from flask import Flask, render_template, request
from matplotlib import colormaps
from PIL import Image

from colorizer.data.color import luma
from colorizer.data.photos import MAX_MEGAPIXELS, read_photo, tone
from colorizer.device import available_device, configure_torch
from colorizer.errors import InputError, one_line_errors
from colorizer.inference.colorize import MODEL_FILE, colorize
from colorizer.metrics.margin import MetricParams, margin_error_per_image
from colorizer.models.colorizer import Colorizer
from colorizer.models.model_file import load_network, read_image_size
from colorizer.params import PARAMS_FILE, read_section

WORKSPACE = "the pipeline's"  # the network in the workspace, beside those of experiments
MAX_UPLOAD = 200_000_000  # bytes
MAX_WIDTH = 1200  # pixels of an image on the page


def experiment_names() -> list[str]:
    """Names of DVC's experiments of all commits; none outside a repository of Git and DVC."""
    command = [sys.executable, "-m", "dvc", "exp", "list", "--all-commits", "--name-only"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return [] if process.returncode else sorted({*process.stdout.split()})


@cache
def network_of_experiment(name: str) -> tuple[Colorizer, tuple[int, int]]:
    """The network of an experiment, and the size of the images that it was trained on."""
    content = dvc.api.read(str(MODEL_FILE), rev=name, mode="rb")
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        path.write_bytes(content)
        return load_network(path).to(available_device()), read_image_size(path)


def network_by_name(name: str) -> tuple[Colorizer, tuple[int, int]]:
    """The network that a name on the page stands for."""
    if name != WORKSPACE:
        return network_of_experiment(name)
    return load_network(MODEL_FILE).to(available_device()), read_image_size(MODEL_FILE)


def error_map(prediction: np.ndarray, target: np.ndarray, margin: int) -> np.ndarray:
    """Distance of the worst channel as uint8 rgb: white within the margin, darker beyond it."""
    distance = np.abs(prediction.astype(int) - target.astype(int)).max(axis=-1)
    colors = colormaps["inferno_r"](np.clip((distance - margin) / (5 * margin), 0, 1))[..., :3]
    colors[distance < margin] = 1
    return np.rint(colors * 255).astype(np.uint8)


def read_upload(name: str, content: bytes) -> np.ndarray:
    """An uploaded photograph as rgb, uint8 (H, W, 3). Raises InputError when it is not one."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "photograph")
        path.write_bytes(content)
        try:
            return np.asarray(read_photo(path, "RGB", MAX_MEGAPIXELS).convert("RGB"))
        except InputError as error:
            raise InputError(str(error).replace(str(path), name)) from None


def answer(rgb: np.ndarray, network: str, margin: int) -> tuple[str, dict[str, np.ndarray]]:
    """The text and the images to show for a photograph, uint8 (H, W, 3)."""
    gray = luma(rgb)
    colorizer, image_size = network_by_name(network)
    colorized = colorize(colorizer, gray, image_size)
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


def application(networks: list[str], margin: int) -> Flask:
    """The page, which offers these networks."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_UPLOAD

    def page(status: int = 200, **values: object) -> tuple[str, int]:
        names = {"networks": networks, "network": request.form.get("network", networks[0])}
        return render_template("page.html", **({"images": {}} | names | values)), status

    @app.get("/")
    def form() -> tuple[str, int]:
        return page()

    @app.post("/")
    def colorized() -> tuple[str, int]:
        upload, network = request.files.get("photograph"), request.form.get("network")
        if not upload or not upload.filename or network not in networks:
            return page(400, error="Choose a photograph, and a network from the list.")
        try:
            rgb = read_upload(upload.filename, upload.read())
            text, images = answer(rgb, network, margin)
        except InputError as error:
            return page(400, error=str(error))
        return page(text=text, images={name: as_url(image) for name, image in images.items()})

    return app


def main() -> None:
    """Serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m web", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="port (%(default)s)")
    args = parser.parse_args()
    margin = read_section(PARAMS_FILE, "metric", MetricParams).margin
    configure_torch(os.cpu_count() or 1)
    networks = [WORKSPACE] * MODEL_FILE.exists() + experiment_names()
    if not networks:
        raise InputError(f"{MODEL_FILE}: no such file; make repro trains it")
    application(networks, margin).run(args.host, args.port, threaded=False)


if __name__ == "__main__":
    with one_line_errors():
        main()
