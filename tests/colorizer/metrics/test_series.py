import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colorizer.errors import InputError
from colorizer.metrics.series import read_series, write_series


def test_small_numbers_are_kept(tmp_path):
    series = pd.DataFrame([(1, 1e-8), (2, 0.123456789)], columns=["epoch", "rate"])
    write_series(tmp_path / "history.csv", series)
    assert (tmp_path / "history.csv").read_bytes() == b"epoch,rate\n1,1e-08\n2,0.123457\n"


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**5), st.floats(-1e300, 1e300, allow_nan=False, allow_infinity=False)
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_series_round_trips_to_six_digits(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("series") / "history.csv"
    write_series(path, pd.DataFrame(rows, columns=["epoch", "error"]))
    series = read_series(path, ["epoch", "error"])
    assert list(series.columns) == ["epoch", "error"]
    assert series["epoch"].tolist() == [epoch for epoch, _ in rows]
    assert series["error"].tolist() == [float(f"{error:.6g}") for _, error in rows]


def test_other_columns_are_read_too(tmp_path):
    (tmp_path / "x.csv").write_text("epoch,error,rate\n1,0.5,0.1\n2,0.25,0.1\n")
    series = read_series(tmp_path / "x.csv", ["error"])
    assert series.to_dict("list") == {"epoch": [1, 2], "error": [0.5, 0.25], "rate": [0.1, 0.1]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"epoch,error\n",
        b"epoch\n1\n",
        b"epoch,error\n1,x\n",
        b"epoch,error\n1,\n",
        b"epoch,error\n1,0.5\n2\n",
        b"epoch,error\n1,0.5,0.1\n",
        b"epoch,error\n1,0.5,\n2,0.25,\n",
        b"epoch,error\n1,True\n",
        b"epoch,error\n1,nan\n",
        b"epoch,error\n1,inf\n",
        b"epoch,error,note\n1,0.5,good\n",
        b'epoch,error\n"1,0.5\n',
        b"epoch,error\n1\xff,0.5\n",
        bytes(range(256)),
    ],
)
def test_anything_but_a_csv_of_finite_numbers_is_an_input_error(tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    message = r"x\.csv: should be a CSV with columns of numbers epoch, error$"
    with pytest.raises(InputError, match=message):
        read_series(path, ["epoch", "error"])


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"x\.csv: should be a CSV"):
        read_series(tmp_path / "x.csv", ["epoch"])
