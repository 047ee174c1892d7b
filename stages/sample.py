"""Write a small data set of natural scenes and people from scikit-image's photographs."""

import argparse
from pathlib import Path

import skimage.data
from PIL import Image

from colorizer.errors import InputError, one_line_errors
from colorizer.files import replacing
from colorizer.params import PARAMS_FILE, read_section
from colorizer.tiles import BANDS, SampleParams, cut_tiles

# The color photographs that scikit-image carries in its package, but for those of
# microscopes and telescopes. Of the stereo pair one, since both show the same scene.
PHOTOS = {
    "astronaut": skimage.data.astronaut,
    "cat": skimage.data.chelsea,
    "coffee": skimage.data.coffee,
    "motorcycle": lambda: skimage.data.stereo_motorcycle()[0],
    "rocket": skimage.data.rocket,
}


def write_sample(folder: Path, params: SampleParams) -> dict[str, int]:
    """Write the tiles as PNG files below folder/SPLIT/images; return how many of each split.

    The test split is gray, as the course's is. Raises InputError for a split without tiles.
    """
    counts = {}
    for split in BANDS:
        images = folder / split / "images"
        images.mkdir(parents=True)
        for name, load in PHOTOS.items():
            for tile in cut_tiles(load(), split, params):
                image = Image.fromarray(tile.rgb)
                if split == "test":
                    image = image.convert("L")
                image.save(images / f"{name}_{tile.crop_size}_{tile.top:03}_{tile.left:03}.png")
        counts[split] = len(list(images.iterdir()))
        if not counts[split]:
            raise InputError(
                f"{PARAMS_FILE}: sample.tile_size is {params.tile_size}, too large for any tile "
                f"of {split}; 80 fits"
            )
    return counts


def main() -> None:
    """Write the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="data set to write")
    paths = parser.parse_args()
    params = read_section(PARAMS_FILE, "sample", SampleParams)

    with replacing(paths.folder) as (partial,):
        counts = write_sample(partial, params)
    said = ", ".join(f"{count} {split}" for split, count in counts.items())
    print(f"{paths.folder}: {said} tiles of {params.tile_size}x{params.tile_size} pixels")


if __name__ == "__main__":
    with one_line_errors():
        main()
