import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from colorizer.models.unet import pixel_unshuffle
from tests.colorizer.models.conftest import UNET, build


@given(*[st.integers(1, 35)] * 2, *[st.integers(0, 2)] * 2, st.integers(1, 5))
def test_images_of_any_size_are_accepted(height, width, up_blocks, more, patch_size):
    stride = patch_size * 2**more
    sizes = {"depth": up_blocks + more, "patch_size": patch_size, "output_stride": stride}
    network = build(**UNET | sizes | {"kernels": 1}).eval()
    assert len(network.body.up) == network.params.up_blocks == up_blocks
    assert network(torch.rand(2, 1, height, width)).shape == (2, 3, height, width)


def test_computes_the_network_of_the_paper():
    """Ronneberger et al. 2015, figure 1, with padded convolutions and a nearest upsampling."""
    network = build(**UNET | {"output_stride": 1, "coord_channels": False, "conv_layers": 1})
    body, gray = network.body, torch.rand(2, 1, 8, 12) * 2 - 1
    channels = [block[0].weight.shape[:2] for block in (body.stem, *body.down, *body.up)]
    assert channels == [(4, 1), (8, 4), (16, 8), (4, 8), (8, 16)]
    full = body.stem(gray).relu()
    half = body.down[0](functional.max_pool2d(full, 2)).relu()
    quarter = body.down[1](functional.max_pool2d(half, 2)).relu()
    for skip, level in ((half, 1), (full, 0)):
        reduced = body.reduce[level](quarter)
        wide = reduced.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        quarter = body.up[level](torch.cat([skip, wide], dim=1)).relu()
    torch.testing.assert_close(body(gray), body.head(quarter))


def test_pixel_unshuffle_equals_pytorch():
    gray = torch.rand(3, 1, 8, 12)
    assert torch.equal(pixel_unshuffle(gray, 4), functional.pixel_unshuffle(gray, 4))
    assert pixel_unshuffle(gray[:0], 4).shape == (0, 16, 2, 3), "of a rank without photographs"


def test_padding_to_a_multiple_repeats_the_border():
    network = build(**UNET | {"coord_channels": False}).eval()
    gray = torch.rand(1, 1, 13, 21)
    padded = functional.pad(gray, (0, 3, 0, 3), mode="replicate")  # to 16 x 24
    torch.testing.assert_close(network(gray), network(padded)[..., :13, :21])


def test_a_coarse_output_is_upsampled_bilinearly():
    gray = torch.rand(1, 1, 16, 16)
    cb = build(**UNET).eval()(gray)[:, 2:] - gray  # times a constant
    steps = cb.diff(dim=3)
    within = steps[..., 2:-2:2]  # between pixels of the same output stride of 2 x 2
    between = (steps[..., 1:-3:2] + steps[..., 3:-1:2]) / 2
    torch.testing.assert_close(within, between, atol=1e-6, rtol=0)
    assert within.abs().max() > 1e-4


def test_coordinate_channels_are_the_centers_of_pixels():
    network = build(**UNET | {"depth": 1, "output_stride": 1})
    seen = []
    network.body.stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(torch.zeros(2, 1, 2, 4))
    columns, rows = seen[0][1, 1:]
    assert columns.tolist() == [[-0.75, -0.25, 0.25, 0.75]] * 2
    assert rows.tolist() == [[-0.5] * 4, [0.5] * 4]
