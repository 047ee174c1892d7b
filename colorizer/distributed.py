"""Data-parallel training: the processes that torchrun starts, each with a rank.

Without torchrun the world size is 1 and these functions change nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from colorizer.errors import InputError

T = TypeVar("T")


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the process group of torchrun for the block: NCCL on GPUs, else gloo.

    A network from `wrap_ddp` should be deleted before the block ends: its destructor would wait for
    processes that have left.
    """
    if not distributed.is_torchelastic_launched():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield  # after an error there is no barrier: torchrun ends the other processes
    distributed.barrier()
    distributed.destroy_process_group()


def rank() -> int:
    """Rank of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """Number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def shard(rows: Tensor) -> Tensor:
    """The rows of a tensor that belong to this rank, as a view."""
    return rows.tensor_split(world_size())[rank()]


def wrap_ddp(network: nn.Module) -> nn.Module:
    """The network in DistributedDataParallel, whose backward pass averages gradients over ranks.

    Batch norm normalizes over the images of all ranks, by PyTorch's SyncBatchNorm. Raises
    InputError for batch norm that it does not do: on CPUs, or evaluated without running statistics.
    """
    if world_size() == 1:
        return network
    on_cpu = next(network.parameters()).device.type == "cpu"
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and (on_cpu or not module.track_running_stats):
            raise InputError(
                "params.yaml: model.batch_norm with several processes needs GPUs and "
                "model.track_running_stats true"
            )
    network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    # Buffers need no broadcast: every rank computes the same running statistics.
    return nn.parallel.DistributedDataParallel(network, forward_sync_buffers=False)


def all_reduce_sum(tensor: Tensor) -> Tensor:
    """Sum over all ranks, added in the order of ranks, so that every rank has the same bits."""
    if world_size() == 1:
        return tensor
    shards = [torch.empty_like(tensor) for _ in range(world_size())]
    distributed.all_gather(shards, tensor.contiguous())
    return torch.stack(shards).sum(dim=0)


def broadcast_from_rank0(make: Callable[[], T]) -> T:
    """On every rank, what `make` returns on rank 0."""
    if world_size() == 1:
        return make()
    result = [make() if rank() == 0 else None]
    distributed.broadcast_object_list(result)
    return result[0]  # type: ignore[return-value]
