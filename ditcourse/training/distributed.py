"""Several processes, one run: PyTorch's own engines, started by `torchrun`.

DDP where the model fits on one device: each process holds all weights and works on its rows of the batch. FSDP2
(`fully_shard`) where it does not: the weights are split among the processes too. Without `torchrun` all of this is
one process, and these functions change nothing.
"""

from __future__ import annotations

import contextlib
import os

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)


@contextlib.contextmanager
def processes():
    """Join the other processes of `torchrun`, and leave them at the end: `with processes() as device:`.

    device is this process's own GPU, or the CPU; None where there is only one process.
    """
    if "RANK" not in os.environ:
        yield None
        return
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def world_size() -> int:
    """How many processes share the run."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this process is the one that prints and writes."""
    return not dist.is_initialized() or dist.get_rank() == 0


def wait() -> None:
    """Until all processes are here."""
    if dist.is_initialized():
        dist.barrier()


def local_rows(batch_size: int) -> slice:
    """This process's rows of a batch. Raises ValueError where the processes cannot share it evenly."""
    count = world_size()
    if batch_size % count:
        raise ValueError(f"batch_size must be a multiple of the {count} processes, got {batch_size}")
    share, rank = batch_size // count, dist.get_rank() if dist.is_initialized() else 0
    return slice(rank * share, (rank + 1) * share)


def wrap(model: nn.Module, shard: bool) -> nn.Module:
    """The model as the loop calls it: itself, or with gradients averaged over the processes, or split among them."""
    if shard:
        return shard_model(model)
    if not dist.is_initialized():
        return model
    return nn.parallel.DistributedDataParallel(model)


def shard_model(model: nn.Module) -> nn.Module:
    """Split the weights among the processes, block by block (FSDP2). Raises RuntimeError outside `torchrun`."""
    if not dist.is_initialized():
        raise RuntimeError("splitting the weights needs several processes: start the run with torchrun")
    from torch.distributed.fsdp import fully_shard

    for block in model.blocks:
        fully_shard(block)
    return fully_shard(model)


def no_average(net: nn.Module, last: bool):
    """For all parts of a batch but the last: add up gradients here, and do not average them yet."""
    wait_for_more = isinstance(net, nn.parallel.DistributedDataParallel) and not last
    return net.no_sync() if wait_for_more else contextlib.nullcontext()


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a number over all processes."""
    if dist.is_initialized():
        dist.all_reduce(value)
        value = value / world_size()
    return value


WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """The model's tensors in one piece on the CPU, in the main process (elsewhere it may be empty)."""
    return get_model_state_dict(model, options=WHOLE)


def whole_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    """The optimizer's state in one piece on the CPU, by the names of the parameters."""
    return get_optimizer_state_dict(model, optimizer, options=WHOLE)


def optimizer_groups(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[dict]:
    """The optimizer's groups, their parameters by name."""
    names = {id(value): name for name, value in model.named_parameters()}
    return [group | {"params": [names[id(value)] for value in group["params"]]} for group in optimizer.param_groups]


def put_state(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Tensors in one piece back into the model, however it is split now. Every process calls it with the same state."""
    set_model_state_dict(model, state, options=StateDictOptions(full_state_dict=True, strict=True))


def put_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer, state: dict) -> None:
    """The same for the optimizer."""
    set_optimizer_state_dict(model, optimizer, state, options=StateDictOptions(full_state_dict=True))
