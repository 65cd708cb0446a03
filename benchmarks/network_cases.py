"""The hierarchical network that is trained, and everyone who computes its step.

Beside the library's own networks, two constructions of the same layer tables in plain Torch. The released
one factors every 4-D convolution into one along the image and one along the attributes, each a conv2d with
the other axes in the batch. The loop over taps sums, for every tap along the attributes, a conv2d of the
samples that this tap reads. Parameters have the names and the shapes of the library's.

    python -m benchmarks.network_cases SIDE CONTESTANT     the peak memory of one step, as JSON
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import groupscat.torch
from benchmarks.memory import of_call
from groupscat.backend import get_backend
from groupscat.nn import hcnn
from groupscat.plan import conv_ops

BATCH, CLASSES, K = 10, 10, 16
#: Taps along the two attributes, and the convolutions, counted from 1, that halve the image.
TAPS, HALVING, LAYERS = (7, 11), (4, 8), 11
DENSE, SEPARABLE, RELEASED, LOOP = (
    "groupscat, 4-D",
    "groupscat, separable",
    "Torch, released construction (separable)",
    "Torch, loop over taps (4-D)",
)


def padded(x: Tensor, taps: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """x with the zeros around its last axes that leave ⌈n/s⌉ samples, the odd one after."""
    flat = []
    for n, k, s in reversed(list(zip(x.shape[-len(taps) :], taps, stride, strict=True))):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        flat += [total // 2, total - total // 2]
    return F.pad(x, flat)


class Normalised(nn.Module):
    """A kernel with batch norm and ELU after it; subclasses say what the kernel does."""

    def __init__(self, inputs: int, outputs: int, taps: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, *taps))
        self.norm = nn.BatchNorm1d(outputs)
        self.taps, self.stride = taps, stride

    def finish(self, y: Tensor) -> Tensor:
        return F.elu(self.norm(y.flatten(2)).reshape(y.shape))


class Conv(Normalised):
    """conv2d or conv3d."""

    def forward(self, x: Tensor) -> Tensor:
        convolve = F.conv2d if len(self.taps) == 2 else F.conv3d
        return self.finish(convolve(padded(x, self.taps, self.stride), self.weight, stride=self.stride))


class Separable(nn.Module):
    """(B, 1, u1, u2, v1, v2) → (B, K, …): 2K filters along u, then K along v, norm and ELU after both."""

    def __init__(self, along_u: tuple[int, int]) -> None:
        super().__init__()
        self.along_u = Conv(1, 2 * K, (3, 3), along_u)
        self.along_v = Conv(2 * K, K, TAPS, (2, 2))

    def forward(self, x: Tensor) -> Tensor:
        batch, _, *u, v1, v2 = x.shape
        y = self.along_u(x.permute(0, 4, 5, 1, 2, 3).reshape(-1, 1, *u))
        u = list(y.shape[2:])
        y = y.reshape(batch, v1, v2, 2 * K, *u).permute(0, 4, 5, 3, 1, 2)
        z = self.along_v(y.reshape(-1, 2 * K, v1, v2))
        return z.reshape(batch, *u, K, *z.shape[2:]).permute(0, 3, 1, 2, 4, 5)


class TapLoop(Normalised):
    """(B, 1, u1, u2, v1, v2) → (B, K, …): for every tap along v, a conv2d along u of what it reads."""

    def forward(self, x: Tensor) -> Tensor:
        *along_u, _, _ = self.taps
        steps = self.stride[:2], self.stride[2:]
        results = [-(-n // s) for n, s in zip(x.shape[-2:], steps[1], strict=True)]
        x = padded(x, TAPS, steps[1]).permute(0, 4, 5, 1, 2, 3)
        total: Any = 0
        for tap in product(*map(range, TAPS)):
            cut = (slice(t, t + s * n, s) for t, s, n in zip(tap, steps[1], results, strict=True))
            part = x[(slice(None), *cut)].flatten(0, 2)
            w = self.weight[(..., *tap)]
            total = total + F.conv2d(padded(part, tuple(along_u), steps[0]), w, stride=steps[0])
        return self.finish(total).unflatten(0, (-1, *results)).permute(0, 3, 4, 5, 1, 2)


class Hierarchical(nn.Module):
    """The layer table of the published network, in plain Torch."""

    def __init__(self, separable: bool) -> None:
        super().__init__()
        self.first = Conv(3, K, (3, 3), (1, 1))
        self.second = Conv(1, K, (3, 3, TAPS[1]), (1, 1, 2))
        layers: list[nn.Module] = []
        for j in range(3, LAYERS + 1):
            u = (2, 2) if j in HALVING else (1, 1)
            layers.append(Separable(u) if separable else TapLoop(1, K, (3, 3, *TAPS), (*u, 2, 2)))
        self.layers = nn.ModuleList(layers)
        self.classes = nn.Linear(K, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x).movedim(1, -1)[:, None]).movedim(1, -1)[:, None]
        for layer in self.layers:
            x = layer(x).movedim(1, -1).mean(3)[:, None]
        y: Tensor = self.classes(x.mean((1, 2, 3, 4)))
        return y


def _like(net: nn.Module, ours: nn.Module) -> nn.Module:
    """With the parameters of one of the library's networks: layer tables list them in one order."""
    with torch.no_grad():
        for mine, theirs in zip(net.parameters(), ours.parameters(), strict=True):
            mine.copy_(theirs.reshape(mine.shape))
    return net


def our_network(separable: bool, side: int) -> nn.Module:
    net: nn.Module = groupscat.torch.Network(
        hcnn(K=K, separable=separable, input_shape=(3, side, side), classes=CLASSES), seed=0
    )
    return net


CONTESTANTS: dict[str, Callable[[int], nn.Module]] = {
    DENSE: lambda side: our_network(False, side),
    SEPARABLE: lambda side: our_network(True, side),
    RELEASED: lambda side: _like(Hierarchical(separable=True), our_network(True, side)),
    LOOP: lambda side: _like(Hierarchical(separable=False), our_network(False, side)),
}
#: Who computes the same network, ours first.
SAME = ((DENSE, LOOP), (SEPARABLE, RELEASED))


def inputs(side: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, 3, side, side, generator=random, dtype=torch.float64)
    return x.to(dtype), torch.arange(BATCH) % CLASSES


def step(net: nn.Module, side: int) -> Callable[[], Tensor]:
    """A whole training step: forward, cross-entropy, backward, SGD with Nesterov's momentum."""
    x, labels = inputs(side)
    optimiser = torch.optim.SGD(net.train().parameters(), lr=1e-3, momentum=0.9, nesterov=True)

    def run() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return loss.detach()

    return run


def convolutions_alone(side: int) -> Callable[[], list[tuple[Tensor, ...]]]:
    """The convolutions to which our 4-D network is lowered, forward and backward, of random numbers."""
    plan = hcnn(K=K, input_shape=(3, side, side), classes=CLASSES).training.plan
    random, calls = torch.Generator().manual_seed(0), []
    for op in plan.ops:
        if isinstance(op, conv_ops.Conv | conv_ops.BandedConv):
            x, *kernels = (plan.register[name].space.shape for name in op.srcs)
            own = x[-len(kernels[0]) + 1 :]
            sizes = (BATCH * (math.prod(x) // math.prod(own)), *own)
            arrays = [torch.randn(n, generator=random).requires_grad_() for n in (sizes, *kernels)]
            calls.append((op, arrays))
    backend = get_backend("torch")

    def run() -> list[tuple[Tensor, ...]]:
        made = []
        for op, arrays in calls:
            y = op(backend, *arrays)
            made.append(torch.autograd.grad(y, arrays, torch.ones_like(y)))
        return made

    return run


def parameter_gradients(net: nn.Module, side: int) -> list[Tensor]:
    """The gradients of one step in float64, and the classes."""
    x, labels = inputs(side, torch.float64)
    y = net.double().train()(x)
    return [y.detach(), *torch.autograd.grad(F.cross_entropy(y, labels), list(net.parameters()))]


def _memory(side: int, name: str) -> dict[str, int]:
    return of_call(step(CONTESTANTS[name](side), side))


if __name__ == "__main__":
    print(json.dumps(_memory(int(sys.argv[1]), sys.argv[2])))
