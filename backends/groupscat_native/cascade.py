"""Whole plans of wavelet moduli in one call: their operations as a tree, which the kernels walk depth first."""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from groupscat.plan.constants import Order
from groupscat.plan.ops import Bandpass, Concat, Lowpass, Pad, Spectrum, Take
from groupscat.plan.plan import Plan
from groupscat.plan.rho import Modulus
from groupscat_native import kernels
from groupscat_native.bands import band
from groupscat_native.library import load

#: A filter is left out of the rows where it is below this fraction of the precision.
NEGLIGIBLE = 1e-2


@dataclass
class Node:
    """A register of real arrays: the wavelets that filter it, and where its averages go."""

    register: str
    sizes: tuple[int, ...]
    count: int
    rows: NDArray[np.int32] | None = None
    lowpass: Lowpass | None = None
    edges: list[tuple[Bandpass, int]] = field(default_factory=list)


@dataclass
class Tree:
    """The nodes of a plan, the first one its (padded) input."""

    pad: Pad | None
    nodes: list[Node]


def tree(plan: Plan) -> Tree | None:
    """The tree of a plan of real scattering with local or global averages; None of any other plan."""
    if len(plan.inputs) != 1 or len(plan.outputs) != 1 or plan.parameters or plan.state:
        return None
    if any(
        register.is_complex for name, register in plan.registers if name in (*plan.inputs, plan.outputs[0][0])
    ):
        return None
    rows = _rows(plan)
    if rows is None:
        return None
    found = Tree(None, [])
    nodes: dict[str, int] = {}

    def add(name: str) -> None:
        channels, *sizes = plan.register[name].space.shape
        nodes[name] = len(found.nodes)
        found.nodes.append(Node(name, tuple(sizes), channels))

    first = plan.ops[0]
    found.pad = first if isinstance(first, Pad) else None
    add(plan.inputs[0] if found.pad is None else first.dst)
    for op in plan.ops[found.pad is not None :]:
        if isinstance(op, Concat | Take):
            continue
        if op.srcs[0] not in nodes:
            return None
        node = found.nodes[nodes[op.srcs[0]]]
        if isinstance(op, Spectrum) and op.ndim == len(node.sizes):
            nodes[op.dst] = nodes[op.srcs[0]]
        elif isinstance(op, Bandpass) and type(op.rho) is Modulus:
            add(op.dst)
            node.edges.append((op, nodes[op.dst]))
        elif isinstance(op, Lowpass) and node.lowpass is None and op.dst in rows:
            node.lowpass, node.rows = op, rows[op.dst]
        else:
            return None
    return found if all(node.lowpass for node in found.nodes) else None


def _rows(plan: Plan) -> dict[str, NDArray[np.int32]] | None:
    """Registers that the output is joined from: the output's row of each channel, −1 where it has none."""
    recipes = dict(plan.constants)
    (out, _), *_ = plan.outputs
    rows = {out: np.arange(plan.register[out].space.shape[0], dtype=np.int32)}
    for op in reversed(plan.ops):
        if op.dst not in rows:
            continue
        if isinstance(op, Take):
            order = recipes[op.srcs[1]]
            if not isinstance(order, Order) or len(set(order.positions)) < len(order.positions):
                return None
            source = np.full(plan.register[op.srcs[0]].space.shape[0], -1, np.int32)
            source[list(order.positions)] = rows.pop(op.dst)
            rows[op.srcs[0]] = source
        elif isinstance(op, Concat):
            left = rows.pop(op.dst)
            for name in op.srcs:
                count = plan.register[name].space.shape[0]
                if name in rows:
                    return None
                rows[name], left = left[:count], left[count:]
    return rows


class Cascade:
    """A tree with its constants, ready to be called. Keeps what the kernels point at alive."""

    def __init__(self, plan: Plan, found: Tree, constants: Mapping[str, NDArray[Any]], dtype: str) -> None:
        self._library, _ = load()
        assert self._library is not None
        self._dtype, self._kept = dtype, [constants]
        channels, *outputs = plan.register[plan.outputs[0][0]].space.shape
        self.shape = (channels, *outputs)
        sizes = plan.register[plan.inputs[0]].space.shape[1:]
        padded = found.nodes[0].sizes
        index: list[NDArray[Any] | None] = [None] * len(sizes)
        if found.pad is not None:
            index = [np.ascontiguousarray(constants[name], np.int32) for name in found.pad.srcs[1:]]
        self.cost = 0
        self.pointer = None
        shapes = [kernels.shape(node.sizes, dtype) for node in found.nodes]
        if None in shapes:
            return
        edges = sum(len(node.edges) for node in found.nodes)
        self.pointer = self._library["tree_new", dtype](
            len(sizes), self._numbers(sizes), self._numbers(padded), self._pointers(index),
            math.prod(outputs), channels, len(found.nodes), edges,
        )  # fmt: skip
        if not self.pointer:
            raise MemoryError("No memory for the tree of a plan.")
        first = 0
        for at, (node, shape) in enumerate(zip(found.nodes, shapes, strict=True)):
            self.cost += 2 * node.count * math.prod(node.sizes)
            self._node(at, node, shape, first, constants)
            for op, child in node.edges:
                self._edge(first, child, op, node, shapes[child], constants)
                first += 1

    def __del__(self) -> None:
        if getattr(self, "pointer", None) and self._library is not None:
            self._library["tree_free", self._dtype](self.pointer)

    def __call__(self, x: NDArray[Any], out: NDArray[Any], workers: int) -> None:
        """x: (B, 1, *sizes), out: (B, *self.shape), contiguous."""
        assert self._library is not None
        call, batch = self._library["tree", self._dtype], len(x)
        t, a, b = self.pointer, x.ctypes.data, out.ctypes.data
        cost = self.cost * batch
        if batch >= 2 * workers:
            kernels.run(lambda s, lo, hi: call(s, t, a, b, lo, hi, 0, 1), batch, cost, workers)
        else:  # each thread takes some of the first wavelets
            parts = kernels.parts(cost, workers)
            kernels.run(lambda s, lo, hi: call(s, t, a, b, 0, batch, lo, parts), parts, cost, parts)

    def gradient(self, x: NDArray[Any], gradient: NDArray[Any], out: NDArray[Any], workers: int) -> None:
        """The gradient by x, to ``out``, from that by the coefficients; all contiguous."""
        assert self._library is not None
        call, batch = self._library["tree_vjp", self._dtype], len(x)
        t, a, g, b = self.pointer, x.ctypes.data, gradient.ctypes.data, out.ctypes.data
        cost = 3 * self.cost * batch
        if batch >= 2 * workers:
            kernels.run(lambda s, lo, hi: call(s, t, a, g, b, lo, hi, 0, 1), batch, cost, workers)
            return
        parts = kernels.parts(cost, workers)
        sums = [out, *(np.empty_like(out) for _ in range(parts - 1))]
        to = [each.ctypes.data for each in sums]
        kernels.run(lambda s, lo, hi: call(s, t, a, g, to[lo], 0, batch, lo, parts), parts, cost, parts)
        for other in sums[1:]:
            out += other

    def _node(
        self, at: int, node: Node, shape: kernels.Shape, first: int, constants: Mapping[str, NDArray[Any]]
    ) -> None:
        op = node.lowpass
        assert op is not None
        bands = [
            band(constants[name], frames, n, count)
            for name, frames, n, count in zip(op.srcs[1:], op.frames, node.sizes, op.counts, strict=True)
        ]
        self._library["tree_node", self._dtype](
            self.pointer, at, shape.pointer, first, len(node.edges), self._data(node.rows), len(bands),
            self._data(np.array([b.axis for b in bands], np.int64)),
            self._pointers([b.start for b in bands]), self._pointers([b.weights for b in bands]),
        )  # fmt: skip
        self._kept.append(shape)

    def _edge(
        self,
        at: int,
        child: int,
        op: Bandpass,
        node: Node,
        shape: kernels.Shape,
        constants: Mapping[str, NDArray[Any]],
    ) -> None:
        filters = constants[op.srcs[1]]
        whole = filters.shape[1]
        if op.part is not None:
            filters = filters[:, slice(*op.part)]
        sizes = filters.shape[2:-1]
        axes, bins = kernels.window(node.sizes, sizes, tuple(op.segments), tuple(op.fold))
        enough = self._library["tree_edge", self._dtype](
            self.pointer, at, child, shape.pointer, len(sizes), self._data(axes), self._data(bins),
            self._data(live(filters, shape.rows)), filters.ctypes.data, filters.shape[1], whole,
        )  # fmt: skip
        if not enough:
            raise MemoryError("No memory for the tables of a plan.")
        self._kept.append(filters)

    def _data(self, x: NDArray[Any]) -> int:
        self._kept.append(x)
        return x.ctypes.data

    def _numbers(self, values: Sequence[int]) -> int:
        return self._data(np.array(values, np.int64))

    def _pointers(self, arrays: Sequence[NDArray[Any] | None]) -> Any:
        self._kept.append(arrays)
        return (ctypes.c_void_p * len(arrays))(*(None if a is None else a.ctypes.data for a in arrays))


def live(filters: NDArray[Any], rows: int) -> NDArray[np.int32]:
    """The first row that matters and the one behind, by filter and alias; filters: (K, P, n_1, …, 1)."""
    size = np.abs(filters).reshape(*filters.shape[:2], rows, -1).max(-1)
    least = NEGLIGIBLE * np.finfo(filters.dtype).eps * size.max((0, 2), keepdims=True)
    matters = size > least
    some = matters.any(-1)
    lo = np.where(some, matters.argmax(-1), 0)
    hi = np.where(some, rows - matters[..., ::-1].argmax(-1), 0)
    return np.ascontiguousarray(np.stack([lo, hi], -1).transpose(1, 0, 2), np.int32)


class Arrays(Protocol):
    """What tells about the arrays of a framework."""

    def views(self, *xs: Any) -> list[NDArray[Any]] | None: ...

    def address(self, x: Any) -> int: ...


class Cascades:
    """The cascades of plans, one of each, its constants and type, as long as the plan lives."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[Any, list[int], Cascade | None]] = {}

    def of(self, plan: Plan, constants: Mapping[str, Any], dtype: str, xp: Arrays) -> Cascade | None:
        """The cascade, or None of plans that are no tree, and where somebody learns the constants."""
        key = id(plan), dtype
        addresses = [xp.address(constants[name]) for name, _ in plan.constants]
        kept = self._kept.get(key)
        if kept is not None and kept[0]() is plan and kept[1] == addresses:
            return kept[2]
        found, made = tree(plan), None
        if found is not None:
            names = [name for name, _ in plan.constants]
            views = xp.views(*(constants[name] for name in names))
            if views is None:
                return None
            dense = map(np.ascontiguousarray, views)
            made = Cascade(plan, found, dict(zip(names, dense, strict=True)), dtype)
            made = made if made.pointer else None
        self._kept[key] = weakref.ref(plan, lambda _: self._kept.pop(key, None)), addresses, made
        return made
