"""The device that networks run on, set up for speed and reproducibility."""

import ctypes
import os
import platform

import numpy as np
import torch
from torch import Tensor

# Parameters of glibc's mallopt(3): the number of blocks that may have a mapping of their own, and
# how much may be free at the end of the heap before it is returned to the kernel.
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1
LARGEST_INT = 2**31 - 1

# Share of a GPU's free memory that one array of a split may take, so that training has the rest.
DATA_SHARE = 0.5

NO_BFLOAT16_UNIT = "no bfloat16 unit"


def configure_torch(threads: int) -> None:
    """Let PyTorch use `threads` threads and deterministic algorithms, and reuse freed memory."""
    torch.set_num_threads(threads)
    # Without it, matrix products on a GPU are refused as not deterministic.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As torch.use_deterministic_algorithms(True), which also imports TorchInductor: 0.9 s.
    torch.set_deterministic_debug_mode("error")
    # Deterministic mode would also fill each new tensor; nothing here reads uninitialized memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.allow_tf32 = False  # full float32 precision, as on a CPU
    _reuse_freed_memory()


def available_device() -> torch.device:
    """The CUDA device of this process, or the CPU when there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))  # set by torchrun


def processor_name(device: torch.device) -> str:
    """The kind of processor: results are reproducible to the bit on one kind only."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    kind = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    return f"{kind}, oneDNN up to {limit}" if limit else kind


def bfloat16_unit(device: torch.device) -> str:
    """What multiplies bfloat16 numbers: results of train.precision bfloat16 depend on it.

    On an x86 processor amx_bf16, avx512_bf16 or NO_BFLOAT16_UNIT.
    """
    if device.type != "cpu":
        return "the GPU"
    capabilities = torch.cpu.get_capabilities()
    units = (unit for unit in ("amx_bf16", "avx512_bf16") if capabilities.get(unit))
    return next(units, NO_BFLOAT16_UNIT)


def to_device_if_fits(array: np.ndarray, device: torch.device) -> Tensor:
    """An array as a tensor: on a GPU when it fits there, else a view (a memory map is not read)."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if array.nbytes <= free * DATA_SHARE:
            return tensor.to(device)
    return tensor


def _reuse_freed_memory() -> None:
    """Let the C library keep freed memory, since the next batch needs as much again.

    Otherwise training spends a third of its time in the kernel, on page faults. C libraries other
    than glibc have no such setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
