"""Write a small data set of tiles of scikit-image's color photographs."""

from pathlib import Path

from PIL import Image

from colorizer.data.sample import BANDS, PHOTOS, cut_tiles
from colorizer.errors import InputError, one_line_errors
from colorizer.files import atomic_write
from colorizer.params import SampleParams, load_params

SAMPLE = Path("data/raw/sample")


def write_sample(folder: Path, params: SampleParams) -> dict[str, int]:
    """Write the tiles as PNG files below folder/SPLIT/images; return the number for each split.

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
                f"params.yaml: sample.tile_size is {params.tile_size}, too large for any tile of "
                f"{split}; 80 fits"
            )
    return counts


def main() -> None:
    """Write the sample."""
    params = load_params().sample
    with atomic_write(SAMPLE) as (partial,):
        counts = write_sample(partial, params)
    listed = ", ".join(f"{count} {split}" for split, count in counts.items())
    print(f"{SAMPLE}: {listed} tiles of {params.tile_size}x{params.tile_size} pixels")


if __name__ == "__main__":
    with one_line_errors():
        main()
