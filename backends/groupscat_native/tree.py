"""Plans of wavelet moduli as trees of arrays, wavelets and averages."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groupscat.plan.constants import Order
from groupscat.plan.ops import Bandpass, Concat, Lowpass, Pad, Spectrum, Take
from groupscat.plan.plan import Plan
from groupscat.plan.rho import Modulus


@dataclass
class Node:
    """A register of real arrays: the wavelets that filter it, its averages and the rows they go to."""

    register: str
    sizes: tuple[int, ...]
    count: int
    average: tuple[Lowpass, NDArray[np.int32]] | None = None
    edges: list[tuple[Bandpass, int]] = field(default_factory=list)


@dataclass
class Tree:
    """The nodes of a plan, the first one its (padded) input."""

    pad: Pad | None
    nodes: list[Node]


def tree(plan: Plan) -> Tree | None:
    """The tree of a plan of real scattering with local or global averages; None of any other plan."""
    if len(plan.inputs) != 1 or len(plan.outputs) != 1 or plan.parameters or plan.state or not plan.ops:
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

    if isinstance(plan.ops[0], Pad):
        found.pad = plan.ops[0]
    add(plan.inputs[0] if found.pad is None else found.pad.dst)
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
        elif isinstance(op, Lowpass) and node.average is None and op.dst in rows:
            node.average = op, rows[op.dst]
        else:
            return None
    alone = found.nodes[0].count == 1  # one channel, as the kernels count
    return found if alone and all(node.average for node in found.nodes) else None


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
