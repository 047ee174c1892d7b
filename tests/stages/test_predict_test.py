from pathlib import Path

import numpy as np
import pytest
import torch

from colorizer.errors import InputError
from colorizer.network import load_network
from colorizer.prediction import predict, to_pictures
from colorizer.splits import open_split
from tests.stages.conftest import COLORED_TEST, MODEL, NAMES, TEST


@pytest.fixture
def colored(run):
    def run_both() -> tuple[np.ndarray, list[str]]:
        run("train")
        run("predict_test")
        return np.load(COLORED_TEST), Path(NAMES).read_text().splitlines()

    return run_both


def test_pictures_and_names_are_in_one_order(colored):
    pictures, names = colored()
    assert (pictures.dtype, pictures.shape) == (np.uint8, (3, 16, 16, 3))
    test = open_split(Path(TEST))
    assert names == sorted(set(names))
    (prediction,) = predict(load_network(Path(MODEL)), [torch.from_numpy(test.gray)], flips=False)
    expected = dict(zip(test.names, to_pictures(prediction), strict=True))
    for picture, name in zip(pictures, names, strict=True):
        np.testing.assert_array_equal(picture, expected[name])


def test_flips_are_those_of_the_prediction(colored, params):
    params["predict_test"] |= {"count": "all", "flips": True}
    pictures, _ = colored()
    gray = torch.from_numpy(open_split(Path(TEST)).gray)
    (prediction,) = predict(load_network(Path(MODEL)), [gray], flips=True)
    np.testing.assert_array_equal(pictures, to_pictures(prediction))


def test_all_means_all(colored, params):
    params["predict_test"]["count"] = "all"
    pictures, names = colored()
    assert names == open_split(Path(TEST)).names
    assert len(pictures) == 4


def test_the_seed_chooses(run, params):
    run("train")
    chosen = set()
    for seed in (0, 0, 1, 2, 3, 4, 5, 6):
        params["predict_test"] |= {"seed": seed, "count": 2}
        run("predict_test")
        chosen.add(Path(NAMES).read_text())
        if seed == 0:
            assert len(chosen) == 1
    assert len(chosen) > 1


def test_asking_for_more_than_there_are_is_an_error(run, params):
    run("train")
    params["predict_test"]["count"] = 5
    with pytest.raises(InputError, match=r"predict_test\.count is 5 .* has 4 photographs"):
        run("predict_test")
    assert not Path(COLORED_TEST).exists()


@pytest.mark.parametrize("count", [0, -1, "some", 2.0, True])
def test_other_counts_are_refused(run, params, count):
    params["predict_test"]["count"] = count
    with pytest.raises(InputError, match=r"params\.yaml: predict_test\.count is"):
        run("predict_test")


def test_a_diverged_network_gives_black_pictures(colored, params):
    params["train"] |= {"learning_rate": 1e6, "epochs": 9}
    pictures, _ = colored()
    assert not pictures.any()
