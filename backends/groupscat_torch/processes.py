"""Several processes on one batch, as ``torchrun`` starts them: one per GPU, or per few cores."""

from __future__ import annotations

import atexit
import os
from typing import Any

import torch
from torch import distributed

from groupscat.backend.base import Arrays, Processes


class TorchProcesses(Processes):
    """The processes of the default group of ``torch.distributed``."""

    def __init__(self) -> None:
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()
        self.device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"

    def total(self, xs: Arrays) -> Arrays:
        # One message: starting many small ones costs more than what is in them.
        flat = torch.cat([x.reshape(-1) for x in xs.values()])
        distributed.all_reduce(flat)
        parts = flat.split([x.numel() for x in xs.values()])
        return {name: part.reshape(x.shape) for (name, x), part in zip(xs.items(), parts, strict=True)}

    def same(self, text: str) -> str:
        said: list[Any] = [text]
        distributed.broadcast_object_list(said, device=torch.device(self.device))
        return str(said[0])


def started() -> Processes:
    """The processes this one belongs to; a group is joined if the environment names one of several."""
    if not distributed.is_available():
        return Processes()
    if not distributed.is_initialized():
        if int(os.environ.get("WORLD_SIZE", 1)) < 2:
            return Processes()
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        atexit.register(distributed.destroy_process_group)
    return TorchProcesses()
