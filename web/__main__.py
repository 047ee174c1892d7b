"""Serve a page that colorizes photographs; only this machine reaches it, unless --host says so."""

import argparse
import os
import re
from importlib.util import find_spec
from pathlib import Path
from subprocess import check_output
from tempfile import TemporaryDirectory, mkdtemp

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["no_proxy"] = "*"  # or gradio looks for its own page through a proxy
if not find_spec("gradio"):
    raise SystemExit("error: gradio is not installed; make web installs it and starts the page")
import dvc.api
import gradio as gr
import joblib
import numpy as np
from matplotlib.figure import Figure
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from colorizer.data.photos import MAX_MEGAPIXELS, over_white, read_photo, tone
from colorizer.device import available_device, configure_torch
from colorizer.errors import InputError, one_line_errors
from colorizer.files import enter_project
from colorizer.inference.colorize import colorize_image
from colorizer.inference.output import format_of, with_suffix_of, write_photo
from colorizer.metrics import distance
from colorizer.models.model_file import MODEL_FILE, PRETRAINED_FILE, load_model
from colorizer.params import PARAMS_FILE, load_params

FILES = {"pretrained on faces": PRETRAINED_FILE, "the pipeline's network": MODEL_FILE}


def list_networks() -> list[tuple[str, str]]:
    """Labels, which say what params an experiment changes, and model files or commits."""
    networks = [(label, str(file)) for label, file in FILES.items() if file.exists()]
    with dvc.repo.Repo() as repo:
        for base, experiments in repo.experiments.ls(all_commits=True).items():
            for name, commit in experiments:
                diff = check_output(["git", "diff", "-U0", base, commit, PARAMS_FILE], text=True)
                changes = re.findall(r"^(?:@@.*@@|\+) +([^#\n]*[^#\s])", diff, re.MULTILINE)
                networks.append((f"{name} of {base[:7]}: {' '.join(changes)}", commit))
    return networks


def error_map(errors: np.ndarray, margin: int) -> Figure:
    """Draw the worst channel of errors, uint8 (H, W, 3), white within the margin, with a legend."""
    height = 4 * min(1, len(errors) / errors.shape[1]) + 0.7  # inches, with the legend
    figure = Figure((4, height), dpi=300, layout="constrained")
    axes = figure.add_subplot(xticks=[], yticks=[])
    step = max(errors.shape) // 1200 + 1  # Matplotlib takes 40 bytes a pixel
    image = axes.imshow(errors[::step, ::step].max(-1), "inferno_r", vmin=margin, vmax=6 * margin)
    image.set_cmap(image.get_cmap().with_extremes(under="white"))
    figure.colorbar(image, location="bottom", extend="both", label="levels off, worst channel")
    return figure


def show_results(paths: list[str] | None, network: str, saturation: float) -> None:
    """Put photographs on the page, before and after, their errors, and the files to download."""
    margin = load_params().metric.margin
    model_file = Path(network)
    if model_file not in FILES.values():  # a commit
        model_file = Path(os.environ["GRADIO_TEMP_DIR"], "model")
        model_file.write_bytes(dvc.api.read(str(MODEL_FILE), rev=network, mode="rb"))
    model = load_model(model_file)
    model.network.to(available_device())
    for number, path in enumerate(map(Path, paths or []), 1):
        gr.Info(f"Colorizing photograph {number} of {len(paths)}", duration=2)
        folder = mkdtemp(dir=path.parent)
        try:
            gray = read_photo(path, "L", MAX_MEGAPIXELS)
            result = colorize_image(gray, model.network, model.image_size, saturation, beside=False)
            file = with_suffix_of(Path(folder, "file", path.name), format_of(path))
            write_photo(file, result, 95, gray.info)
            before, after = over_white(read_photo(path, "RGB", MAX_MEGAPIXELS)), over_white(result)
            pair = f"{folder}/before.jpg", f"{folder}/after.jpg"  # gradio would keep images
            before.save(pair[0])
            after.save(pair[1])
            with gr.Row():
                gr.ImageSlider(pair, label="Before, after", buttons=["fullscreen"])
                if tone(before) == "color":
                    errors = distance(np.asarray(after), np.asarray(before))
                    error_map(errors, margin).savefig(f"{folder}/errors.png")
                    label = f"{margin}-margin error {(errors >= margin).mean():.3f}"
                    gr.Image(f"{folder}/errors.png", label=label, buttons=["fullscreen"])
            gr.DownloadButton(f"Download {file.name}", file)
        except (InputError, MemoryError) as error:
            gr.Textbox(str(error).removeprefix(f"{path.parent}/"), label="Error", interactive=False)


def main() -> None:
    """Serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m web", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="port (%(default)s)")
    args = parser.parse_args()
    enter_project(args)
    if not 1 <= args.port <= 65535:
        parser.error(f"argument --port: should be 1 to 65535, is {args.port}")
    configure_torch(joblib.cpu_count())
    hosts = ["127.0.0.1", "localhost", args.host.replace("0.0.0.0", "*")]  # no DNS rebinding
    with TemporaryDirectory() as folder, gr.Blocks(title="colorizer") as page:
        os.environ["GRADIO_TEMP_DIR"] = folder
        uploads = gr.File(label="Photographs, in color or gray", file_count="multiple", height=200)
        network = gr.Dropdown(list_networks(), label="Network")
        saturation = gr.Slider(0, 10, 1, step=0.1, label="Saturation")
        gr.render([uploads, network, saturation], concurrency_limit=1)(show_results)
        app = {"middleware": [Middleware(TrustedHostMiddleware, allowed_hosts=hosts)]}
        quiet = {"share": False, "footer_links": [], "run_history": False}
        page.launch(
            server_name=args.host, server_port=args.port, show_error=True, app_kwargs=app, **quiet
        )


if __name__ == "__main__":
    with one_line_errors():
        main()
