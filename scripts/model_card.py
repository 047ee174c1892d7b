"""Write the model card of the network in models/ from params.yaml and metrics/.

Sections as in Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import argparse
import json
from pathlib import Path
from typing import Any

from colorizer.errors import InputError, one_line_errors
from colorizer.files import read_yaml, write_text
from colorizer.params import PARAMS_FILE

CARD = """\
# Model card: colorizer

Written by `python -m scripts.model_card MODEL_CARD.md` from `params.yaml` and `metrics/`.

## What it is

A network that predicts the colors of gray photographs: {network}.
`models/colorizer.safetensors` holds its weights and configuration.

## What it is for

To study how networks colorize photographs, and how to measure it. It cannot know true colors: its
output is not evidence of the color of a thing, or of a person's skin, hair or eyes. Whoever shows
such an image to others should say that a program colorized it.

## Data

`data/raw/{data}`: {train} photographs for training, {val} for model selection and evaluation,
{test} test photographs, {skipped} skipped, each cropped to a square and resized to
{size} x {size} pixels. {content}

## Recipe

Epoch {best_epoch} of {epochs} was kept: the one with the lowest {margin}-margin error on the
validation split.

| parameter | value |
|---|---|
{recipe}

## Results

On the validation split, which also selected the epoch, so no result here is on held-out data. One
seed; `experiments/results/` has more.

| method | {margin}-margin error |
|---|---|
| this network | {margin_error:.4f} |
| gray copied | {gray:.4f} |
| table, median color of each gray level | {table_median:.4f} |
| table, most values within the margin | {table_mode:.4f} |

Mean squared error on [-1, 1]: {mse:.4f}; PSNR {psnr:.2f} dB; SSIM {ssim:.4f}. {verdict}

## Limits

- The margin error counts values that are {margin} levels off or more. It does not measure how far
  off they are, nor whether colors are plausible, saturated or consistent within an object: a
  uniform brown can have fewer errors than colors that a person would take for real.
- {ambiguity}
- It was trained on images of {size} x {size} pixels; larger photographs are reduced for it.
- {bias}
"""

OF_SAMPLE = (
    "Tiles of five photographs that scikit-image ships: an astronaut, a cat, a cup of coffee, a "
    "motorcycle and a rocket. One person is in them, Eileen Collins, in an official portrait; the "
    "splits are disjoint regions of the same photographs, so that validation is optimistic.",
    "Five photographs, one of them of a person, represent neither people nor places nor things.",
)
OF_OTHERS = (
    "This card cannot know who and what they show, or whether those people agreed.",
    "People and things that are rare in the photographs are colorized like common ones: errors "
    "differ between groups, and were not measured for each.",
)


# Where one gray level had many colors, by whether the network classifies chroma.
AMBIGUITY = {
    False: "Where one gray level had many colors, it predicts a color between them.",
    True: "Where one gray level had many colors, it chooses one, which can be wrong and saturated.",
}


def card(params: dict[str, Any], metrics: dict[str, Any]) -> str:
    """The card as Markdown; `metrics` are those of prepare, train and evaluate."""
    prepared, trained, measured = (metrics[name] for name in ("prepare", "train", "evaluate"))
    data = params["data"]["name"]
    content, bias = OF_SAMPLE if data == "sample" else OF_OTHERS
    if trained["diverged"]:
        verdict = "**Training diverged: the network is unusable.**"
    elif measured["gain_over_table"] <= 0:
        verdict = "**A table with one color per gray level does as well or better.**"
    else:
        verdict = f"That is {measured['gain_over_table']:.4f} better than the better table."
    return CARD.format(
        network={"plain": "a stack of convolutions", "unet": "a U-Net"}[params["model"]["network"]],
        data=data,
        **prepared["photos"],
        skipped=sum(prepared["skipped"].values()),
        size=params["prepare"]["image_size"],
        content=content,
        ambiguity=AMBIGUITY[params["model"]["chroma_bins"] > 0],
        bias=bias,
        recipe="\n".join(
            f"| `{section}.{name}` | {str(value).lower()} |"
            for section in ("prepare", "model", "train")
            for name, value in params[section].items()
        ),
        epochs=trained["epochs"],
        best_epoch=trained["best_epoch"],
        margin=params["metric"]["margin"],
        verdict=verdict,
        **{name: measured[name] for name in ("margin_error", "mse", "psnr", "ssim")},
        **{name: measured[name]["margin_error"] for name in ("gray", "table_median", "table_mode")},
    )


def main() -> None:
    """Write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("card", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    params = read_yaml(PARAMS_FILE)
    metrics = {}
    for stage in ("prepare", "train", "evaluate"):
        file = Path("metrics", f"{stage}.json")
        if not file.exists():
            raise InputError(f"{file}: no such file; dvc repro writes it")
        metrics[stage] = json.loads(file.read_text(encoding="utf-8"))
    write_text(args.card, card(params, metrics))


if __name__ == "__main__":
    with one_line_errors():
        main()
