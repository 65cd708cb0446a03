"""Full float32 where a transform is exact by contract, whatever Torch's switches allow elsewhere.

On NVIDIA GPUs Torch may round the factors of products to TF32, 10 bits: convolutions by default, matrix
products where the user says so (``torch.set_float32_matmul_precision``). Scattering transforms are never
rounded; learned layers follow the switches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

#: Since Torch 2.9 there are two ways to set each switch; it refuses to be asked by the older one after the
#: newer was used.
NEWER = hasattr(torch.backends, "fp32_precision")


class Switch:
    """One of Torch's switches of float32 products, by the older way, and the newer where there is one."""

    def __init__(
        self, older: tuple[Callable[[], Any], Callable[[Any], None]], exact: Any, newer: Any
    ) -> None:
        self.get, self.put = older
        self.exact = exact
        self.newer: Any = newer if NEWER else None

    def read(self) -> tuple[Any, Any]:
        """Its state by either way, None where it has none."""
        try:
            older = self.get()
        except RuntimeError:  # it was set by the newer way
            older = None
        return older, None if self.newer is None else self.newer.fp32_precision

    def rounds(self) -> bool:
        older, newer = self.read()
        return newer == "tf32" if newer is not None else older != self.exact

    def off(self) -> None:
        self.put(self.exact)
        if self.rounds():  # it follows a switch of all that float32 is used for
            self.newer.fp32_precision = "ieee"

    def write(self, state: tuple[Any, Any]) -> None:
        older, newer = state
        self.put(self.exact if older is None else older)
        if newer is not None and self.newer.fp32_precision != newer:
            self.newer.fp32_precision = newer


def _set_cudnn(allowed: bool) -> None:
    torch.backends.cudnn.allow_tf32 = allowed


SWITCHES = (
    Switch(
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        "highest",
        torch.backends.cuda.matmul,
    ),
    Switch(
        (lambda: torch.backends.cudnn.allow_tf32, _set_cudnn),
        False,
        getattr(torch.backends.cudnn, "conv", None),
    ),
)

_lock = threading.Lock()
#: How many are within :func:`exact`, and what the switches were before the first came.
_within, _before = 0, []  # type: ignore[var-annotated]


@contextmanager
def exact() -> Iterator[None]:
    """Within, products of float32 are those of float32, in all threads: Torch's switches are global.

    The first who comes turns them off, the last who goes puts them back.

    >>> import torch
    >>> torch.set_float32_matmul_precision("high")
    >>> with exact():
    ...     torch.get_float32_matmul_precision()
    'highest'
    >>> torch.get_float32_matmul_precision()
    'high'
    >>> torch.set_float32_matmul_precision("highest")
    """
    global _within
    with _lock:
        _within += 1
        if _within == 1:
            for switch in SWITCHES:
                if switch.rounds():
                    _before.append((switch, switch.read()))
                    switch.off()
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if not _within:
                while _before:
                    switch, state = _before.pop()
                    switch.write(state)


def rounding() -> tuple[tuple[Any, Any], ...]:
    """The state of every switch, to tell what Torch would compute."""
    return tuple(switch.read() for switch in SWITCHES)
