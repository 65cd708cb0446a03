"""What a descent makes small: ‖S(x) − target‖² on a framework, as a function of numbers on the host."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.action import WORKING
from groupscat.backend import Array, Backend, backend_of
from groupscat.checks import integer
from groupscat.errors import ArgumentError, DtypeError, NotFiniteError, ShapeError
from groupscat.execute import COMPLEX
from groupscat.inversion.methods import Vector

#: The real element type of each that can be computed in.
REAL = {"float32": "float32", "float64": "float64", "complex64": "float32", "complex128": "float64"}


class Problem:
    """‖S(x) − goal‖² / ‖goal‖² and its gradient, as a function of a vector of real numbers on the host."""

    def __init__(
        self, S: Callable[[Any], Any], goal: Array, backend: Backend, shape: tuple[int, ...]
    ) -> None:
        self.S, self.goal, self.backend, self.shape = S, goal, backend, shape
        self.real = REAL[backend.dtype(goal)]
        self.is_complex = bool(getattr(S, "complex_input", False))
        norm = float(np.linalg.norm(backend.to_numpy(goal)))
        self.weight = 1 / norm**2 if norm else 1.0

    def array(self, z: Vector) -> Array:
        """The signal of the framework whose numbers are z."""
        values = z.view(np.complex128) if self.is_complex else z
        dtype = COMPLEX[self.real] if self.is_complex else self.real
        return self.backend.asarray(values.reshape(self.shape), dtype=dtype, like=self.goal)

    def vector(self, x: NDArray[Any]) -> Vector:
        """The numbers of a signal or gradient."""
        wide = np.ascontiguousarray(x, np.complex128 if self.is_complex else np.float64)
        return wide.reshape(-1).view(np.float64)

    def start(self, given: Array | None, seed: int) -> Vector:
        """The first x: the given one, or noise whose coefficients are as near the goal as its scale can."""
        if given is not None:
            values = backend_of(given).to_numpy(given)
            self.is_complex = self.is_complex or np.iscomplexobj(values)
            self._check(self.S(self.array(self.vector(values))))
            return self.vector(values)
        z = np.random.default_rng(seed).standard_normal(math.prod(self.shape) * (2 if self.is_complex else 1))
        y = self.S(self.array(z))
        self._check(y)
        found, goal = (self.backend.to_numpy(a).ravel() for a in (y, self.goal))
        energy = np.vdot(found, found).real
        scale = abs(np.vdot(found, goal)) / energy if energy else 1.0
        return z * (scale if np.isfinite(scale) and scale else 1.0)

    def loss(self, x: Array) -> Array:
        gap = self.S(x) - self.goal
        backend, axes = self.backend, tuple(range(len(self.backend.shape(self.goal))))
        parts = [backend.real(gap), backend.imag(gap)] if backend.is_complex(gap) else [gap]
        squares = [backend.sum(part * part, axes) for part in parts]
        return (squares[0] if len(squares) == 1 else squares[0] + squares[1]) * self.weight

    def __call__(self, z: Vector) -> tuple[float, Vector]:
        value, gradient = self.backend.value_and_grad(self.loss, self.array(z))
        return float(self.backend.to_numpy(value)), self.vector(self.backend.to_numpy(gradient))

    def _check(self, y: Any) -> None:
        """Refuse what is not the target's kind of array."""
        if not self.backend.owns(y):
            raise ArgumentError(
                f"S returns {type(y).__module__}.{type(y).__qualname__}, expected one array of "
                f"{self.backend.name}. Wrap S in a function that returns one array of the framework."
            )
        found, wanted = tuple(self.backend.shape(y)), tuple(self.backend.shape(self.goal))
        if found != wanted:
            raise ShapeError(
                f"target has shape {wanted}, but S gives {found} for an x of shape {self.shape}. The target "
                "belongs to another operator or shape: compute it with S, or pass shape= or start=."
            )


def goal_on(engine: Backend, device: str | None, source: Backend, target: Array) -> Array:
    """The target where the descent computes, in its element type or, for halves and integers, a wider one."""
    if not engine.differentiates:
        engine.value_and_grad(lambda x: x, target)  # raises, naming the frameworks that can
    dtype = source.dtype(target)
    if dtype in WORKING:
        dtype, target = WORKING[dtype], source.cast(target, WORKING[dtype])
    if dtype not in REAL:
        raise DtypeError(f"target has dtype {dtype}; expected real or complex floats. Convert it first.")
    values = source.to_numpy(target)
    if not values.size:
        raise ShapeError(f"target has shape {values.shape}, no coefficients; expected those of some signal.")
    if not np.isfinite(values).all():
        raise NotFiniteError("target holds NaN or infinity, which no signal has as its coefficients.")
    if engine is source and device is None:
        return engine.asarray(values, dtype=dtype, like=target)  # detached
    return engine.put(values, dtype, device)


def shape_of_x(
    S: Any, target: tuple[int, ...], start: Array | None, shape: int | tuple[int, ...] | None
) -> tuple[int, ...]:
    if getattr(S, "out_type", "array") != "array":
        raise ArgumentError(
            f'S has out_type={S.out_type!r}, a target is one array: use S.replace(out_type="array").'
        )
    if shape is not None:
        sizes = shape if isinstance(shape, Sequence) else (shape,)
        shape = tuple(integer(f"shape[{k}]", n, 1) for k, n in enumerate(sizes))
    if start is not None:
        found = tuple(backend_of(start).shape(start))
        if shape is not None and shape != found:
            raise ShapeError(f"start has shape {found}, but shape={shape}. Leave one of them out.")
        return found
    if shape is not None:
        return shape
    inside, outside = getattr(S, "shape", None), getattr(S, "output_shape", None)
    if inside is None or outside is None:
        raise ArgumentError(
            f"{type(S).__name__} does not say the shape of its input: pass shape=, or start=, the first x."
        )
    lead = target[: max(0, len(target) - len(outside))]
    if target[len(lead) :] != tuple(outside):
        raise ShapeError(
            f"target has shape {target}, but coefficients of this {type(S).__name__} have the trailing shape "
            f"{tuple(outside)}. The target belongs to another operator: compute it with S."
        )
    return (*lead, *inside)
