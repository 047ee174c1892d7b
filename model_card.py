"""Write the model card of the network in models/ from the params and metrics beside it.

Sections as in Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import argparse
import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from colorizer.errors import InputError, one_line_errors
from colorizer.files import write_text
from colorizer.params import PARAMS_FILE

CARD = """\
# Model card: colorizer

Written by `python model_card.py MODEL_CARD.md` from `params.yaml` and `metrics/`.

## What it is

A network that predicts the rgb of photographs from their gray: {network}.
`models/colorizer.safetensors` holds its weights and configuration.

## What it is for

To study how networks color photographs, and how that is measured. It does not know what color
anything had: what it gives is no evidence of the color of a thing, or of a person's skin, hair or
eyes, and a picture that is shown to others should say that a program colored it.

## Data

`data/raw/{data}`: {train} photographs to learn from, {val} to choose and to measure by, {test} to
show, {skipped} left out, each as {size} x {size} pixels. {whose}

## Recipe

Chosen: epoch {best_epoch} of {epochs}, by the {margin}-margin error of the validation split.

| parameter | value |
|---|---|
{recipe}

## Results

On the validation split, by which the epoch was chosen, too: nothing here is of photographs that
nobody looked at. One seed; what others give stands in `experiments/results/`.

| answer | {margin}-margin error |
|---|---|
| this network | {margin_error:.4f} |
| gray copied | {gray:.4f} |
| table, median color of each gray | {table_median:.4f} |
| table, most values within the margin | {table_mode:.4f} |

Mean squared error on [-1, 1]: {mse:.4f}; PSNR {psnr:.2f} dB; SSIM {ssim:.4f}. {verdict}

## Limits

- The margin error counts values that are {margin} levels off or more. It does not see how far
  off, nor whether colors are plausible, lively or the same all over a thing: a brown that is
  nowhere right may have fewer errors than colors that a person would take for real.
- Where one gray had many colors, a network answers something between them.
- It saw pictures of {size} x {size} pixels; of others it sees a reduced version.
- {seen}
"""

OF_SAMPLE = (
    "Tiles of five photographs that scikit-image ships: an astronaut, a cat, a cup of coffee, a "
    "motorcycle and a rocket. One person is in them, Eileen Collins, in an official portrait; the "
    "splits are parts of the same photographs.",
    "Five photographs, one of them with a person, teach nothing about people, places or things in "
    "general.",
)
OF_OTHERS = (
    "Who and what is in them, and who allowed that, this card cannot know.",
    "People and things that the photographs hardly show are colored as those that they show often: "
    "errors are not the same for all, and were not measured for each.",
)


def card(params: dict[str, Any], metrics: dict[str, Any]) -> str:
    """The card; `metrics` are those of prepare, train and evaluate."""
    prepared, trained, measured = (metrics[name] for name in ("prepare", "train", "evaluate"))
    data = params["data"]["name"]
    whose, seen = OF_SAMPLE if data == "sample" else OF_OTHERS
    if trained["diverged"]:
        verdict = "**Training diverged: there is nothing to use.**"
    elif measured["gain_over_table"] <= 0:
        verdict = "**A table with one color for each gray does as well or better.**"
    else:
        verdict = f"That is {measured['gain_over_table']:.4f} better than the better table."
    return CARD.format(
        network={"plain": "a stack of convolutions", "unet": "a U-Net"}[params["model"]["network"]],
        data=data,
        **prepared["photos"],
        skipped=sum(prepared["skipped"].values()),
        size=params["prepare"]["image_size"],
        whose=whose,
        seen=seen,
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
    given = parser.parse_args()
    params = YAML(typ="safe", pure=True).load(PARAMS_FILE.read_text(encoding="utf-8"))
    metrics = {}
    for stage in ("prepare", "train", "evaluate"):
        file = Path("metrics", f"{stage}.json")
        if not file.exists():
            raise InputError(f"{file}: no such file; dvc repro writes it")
        metrics[stage] = json.loads(file.read_text(encoding="utf-8"))
    write_text(given.card, card(params, metrics))


if __name__ == "__main__":
    with one_line_errors():
        main()
