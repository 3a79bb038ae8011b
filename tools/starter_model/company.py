"""Several processes that train together: each takes its own steps, now and then all take the mean of their weights.

On a few CPU cores that other programs use too, two processes of one thread do twice the work of one with two threads, which
wait for each other in every operation. Source: Stich 2019, "Local SGD converges fast and communicates little", arXiv:1805.09767.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from torch import Tensor, distributed

#: Steps between two meetings.
STEPS_APART = 6


@dataclass(frozen=True)
class Company:
    """This process among those that train together; by default it is alone."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def meets(self, step: int) -> bool:
        """Whether weights are averaged after that many steps, and whether the others may be told something."""
        return self.size == 1 or step % STEPS_APART == 0

    def told_by_leader(self, *numbers: float) -> list[float]:
        """What the first process says."""
        if self.size == 1:
            return list(numbers)
        told = torch.tensor(numbers, dtype=torch.float64)
        distributed.broadcast(told, 0)
        return told.tolist()

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Every tensor becomes the mean over the processes."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.size
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))


def end_with_leader() -> None:
    """End this process, one of the others, when the first one has ended in any way: nobody is left to wait for."""
    leader = multiprocessing.parent_process()
    assert leader is not None

    def watch() -> None:
        leader.join()
        os._exit(1)  # from wherever it waits

    threading.Thread(target=watch, daemon=True).start()


def end_with_others(others: Sequence[BaseProcess], over: threading.Event) -> None:
    """End this process, the first one, when one of the others has failed: it would wait for that one for an hour.

    Args:
        over: set when this process itself ends them.
    """

    def watch(other: BaseProcess) -> None:
        other.join()
        if other.exitcode and not over.is_set():
            print("stopped: another process failed; the same command goes on from the last state", file=sys.stderr, flush=True)
            os._exit(1)

    for other in others:
        threading.Thread(target=watch, args=(other,), daemon=True).start()


def join_company(rank: int, size: int, meeting: Path) -> Company:
    """Meet the other processes; `meeting` is a file that does not exist yet."""
    if size > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{meeting}", rank=rank, world_size=size, timeout=timedelta(hours=1)
        )
    return Company(rank, size)
