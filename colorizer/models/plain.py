"""The report's network: a plain stack of convolutions."""

from torch import nn

from colorizer.models.layers import BatchNorm2d, SameConv2d, conv_layer
from colorizer.params import ModelParams


class PlainStack(nn.Sequential):
    """(conv_layer => ReLU) * (conv_layers - 1) => convolution => [batch norm] => [tanh].

    Shapes: (N, 1, H, W) to (N, out_channels, H, W), float32, for any H and W. Every convolution but
    the last has `kernels` outputs, so a network with one convolution does not depend on `kernels`.
    With batch_norm all, as in the report, batch norm follows every convolution; with hidden, all
    but the last, whose outputs then keep their scale and offset.
    """

    def __init__(self, params: ModelParams, out_channels: int) -> None:
        """Draw PyTorch's default initial weights from its global generator."""
        layers: list[nn.Module] = []
        channels = 1
        for _ in range(params.conv_layers - 1):
            layers += [*conv_layer(channels, params.kernels, params), nn.ReLU(inplace=True)]
            channels = params.kernels
        layers.append(SameConv2d(channels, out_channels, params.kernel_size))
        if params.batch_norm == "all":
            stats = params.track_running_stats
            layers.append(BatchNorm2d(out_channels, track_running_stats=stats))
        if params.tanh:
            layers.append(nn.Tanh())
        super().__init__(*layers)
