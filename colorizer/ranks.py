"""Several processes that train one network: each is a rank, as torchrun starts and counts them.

Without torchrun there is one rank and nothing here does anything.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

T = TypeVar("T")


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[None]:
    """Meet the other ranks that torchrun started, and leave them at the end.

    What was put `in_step` should be gone by then: its end waits for ranks that have left.
    """
    if not distributed.is_torchelastic_launched():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield  # after an error there is no waiting for the others: torchrun ends them
    distributed.barrier()
    distributed.destroy_process_group()


def rank() -> int:
    """Which of the ranks this process is, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def ranks() -> int:
    """How many there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def part(rows: Tensor) -> Tensor:
    """Share the rows of a tensor out: those of this rank, a view."""
    return rows.tensor_split(ranks())[rank()]


def in_step(network: nn.Module) -> nn.Module:
    """The network, such that each rank's backward pass leaves the mean gradient of all ranks."""
    if ranks() == 1:
        return network
    # Buffers are not sent around: what a batch norm has learnt is the same on every rank.
    return nn.parallel.DistributedDataParallel(network, forward_sync_buffers=False)


def total(tensor: Tensor) -> Tensor:
    """The sum over all ranks, added in their order, so that it has the same bits on each."""
    if ranks() == 1:
        return tensor
    shares = [torch.empty_like(tensor) for _ in range(ranks())]
    distributed.all_gather(shares, tensor.contiguous())
    return torch.stack(shares).sum(dim=0)


def from_first(make: Callable[[], T]) -> T:
    """What `make` returns on rank 0, on every rank."""
    if ranks() == 1:
        return make()
    result = [make() if rank() == 0 else None]
    distributed.broadcast_object_list(result)
    return result[0]  # type: ignore[return-value]
