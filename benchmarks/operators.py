"""Profile an epoch of our training with PyTorch's profiler.

Prints a line of JSON: the share of time of each of the operators that take most.
"""

import argparse
import json
from pathlib import Path

from torch.profiler import ProfilerActivity, profile

from benchmarks.epoch import ours

SHOWN = 6


def main() -> None:
    """Profile the second epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of prepared splits")
    parser.add_argument("conv_layers", type=int)
    parser.add_argument("kernels", type=int)
    parser.add_argument("batch_norm", type=int)
    parser.add_argument("threads", type=int)
    args = parser.parse_args()
    network = (args.data, args.conv_layers, args.kernels, bool(args.batch_norm))
    loop = ours(*network, args.threads)
    next(loop)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        next(loop)
    times = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    most = sorted(times, key=lambda key: -times[key])[:SHOWN]
    print(json.dumps({key: times[key] / sum(times.values()) for key in most}))


if __name__ == "__main__":
    main()
