"""Whole plans of wavelet moduli in one call: the kernels walk their trees depth first."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.plan.ops import Bandpass
from groupscat.plan.plan import Plan
from groupscat_native import kernels, shapes
from groupscat_native.bands import Band, band, live_rows
from groupscat_native.library import library
from groupscat_native.pointers import Memory, Pointers, fits
from groupscat_native.program import Make
from groupscat_native.shapes import Shape
from groupscat_native.tree import Node, Tree

Constants = Mapping[str, NDArray[Any]]


def known(plan: Plan, found: Tree, constants: Constants, dtype: str) -> bool:
    """Whether the constants are what the kernels take: real, of the type of the signals, and in their bounds.

    Filters are (K, P, n_1, …, 1) as :class:`groupscat_native.verbs.NativeVerbs` prepares them.
    """
    filters = [constants[op.srcs[1]] for node in found.nodes for op, _ in node.edges]
    matrices = [constants[name] for node in found.nodes if node.average for name in node.average[0].srcs[1:]]
    if any(each.dtype != dtype for each in (*filters, *matrices)) or any(f.shape[-1] != 1 for f in filters):
        return False
    if found.pad is not None:
        sizes = plan.register[plan.inputs[0]].space.shape[1:]
        for name, size in zip(found.pad.srcs[1:], sizes, strict=True):
            index = constants[name]
            if index.min(initial=0) < -1 or index.max(initial=0) >= size:
                return False
    return True


def _once(constants: Constants) -> Make:
    """``make(constant, *rest)`` by name of the constant, once for all nodes that need the same."""
    kept: dict[Any, Any] = {}

    def made(make: Callable[..., Any], name: str, *rest: Any) -> Any:
        key = make, name, rest
        if key not in kept:
            kept[key] = make(constants[name], *rest)
        return kept[key]

    return made


class Cascade:
    """A tree with its constants, ready to be called. Keeps what the kernels point at alive.

    ``complete`` is False where the kernels do not know a length or a window; such a cascade is not called.
    """

    def __init__(self, plan: Plan, found: Tree, constants: Constants, dtype: str) -> None:
        self._library, self._dtype = library(), dtype
        self._pointers, self._lock = Pointers(), threading.Lock()
        self._nodes: list[tuple[tuple[Any, ...], list[Band]]] = []
        self._pointers.keep(constants)
        self.pointer, self.complete, self.cost = None, False, 0
        #: Shapes of a signal and of its coefficients.
        self.given = plan.register[plan.inputs[0]].space.shape
        self.shape = plan.register[plan.outputs[0][0]].space.shape
        self.made = [(self.shape, dtype)]
        forms = [each for node in found.nodes if (each := shapes.shape(node.sizes, dtype)) is not None]
        if len(forms) < len(found.nodes):
            return
        sizes, padded = self.given[1:], found.nodes[0].sizes
        index: list[NDArray[Any] | None] = [None] * len(sizes)
        if found.pad is not None:
            index = [np.ascontiguousarray(constants[name], np.int32) for name in found.pad.srcs[1:]]
        self.pointer = self._library["tree_new", dtype](
            len(sizes), self._pointers.numbers(sizes), self._pointers.numbers(padded),
            self._pointers.list(index),
            math.prod(self.shape[1:]), self.shape[0], len(found.nodes),
            sum(len(node.edges) for node in found.nodes),
        )  # fmt: skip
        if not self.pointer:
            raise MemoryError("No memory for the tree of a plan.")
        first, made = 0, _once(constants)
        for at, (node, shape) in enumerate(zip(found.nodes, forms, strict=True)):
            self.cost += 2 * node.count * math.prod(node.sizes)
            self._nodes.append(self._node(at, node, shape, first, made))
            self._describe(self._nodes[-1], adjoint=False)
            for op, child in node.edges:
                if not self._edge(first, child, op, node, forms[child], constants[op.srcs[1]], made):
                    return
                first += 1
        self.complete = True

    def __del__(self) -> None:
        if self.pointer:
            self._library["tree_free", self._dtype](self.pointer)

    def __call__(self, given: Sequence[Memory], made: Sequence[Memory], workers: int) -> bool:
        """x: (B, *self.given), out: (B, *self.shape); whether that is so."""
        (x,), (out,), dtype = given, made, self._dtype
        call, batch = self._library["tree", dtype], x.shape[0]
        if not (fits(x, (batch, *self.given), dtype) and fits(out, (batch, *self.shape), dtype)):
            return False
        t, a, b, held = self.pointer, x.address, out.address, (self, x, out)
        cost = self.cost * batch
        parts = kernels.parts(cost, workers)
        if batch >= 2 * workers or parts == 1:
            return kernels.run(lambda s, lo, hi: call(s, t, a, b, lo, hi), batch, cost, workers, held)
        shared = self._library["tree_shared", dtype]
        return kernels.together(lambda s, team, leads: shared(s, t, team, a, b, batch, leads), parts, held)

    def gradient(self, x: NDArray[Any], gradient: NDArray[Any], out: NDArray[Any], workers: int) -> bool:
        """The gradient by x, to ``out``, from that by the coefficients; all contiguous, or False."""
        call, batch = self._library["tree_vjp", self._dtype], len(x)
        wanted = {(batch, *self.given): (x, out), (batch, *self.shape): (gradient,)}
        if not all(shapes.fits(a, shape, self._dtype) for shape, some in wanted.items() for a in some):
            return False
        self._differentiable()
        t, a, g, b = self.pointer, x.ctypes.data, gradient.ctypes.data, out.ctypes.data
        cost = 3 * self.cost * batch
        if batch >= 2 * workers:
            held: tuple[Any, ...] = self, x, gradient, out
            return kernels.run(
                lambda s, lo, hi: call(s, t, a, g, b, lo, hi, 0, 1), batch, cost, workers, held
            )
        parts = kernels.parts(cost, workers)
        sums = [out, *(np.empty_like(out) for _ in range(parts - 1))]
        to, held = [each.ctypes.data for each in sums], (self, x, gradient, *sums)
        kernels.run(lambda s, lo, _: call(s, t, a, g, to[lo], 0, batch, lo, parts), parts, cost, parts, held)
        for other in sums[1:]:
            out += other
        return True

    def _node(
        self, at: int, node: Node, shape: Shape, first: int, made: Make
    ) -> tuple[tuple[Any, ...], list[Band]]:
        """What the kernels are told of a node, and its averages."""
        assert node.average is not None
        op, rows = node.average
        bands = [
            made(band, name, frames, n, count)
            for name, frames, n, count in zip(op.srcs[1:], op.frames, node.sizes, op.counts, strict=True)
        ]
        self._pointers.keep(shape)
        return (at, shape.pointer, first, len(node.edges), self._pointers.data(rows)), bands

    def _describe(self, node: tuple[tuple[Any, ...], list[Band]], adjoint: bool) -> None:
        head, bands = node
        told = self._pointers.bands(bands, adjoint and len(bands) > 1)
        self._library["tree_node", self._dtype](self.pointer, *head, *told)

    def _differentiable(self) -> None:
        """Gradients read the averages by samples, which are made for the first of them."""
        with self._lock:
            nodes, self._nodes = self._nodes, []
            for node in nodes:
                self._describe(node, adjoint=True)

    def _edge(
        self,
        at: int,
        child: int,
        op: Bandpass,
        node: Node,
        shape: Shape,
        filters: NDArray[Any],
        made: Make,
    ) -> bool:
        whole, live = filters.shape[1], made(live_rows, op.srcs[1], shape.rows)
        if op.part is not None:
            filters, live = filters[:, slice(*op.part)], live[slice(*op.part)]
        sizes = filters.shape[2:-1]
        found = shapes.window(node.sizes, sizes, tuple(op.segments), tuple(op.fold))
        if found is None or len(filters) != math.prod(op.fold):
            return False
        axes, bins = found
        enough = self._library["tree_edge", self._dtype](
            self.pointer, at, child, shape.pointer, len(sizes), self._pointers.data(axes),
            self._pointers.data(bins), self._pointers.data(live),
            filters.ctypes.data, filters.shape[1], whole,
        )  # fmt: skip
        if not enough:
            raise MemoryError("No memory for the tables of a plan.")
        return True
