"""What the matrices of a network are held to while it is trained: as data, one step after every step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

from groupscat.backend import Array, Backend
from groupscat.checks import integer, positive
from groupscat.errors import ArgumentError
from groupscat.nn.initial import Initial, Orthogonal

#: Keeps the zero matrix from dividing by zero; its inverse is finite in float32.
TINY = 1e-30


class Constraint(ABC):
    """A condition on a matrix. Frozen: networks that have one stay data."""

    @abstractmethod
    def __call__(self, xp: Backend, w: Array) -> Array:
        """One step of the real matrix w (rows, columns) towards the condition, in primitives of a backend."""

    def start(self, initial: Initial) -> Initial:
        """How a matrix starts that would start as ``initial`` without the condition."""
        return initial

    def __repr__(self) -> str:
        given = ((f.name, getattr(self, f.name), f.default) for f in fields(self))  # type: ignore[arg-type]
        shown = ", ".join(f"{name}={value!r}" for name, value, default in given if value != default)
        return f"{type(self).__name__}({shown})"


@dataclass(frozen=True, repr=False)
class SpectralBound(Constraint):
    """‖W‖ ≤ bound, the norm being the largest singular value: W ← W / max(1, ‖W‖_p / bound).

    ‖W‖_p = (Σ σᵢᵖ)^{1/p} of the singular values σᵢ of W, with p = 2^{squarings + 2}, is found by squaring
    W Wᵀ ``squarings`` times: no start, nothing random. As ‖W‖ ≤ ‖W‖_p ≤ rank(W)^{1/p} ‖W‖, the condition
    holds after every step, up to rounding, and W is made smaller than it has to be by rank^{1/p} at most, by
    2.5 % for p = 256 and rank 512. A second step changes nothing.

    Parameters
    ----------
    bound : > 0. squarings : ≥ 0; each costs a product of two matrices as large as the shorter side of W.

    Source: Delattre, Barthélemy, Araujo, Allauzen 2023, "Efficient bound of Lipschitz constant for
    convolutional layers by Gram iteration".

    >>> import numpy as np
    >>> from groupscat.backend import get_backend
    >>> w = SpectralBound()(get_backend("numpy"), np.diag([4.0, 1.0, 0.0]))
    >>> np.round(np.linalg.svd(w)[1], 6).tolist()
    [1.0, 0.25, 0.0]
    """

    bound: float = 1.0
    squarings: int = 6

    def __post_init__(self) -> None:
        positive("bound", self.bound)
        integer("squarings", self.squarings, 0)

    def __call__(self, xp: Backend, w: Array) -> Array:
        above = self.norm(xp, w) * (1 / self.bound) - 1.0
        return w * xp.power(xp.relu(above) + 1.0, -1.0)

    def norm(self, xp: Backend, w: Array) -> Array:
        """‖W‖_p, shape (1, 1)."""
        # Scaled before each product: powers of norms above 1 would overflow.
        largest = xp.reshape(xp.max(xp.modulus(w), (0, 1)), (1, 1)) + TINY
        w = w * xp.power(largest, -1.0)
        rows, columns = xp.shape(w)
        gram = xp.matmul(w, xp.moveaxis(w, 0, 1)) if rows <= columns else xp.matmul(xp.moveaxis(w, 0, 1), w)
        norm = largest
        for k in range(self.squarings + 1):
            size = xp.power(xp.reshape(xp.sum(gram * gram, (0, 1)), (1, 1)), 0.5) + TINY
            norm = norm * xp.power(size, 0.5 ** (k + 1))
            gram = gram * xp.power(size, -1.0)
            if k < self.squarings:
                gram = xp.matmul(gram, gram)
        return norm


@dataclass(frozen=True, repr=False)
class Parseval(Constraint):
    """A tight frame, WᵀW = Id, or W Wᵀ = Id where W has fewer rows: W ← (1 + rate) W − rate W WᵀW.

    That is a step down the gradient of rate/4 ‖WᵀW − Id‖², and takes every singular value σ to
    (1 + rate) σ − rate σ³: those in (0, √(1 + 1/rate)) approach 1, the rest by a factor 1 − 2 rate each time.
    With rate ½ it is the Newton-Schulz iteration, which doubles the correct digits. The weight starts
    orthogonal.

    Parameters
    ----------
    rate : β, 0 < rate ≤ ½.

    Source: Cisse, Bojanowski, Grave, Dauphin, Usunier 2017, "Parseval networks"; Zarka, Guth, Mallat 2021,
    "Separation and concentration in deep networks", with β = 5·10⁻⁴ after every step of training.

    >>> import numpy as np
    >>> from groupscat.backend import get_backend
    >>> step, w = Parseval(rate=0.5), np.array([[0.5], [0.5]])
    >>> for _ in range(6):
    ...     w = step(get_backend("numpy"), w)
    >>> bool(abs(w.T @ w - 1) < 1e-12)
    True
    """

    rate: float = 5e-4

    def __post_init__(self) -> None:
        if positive("rate", self.rate) > 0.5:
            raise ArgumentError(f"rate={self.rate!r}: expected a number above 0 and at most 0.5.")

    def __call__(self, xp: Backend, w: Array) -> Array:
        transposed = xp.moveaxis(w, 0, 1)
        rows, columns = xp.shape(w)
        # The smaller product first: (W Wᵀ) W = W (Wᵀ W).
        product = (
            xp.matmul(xp.matmul(w, transposed), w)
            if rows <= columns
            else xp.matmul(w, xp.matmul(transposed, w))
        )
        return w * (1 + self.rate) - product * self.rate

    def start(self, initial: Initial) -> Initial:
        return Orthogonal()


def checked(constraint: object) -> Constraint | None:
    """``constraint`` if it is one, or None.

    Raises
    ------
    ArgumentError : it is neither.
    """
    if constraint is None or isinstance(constraint, Constraint):
        return constraint
    raise ArgumentError(
        f"constraint={constraint!r}: expected groupscat.nn.SpectralBound(), groupscat.nn.Parseval() or None."
    )
