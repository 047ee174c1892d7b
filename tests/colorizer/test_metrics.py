import pytest

from colorizer.metrics import MetricParams


@pytest.mark.parametrize("margin", [0, 256])
def test_a_margin_is_a_number_of_levels_that_a_value_can_be_off(margin):
    with pytest.raises(ValueError, match="margin"):
        MetricParams(margin=margin)
    assert MetricParams(margin=1).margin == 1
    assert MetricParams(margin=255).margin == 255
