"""How parameters and state start: as data, drawn in NumPy, so that every framework starts from the same."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class Initial(ABC):
    """The first values of an array of some shape."""

    @abstractmethod
    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Constant(Initial):
    """The same number everywhere."""

    value: float

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Normal(Initial):
    """Independent Gaussian numbers of mean 0.

    Source: He, Zhang, Ren, Sun 2015, "Delving deep into rectifiers", eq. 10, for deviation √(2 / fan-in).
    """

    deviation: float

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.normal(0.0, self.deviation, shape)


@dataclass(frozen=True)
class Orthogonal(Initial):
    """A matrix of orthonormal rows, or columns where there are fewer, drawn uniformly.

    >>> W = Orthogonal().draw((3, 5), np.random.default_rng(0))
    >>> bool(np.allclose(W @ W.T, np.eye(3)))
    True
    """

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        rows, columns = shape[0], math.prod(shape[1:])
        q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # unique, hence uniform
        return (q if rows >= columns else q.T).reshape(shape)
