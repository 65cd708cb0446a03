"""Arrays that a graph will compute: expressions over its inputs, real or as a real and an imaginary part."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Lengths of axes; None: the batch, which is known when the graph runs.
Shape = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Tensor:
    """A real array: an input of the graph, a constant (it has a value) or what an operation makes of others.

    ``name``: what the graph calls it; "" leaves that open.
    """

    shape: Shape
    dtype: str
    op: str = ""
    inputs: tuple[Tensor, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    value: NDArray[Any] | None = None
    name: str = ""

    # NumPy must not take an expression for a number.
    __array_ufunc__ = None
    __hash__ = object.__hash__

    def __add__(self, other: Any) -> Tensor:
        return pointwise("Add", self, other)

    def __sub__(self, other: Any) -> Tensor:
        return pointwise("Sub", self, other)

    def __mul__(self, other: Any) -> Tensor:
        return pointwise("Mul", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return pointwise("Sub", other, self)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Tensor:
        return node("Neg", self, shape=self.shape)

    def __lt__(self, other: Any) -> Tensor:
        return pointwise("Less", self, other, "bool")

    def __le__(self, other: Any) -> Tensor:
        return pointwise("LessOrEqual", self, other, "bool")

    def __gt__(self, other: Any) -> Tensor:
        return pointwise("Greater", self, other, "bool")

    def __ge__(self, other: Any) -> Tensor:
        return pointwise("GreaterOrEqual", self, other, "bool")

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return pointwise("Equal", self, other, "bool")

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return ~(self == other)

    def __invert__(self) -> Tensor:
        return node("Not", self, shape=self.shape)

    def __bool__(self) -> bool:
        raise TypeError("a value that is known only when the graph runs decides what is in it")

    def __getitem__(self, part: Any) -> Tensor:
        part = part if isinstance(part, tuple) else (part,)
        missing = len(self.shape) - sum(p is not None and p is not Ellipsis for p in part)
        at = next((k for k, p in enumerate(part) if p is Ellipsis), len(part))
        part = (*part[:at], *(slice(None),) * missing, *part[at + 1 :])
        if self.value is not None and not self.name:
            return constant(self.value[part])
        return _rearranged(_sliced(self, [p for p in part if p is not None]), part)


@dataclass(frozen=True, eq=False)
class Complex:
    """A complex array: ONNX has no arithmetic of complex numbers."""

    re: Tensor
    im: Tensor

    __array_ufunc__ = None

    @property
    def shape(self) -> Shape:
        return self.re.shape

    @property
    def dtype(self) -> str:
        return "complex64" if self.re.dtype == "float32" else "complex128"

    def __add__(self, other: Complex) -> Complex:
        return Complex(self.re + other.re, self.im + other.im)

    def __sub__(self, other: Complex) -> Complex:
        return Complex(self.re - other.re, self.im - other.im)

    def __mul__(self, other: Any) -> Complex:
        if not isinstance(other, Complex):
            return Complex(self.re * other, self.im * other)
        re = self.re * other.re - self.im * other.im
        return Complex(re, self.re * other.im + self.im * other.re)

    __rmul__ = __mul__

    def __neg__(self) -> Complex:
        return Complex(-self.re, -self.im)

    def __getitem__(self, part: Any) -> Complex:
        return Complex(self.re[part], self.im[part])


def constant(value: Any, dtype: str | None = None, name: str = "") -> Tensor:
    array = np.ascontiguousarray(value, dtype)
    return Tensor(np.shape(value), array.dtype.name, value=array.reshape(np.shape(value)), name=name)


def integers(values: Iterable[int]) -> Tensor:
    """What ONNX takes shapes, axes and positions from."""
    return constant(list(values), "int64")


def node(op: str, *inputs: Tensor, shape: Sequence[int | None], dtype: str = "", **attributes: Any) -> Tensor:
    """The result of an operation; it has the type of its first input unless another one is given."""
    return Tensor(tuple(shape), dtype or inputs[0].dtype, op, inputs, attributes)


def pointwise(op: str, x: Any, y: Any, dtype: str = "") -> Tensor:
    """An operation on the elements of two arrays of one type, or of one and a number."""
    own = x if isinstance(x, Tensor) else y
    x, y = (a if isinstance(a, Tensor) else _number(a, own.dtype) for a in (x, y))
    return node(op, x, y, shape=broadcast(x.shape, y.shape), dtype=dtype)


def _number(x: Any, dtype: str) -> Tensor:
    if not isinstance(x, int | float | np.integer | np.floating):
        raise TypeError(f"{type(x).__name__} meets a {dtype} array of the graph")
    return constant(np.asarray(x, dtype))


def broadcast(x: Shape, y: Shape) -> Shape:
    rank = max(len(x), len(y))
    pairs = zip((1,) * (rank - len(x)) + x, (1,) * (rank - len(y)) + y, strict=True)
    return tuple(m if n == 1 else n for m, n in pairs)


def reshape(x: Tensor, shape: Sequence[int | None]) -> Tensor:
    """−1, at most once, is what is left; so is None, the batch."""
    sizes = [-1 if n is None else n for n in shape]
    if -1 in sizes and None not in x.shape:
        sizes[sizes.index(-1)] = math.prod(n or 0 for n in x.shape) // max(1, -math.prod(sizes))
    after = tuple(None if n == -1 else n for n in sizes)
    if after == x.shape:
        return x
    return node("Reshape", x, integers(sizes), shape=after, allowzero=int(0 in sizes))


def transpose(x: Tensor, order: Sequence[int]) -> Tensor:
    shape = [x.shape[k] for k in order]
    return node("Transpose", x, shape=shape, perm=list(order)) if list(order) != sorted(order) else x


def _rearranged(x: Tensor, part: Sequence[Any]) -> Tensor:
    """x, one axis per slice or integer of the part, without the axes of integers, with new ones for None."""
    kept = [p for p in part if p is not None]
    gone = [k for k, p in enumerate(kept) if not isinstance(p, slice)]
    if gone:
        shape = [n for k, n in enumerate(x.shape) if k not in gone]
        x = node("Squeeze", x, integers(gone), shape=shape)
    left = [p for p in part if p is None or isinstance(p, slice)]
    new = [k for k, p in enumerate(left) if p is None]
    if not new:
        return x
    lengths = iter(x.shape)
    return node("Unsqueeze", x, integers(new), shape=[1 if p is None else next(lengths) for p in left])


def _sliced(x: Tensor, part: Sequence[Any]) -> Tensor:
    """One slice or integer per axis; an integer leaves an axis of length 1."""
    axes, ranges = [], []
    shape = list(x.shape)
    for axis, (p, n) in enumerate(zip(part, x.shape, strict=True)):
        if isinstance(p, slice) and p == slice(None):
            continue
        if n is None:
            raise TypeError("a part of the batch is taken, whose length is known only when the graph runs")
        p = p if isinstance(p, slice) else slice(p % n, p % n + 1)
        start, stop, step = p.indices(n)
        count = len(range(start, stop, step))
        if (start, step, count) != (0, 1, n):
            axes.append(axis)
            # Before the first sample, going backwards: ONNX counts −1 from the end.
            ranges.append((start, stop if stop >= 0 else -n - 1, step))
            shape[axis] = count
    if not axes:
        return x
    starts, stops, steps = map(integers, zip(*ranges, strict=True))
    return node("Slice", x, starts, stops, integers(axes), steps, shape=shape)
