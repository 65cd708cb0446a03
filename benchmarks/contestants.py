"""Who takes part in a case and how each is called: forward, and forward with the gradient of Σ y² by x."""

from __future__ import annotations

import importlib
import importlib.util
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import groupscat
from benchmarks.cases import CASES, Transform
from benchmarks.floor import fft_floor
from benchmarks.joint_cases import JOINT_CASES
from benchmarks.main_branch import kymatio_main
from benchmarks.peers import Peer, kymatio

OURS, NUMPY = "groupscat Torch", "groupscat NumPy"
PEER, MAIN, COMPILED, PEER_NUMPY = "Kymatio Torch", "Kymatio main", "Kymatio compiled", "Kymatio NumPy"
FLOOR = "transforms only"
#: On Torch, called in turn; then those on NumPy: the threads of SciPy and of Torch disturb each other.
ON_TORCH, ON_NUMPY = (OURS, PEER, MAIN, COMPILED, FLOOR), (NUMPY, PEER_NUMPY)
FORWARD, STEP = "forward", "forward+backward"
MODES = (FORWARD, STEP)

#: Every case, in the order of the report.
EVERY: tuple[Transform, ...] = (*CASES, *JOINT_CASES)

Call = Callable[[], Any]


class Absent(Exception):
    """A contestant cannot be had; the message says why."""


@dataclass(frozen=True)
class Contestant:
    """Its calls by mode, bytes of its constants, and seconds that compiling took."""

    calls: Mapping[str, Call]
    constants: int = 0
    compiling: float = 0


def reference(case: Transform) -> str:
    """The peer that a case is compared with: the release, or the main branch for what only that has."""
    return MAIN if case.kind == "JTFS" else PEER


def takes_part(name: str, case: Transform) -> bool:
    """Whether a contestant has the transform of a case at all."""
    if name == MAIN:
        return case.kind in ("1-D", "JTFS")
    return case.kind != "JTFS" or name not in (PEER, PEER_NUMPY, COMPILED)


def contestant(name: str, case: Transform) -> Contestant:
    """Build one.

    Raises
    ------
    Absent : what it needs is not installed.
    """
    with warnings.catch_warnings():  # Kymatio's main branch and some of its dependencies warn when used
        warnings.simplefilter("ignore")
        return BUILDERS[name](case)


def present(names: Iterable[str], case: Transform) -> tuple[dict[str, Contestant], dict[str, str]]:
    """Those of the names that take part and can be had, and why the others cannot."""
    found, absent = {}, {}
    for name in names:
        if takes_part(name, case):
            try:
                found[name] = contestant(name, case)
            except Absent as reason:
                absent[name] = str(reason)
    return found, absent


def _torch() -> Any:
    if importlib.util.find_spec("torch") is None:
        raise Absent("absent: Torch is not installed")
    return importlib.import_module("torch")


def _module_of(peer: Peer) -> Any:
    if not peer:
        raise Absent(peer.reason)
    return peer.module


def of_module(module: Callable[[Any], Any], x: NDArray[Any], constants: int = 0) -> Contestant:
    """Both calls of what maps a Torch tensor to tensors; the step gives the gradient.

    >>> import torch
    >>> calls = of_module(lambda x: [x, 2 * x], np.ones(3, np.float32)).calls
    >>> calls[STEP]()
    tensor([10., 10., 10.])
    """
    torch = _torch()
    given = torch.from_numpy(x)
    leaf = given.clone().requires_grad_()

    def forward() -> Any:
        with torch.no_grad():
            return module(given)

    def step() -> Any:
        y = module(leaf)
        parts = [y] if isinstance(y, torch.Tensor) else list(y)
        return torch.autograd.grad(sum(part.square().sum() for part in parts), leaf)[0]

    return Contestant({FORWARD: forward, STEP: step}, constants)


def _buffers(module: Any) -> int:
    return sum(b.nbytes for b in module.buffers())


def _ours(case: Transform) -> Contestant:
    _torch()
    module = case.build(importlib.import_module("groupscat.torch"))
    return of_module(module, case.input(), _buffers(module))


def _peer(case: Transform) -> Contestant:
    module = case.build_peer(_module_of(kymatio()))
    return of_module(module, case.input(), _buffers(module))


def _main(case: Transform) -> Contestant:
    module = case.build_peer(_module_of(kymatio_main()))
    return of_module(module, case.input(), _buffers(module))


def _compiled(case: Transform) -> Contestant:
    """Forward only: compiling its backward takes minutes more."""
    torch = _torch()
    module = torch.compile(case.build_peer(_module_of(kymatio())))
    call = of_module(module, case.input()).calls[FORWARD]
    start = time.perf_counter()
    call()
    return Contestant({FORWARD: call}, compiling=time.perf_counter() - start)


def _numpy(case: Transform) -> Contestant:
    S, x = case.build(groupscat), case.input()
    return Contestant({FORWARD: lambda: S(x)}, S.constant_bytes)


def _peer_numpy(case: Transform) -> Contestant:
    S, x = case.build_peer(_module_of(kymatio("numpy"))), case.input()
    return Contestant({FORWARD: lambda: S(x)})


def _floor(case: Transform) -> Contestant:
    """A backward needs the transforms of the forward once more, each as its adjoint."""
    _torch()
    run = fft_floor(case.build(groupscat).plan, case.batch)

    def twice() -> None:
        run()
        run()

    return Contestant({FORWARD: run, STEP: twice})


BUILDERS: dict[str, Callable[[Transform], Contestant]] = {
    OURS: _ours,
    PEER: _peer,
    MAIN: _main,
    COMPILED: _compiled,
    FLOOR: _floor,
    NUMPY: _numpy,
    PEER_NUMPY: _peer_numpy,
}


def host(value: Any) -> Any:
    """A tensor as an array on the host; lists likewise, None as it is."""
    if value is None:  # what transforms give that are only timed
        return None
    if isinstance(value, (list, tuple)):
        return [host(v) for v in value]
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
