import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from colorizer.metrics.error_totals import ErrorTotals
from colorizer.metrics.margin import LARGEST_MSE

IMAGES = arrays(np.uint8, (4, 3, 2, 3))
PREDICTIONS = arrays(np.float32, (4, 3, 2, 3), elements=st.floats(-300, 600, width=32))


def add(result: ErrorTotals, prediction: np.ndarray, target: np.ndarray) -> None:
    result.add(torch.from_numpy(prediction), torch.from_numpy(target))


def totals(prediction, target, margins=(12,)) -> ErrorTotals:
    result = ErrorTotals(margins)
    add(result, np.asarray(prediction, np.float32), np.asarray(target, np.uint8))
    return result


def test_margin_error_by_hand():
    # Distances 0, 11, 11.5, 12, 12.5, 100: the last three count.
    prediction, target = [50, 61, 38.5, 62, 37.5, 150], [50] * 6
    assert totals(prediction, target).margin_errors == [0.5]


def test_predictions_outside_0_to_255_are_not_clamped():
    assert totals([-12.0, 267.0, -11.9, 266.9], [0, 255, 0, 255]).margin_errors == [0.5]


def test_mean_errors_by_hand():
    # 127.5 levels are 1 on [-1, 1].
    result = totals([0, 127.5, 255, 255], [0, 0, 0, 255])
    assert result.mse == pytest.approx((0 + 1 + 4 + 0) / 4)
    assert result.mae == pytest.approx((0 + 127.5 + 255 + 0) / 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_prediction_that_is_not_finite_has_the_largest_error(value):
    result = totals([value, value], [0, 255], margins=(0, 12, 255))
    assert result.margin_errors == [1.0, 1.0, 1.0]
    assert (result.mse, result.mae) == (4.0, 255.0)


def test_margin_0_counts_every_value():
    assert totals([1, 2], [1, 2], margins=(0, 1)).margin_errors == [1.0, 0.0]


@given(PREDICTIONS, IMAGES)
def test_equals_the_definition_in_the_report(prediction, target):
    # On [-1, 1] in double precision; hypothesis likes distances of exactly 12, where the last
    # bit of a conversion decides, so those are avoided.
    distance = np.abs(prediction.astype(np.float64) - target)
    prediction = np.where(np.abs(distance - 12) < 1e-3, target, prediction)
    predicted = torch.from_numpy(prediction.astype(np.float64)) / 127.5 - 1
    true = torch.from_numpy(target.astype(np.float64)) / 127.5 - 1
    expected = (torch.abs(predicted - true) >= 24 / 255).double().mean().item()
    result = totals(prediction, target)
    assert result.margin_errors[0] == pytest.approx(expected)
    assert result.mse == pytest.approx(
        torch.nn.functional.mse_loss(predicted, true).item(), rel=1e-5, abs=1e-12
    )


@given(IMAGES, IMAGES)
def test_equals_the_scorer_of_the_course_on_images(images, target):
    scorer = np.abs(images.astype(np.int64) - target.astype(np.int64)) < 12
    accuracy = np.mean([image.mean() for image in scorer])
    assert totals(images, target).margin_errors[0] == pytest.approx(1 - accuracy)


@given(PREDICTIONS, IMAGES, st.lists(st.integers(1, 3), max_size=4))
def test_totals_do_not_depend_on_batches(prediction, target, cuts):
    whole, parts = totals(prediction, target), ErrorTotals([12])
    for rows in np.split(np.arange(4), np.unique(cuts)):
        add(parts, prediction[rows], target[rows])
    assert parts.margin_errors == whole.margin_errors
    assert parts.mse == pytest.approx(whole.mse)
    assert parts.mae == pytest.approx(whole.mae)


@given(PREDICTIONS, IMAGES)
def test_errors_decrease_as_the_margin_grows(prediction, target):
    errors = totals(prediction, target, margins=range(256)).margin_errors
    assert errors == sorted(errors, reverse=True)


def test_the_largest_mse_is_that_of_black_for_white():
    assert totals([0, 255], [255, 0]).mse == LARGEST_MSE
