"""The processor that networks run on: CPU or GPU, set up to be fast and to repeat itself."""

import ctypes
import os
import platform

import numpy as np
import torch
from torch import Tensor

# Parameters of glibc's mallopt(3): how many blocks may be mapped by themselves, and how much may
# lie free at the end of the heap before it goes back to the kernel.
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1
LARGEST_INT = 2**31 - 1

# Of a GPU's free memory, the share that a data set may take and leave enough to train in.
SHARE_FOR_DATA = 0.5


def set_up_processor(threads: int) -> None:
    """Make PyTorch use `threads` threads, algorithms that repeat themselves, and memory again."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # Those would fill each new tensor; nothing here reads what was not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.allow_tf32 = False  # float32 with all its bits, as on a CPU
    _keep_freed_memory()


def available_device() -> torch.device:
    """The CUDA device of this process, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))  # set by torchrun


def processor(device: torch.device) -> str:
    """The kind of processor, as far as floating point goes: on another, sums round otherwise."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    kind = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    return f"{kind}, oneDNN up to {limit}" if limit else kind


def resident(array: np.ndarray, device: torch.device) -> Tensor:
    """An array as a tensor: on a GPU where it fits, else where it is (a memory map is not read)."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if array.nbytes <= free * SHARE_FOR_DATA:
            return tensor.to(device)
    return tensor


def _keep_freed_memory() -> None:
    """Have the C library keep what is freed, since the next batch needs as much again.

    Otherwise a third of the time of training goes by in the kernel, which gives out each page
    anew. C libraries other than glibc have no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
