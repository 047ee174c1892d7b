from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorizer.models.model_file import load_model
from colorizer.params import PredictTestParams
from stages.predict_test import choose_photos

OUTPUTS = Path("data/predictions/estimations_test.npy"), Path("data/predictions/test_images.txt")


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("flip_tta", [False, True])
def test_each_name_has_its_colorized_photograph(run_stage, params, flip_tta):
    """The scorer of the course opens the named files in the folder that it is run in."""
    params["predict_test"]["flip_tta"] = flip_tta
    run_stage("predict_test")
    images, names = np.load(OUTPUTS[0]), OUTPUTS[1].read_text().splitlines()
    assert (images.dtype, len(names)) == (np.uint8, 3)
    network = load_model(Path("models/colorizer.safetensors")).network.eval()
    for image, name in zip(images, names, strict=True):
        with Image.open(name) as photo:
            gray = torch.from_numpy(np.array(photo.convert("L")))
        prediction = network.predict(gray[None], flip_tta)[0].numpy()
        np.testing.assert_array_equal(image, np.rint(prediction).clip(0, 255))


@pytest.mark.parametrize(("count", "expected"), [("all", 9), (9, 9), (10, 9), (8, 8), (1, 1)])
def test_count_photographs_are_chosen_by_the_seed_in_their_order(params, count, expected):
    section = params["predict_test"] | {"count": count}
    chosen, *others = (
        choose_photos(9, PredictTestParams(**section | {"seed": seed})).tolist()
        for seed in (1, 1, 2, 3, 4)
    )
    assert chosen == sorted({*chosen} & {*range(9)}) == others[0]
    assert len(chosen) == expected
    assert all(each == chosen for each in others) == (expected == 9)
