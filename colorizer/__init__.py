"""Networks that colorize grayscale photographs: data, models, training, inference."""

import os

# Threads of OpenMP wait for each other by spinning so many times, then they sleep. PyTorch reads
# this when it is loaded. By default they spin longer, which on a machine that becomes busy takes
# the processor from the thread that is waited for: docs/speed.md has measurements.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
