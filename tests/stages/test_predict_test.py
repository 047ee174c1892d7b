from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorizer.data.splits import open_split
from colorizer.errors import InputError
from colorizer.inference.prediction import predict, to_uint8
from colorizer.models.model_file import load_network
from tests.conftest import RAW, draw_photos
from tests.stages.conftest import COLORED_TEST, MODEL, NAMES, PREPARED, TEST


@pytest.fixture
def colored(run):
    def train_and_predict() -> tuple[np.ndarray, list[str]]:
        run("train")
        run("predict_test")
        return np.load(COLORED_TEST), Path(NAMES).read_text().splitlines()

    return train_and_predict


def test_images_and_names_have_the_same_order(colored):
    images, names = colored()
    assert (images.dtype, images.shape) == (np.uint8, (3, 16, 16, 3))
    test = open_split(Path(TEST))
    assert names == sorted(set(names))
    (prediction,) = predict(
        load_network(Path(MODEL)), [torch.from_numpy(test.gray)], flip_tta=False
    )
    expected = dict(zip(test.names, to_uint8(prediction), strict=True))
    for image, name in zip(images, names, strict=True):
        np.testing.assert_array_equal(image, expected[name])


def accuracy_of_the_scorer(estimations: Path, names: Path) -> float:
    """The course's scorer: integers, fewer than 12 levels off, averaged over the images."""
    images, paths = np.load(estimations), names.read_text().splitlines()
    shares = []
    for image, path in zip(images, paths, strict=True):
        with Image.open(path) as original:  # from the folder in which the scorer is run
            truth = np.array(original.convert("RGB"))
        difference = np.abs(image.astype(np.int64) - truth.astype(np.int64))
        shares.append((difference < 12).mean())
    return float(np.mean(shares))


def test_the_scorer_of_the_course_finds_the_photographs(run, run_stage, params):
    params["predict_test"]["count"] = "all"
    colors = draw_photos(4, seed=2)  # the raw data set has gray ones
    for number, rgb in enumerate(colors):
        Image.fromarray(rgb).save(f"{RAW}/test/images/{number}.png")
    run_stage("prepare", RAW, *PREPARED)
    for stage in ("train", "predict_test"):
        run(stage)
    names = Path(NAMES).read_text().splitlines()
    assert names == [f"{RAW}/test/images/{number}.png" for number in range(4)]
    difference = np.abs(np.load(COLORED_TEST).astype(int) - colors)
    expected = (difference < 12).mean()
    assert 0.05 < expected < 1
    assert accuracy_of_the_scorer(Path(COLORED_TEST), Path(NAMES)) == pytest.approx(expected)


def test_flip_tta_is_that_of_the_prediction(colored, params):
    params["predict_test"] |= {"count": "all", "flip_tta": True}
    images, _ = colored()
    gray = torch.from_numpy(open_split(Path(TEST)).gray)
    (prediction,) = predict(load_network(Path(MODEL)), [gray], flip_tta=True)
    np.testing.assert_array_equal(images, to_uint8(prediction))


def test_count_all_colorizes_all_photographs(colored, params):
    params["predict_test"]["count"] = "all"
    images, names = colored()
    assert names == open_split(Path(TEST)).names
    assert len(images) == 4


def test_the_seed_chooses_the_photographs(run, params):
    run("train")
    chosen = set()
    for seed in (0, 0, 1, 2, 3, 4, 5, 6):
        params["predict_test"] |= {"seed": seed, "count": 2}
        run("predict_test")
        chosen.add(Path(NAMES).read_text())
        if seed == 0:
            assert len(chosen) == 1
    assert len(chosen) > 1


def test_when_there_are_fewer_than_count_all_are_colorized(colored, params, capsys):
    params["predict_test"]["count"] = 5
    images, names = colored()
    assert names == open_split(Path(TEST)).names
    assert len(images) == 4
    assert "predict_test.count is 5, but there are only 4\n" in capsys.readouterr().out


@pytest.mark.parametrize("count", [0, -1, "some", 2.0, True])
def test_other_counts_are_refused(run, params, count):
    params["predict_test"]["count"] = count
    with pytest.raises(InputError, match=r"params\.yaml: predict_test\.count is"):
        run("predict_test")


def test_a_diverged_network_gives_black_images(colored, params):
    params["train"] |= {"learning_rate": 1e6, "epochs": 9}
    images, _ = colored()
    assert not images.any()
