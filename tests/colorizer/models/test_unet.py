import torch
from hypothesis import given
from hypothesis import strategies as st

from colorizer.models.config import ModelParams
from colorizer.models.unet import pixel_unshuffle
from tests.colorizer.models.conftest import BASELINE, UNET, build, count_weights


@given(
    st.integers(1, 35),
    st.integers(1, 35),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(1, 5),
)
def test_images_of_any_size_are_accepted(height, width, up_blocks, more, patch_size):
    sizes = {
        "depth": up_blocks + more,
        "patch_size": patch_size,
        "output_stride": patch_size * 2**more,
    }
    assert ModelParams(**BASELINE | UNET | sizes).up_blocks == up_blocks
    network = build(**UNET | sizes).eval()
    gray = torch.rand(2, 1, height, width) * 2 - 1
    assert network(gray).shape == (2, 3, height, width)


def test_an_empty_batch_is_accepted():
    """As on a rank whose shard of a batch is empty."""
    network = build(**UNET | {"batch_norm": "none"})
    assert network(torch.zeros(0, 1, 16, 16)).shape == (0, 3, 16, 16)


def test_pixel_unshuffle_equals_pytorch():
    gray = torch.rand(3, 1, 8, 12)
    assert torch.equal(pixel_unshuffle(gray, 4), torch.nn.functional.pixel_unshuffle(gray, 4))


def test_padding_to_a_multiple_repeats_the_border():
    network = build(**UNET | {"coord_channels": False}).eval()
    gray = torch.rand(1, 1, 13, 21)
    padded = torch.nn.functional.pad(gray, (0, 3, 0, 3), mode="replicate")  # to 16 x 24
    torch.testing.assert_close(network(gray), network(padded)[..., :13, :21])


def test_number_of_weights_by_hand():
    def block(inputs, outputs):  # of two convolutions with batch norm
        return 9 * inputs * outputs + 9 * outputs**2 + 2 * outputs + 4 * outputs

    down = block(4, 8) + block(8, 16)
    up = 16 * 8 + 8 + block(8 + 8, 8)
    head = 8 * 2 + 2
    # The input has the pixels of a patch and two coordinate channels.
    assert count_weights(build(**UNET)) == block(1 + 2, 4) + down + up + head
    patches = UNET | {"patch_size": 3, "output_stride": 6}
    assert count_weights(build(**patches)) == block(9 + 2, 4) + down + up + head
    up += 8 * 4 + 4 + block(4 + 4, 4)
    full_resolution = block(1 + 2, 4) + down + up + (4 * 2 + 2)
    assert count_weights(build(**UNET | {"output_stride": 1})) == full_resolution


def test_a_coarse_output_is_upsampled_bilinearly():
    gray = torch.rand(1, 1, 16, 16)
    cb = build(**UNET).eval()(gray)[:, 2:] - gray  # times a constant
    steps = cb.diff(dim=3)
    within = steps[..., 2:-2:2]  # between pixels of the same output stride of 2 x 2
    between = (steps[..., 1:-3:2] + steps[..., 3:-1:2]) / 2
    torch.testing.assert_close(within, between, atol=1e-6, rtol=0)
    assert within.abs().max() > 1e-4


def test_every_weight_gets_a_gradient():
    network = build(**UNET)
    network(torch.rand(2, 1, 16, 16)).square().sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad.abs().sum() > 0 or name.endswith("0.bias"), name


def test_the_output_depends_on_the_position_with_coordinate_channels_only():
    gray = torch.zeros(1, 1, 64, 64)
    for coord_channels in (False, True):
        torch.manual_seed(0)
        changes = {"coord_channels": coord_channels, "depth": 1, "output_stride": 1}
        network = build(**UNET | changes).eval()
        rgb = network(gray)[0, 0, 16:48, 16:48]  # away from the borders, whose padding shows
        assert (rgb.std() > 1e-4) == coord_channels
        assert coord_channels or rgb.std() < 1e-6
