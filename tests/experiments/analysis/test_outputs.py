import pytest

from colorizer.errors import InputError
from experiments.rows import get_output


def test_the_output_is_that_of_the_newest_experiment_of_the_name(add_experiment, tmp_path):
    add_experiment("faces-few-tanh-0", {"metrics/a.json": b"newer"}, hour=14)
    add_experiment("faces-few-tanh-0", {"metrics/a.json": b"older"}, hour=13)
    add_experiment("faces-few-tanh-01", {"metrics/a.json": b"other"}, hour=15)
    file = get_output("faces-few-tanh-0", "metrics/a.json", tmp_path)
    assert file.read_bytes() == b"newer"
    assert get_output("faces-few-tanh-01", "metrics/a.json", tmp_path).read_bytes() == b"other"
    with pytest.raises(InputError, match="faces-few-tanh: no DVC experiment has this name"):
        get_output("faces-few-tanh", "metrics/a.json", tmp_path)
