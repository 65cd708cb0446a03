"""What all parts of the contract share: the backend under test, arrays of it, comparisons, drawn cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

from groupscat.backend import Array, Backend, get_backend
from groupscat.testing.tolerances import TOLERANCE, assert_close

PRECISIONS = ("float64", "float32")
COMPLEX = {"float32": "complex64", "float64": "complex128"}


def noise(shape: tuple[int, ...], seed: int = 0, is_complex: bool = False) -> NDArray[Any]:
    """White noise in float64 or complex128."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if is_complex else x


class Contract:
    """The backend under test and how to reach it. Subclasses set ``name``; the rest has defaults."""

    #: Registered name of the backend.
    name: ClassVar[str]
    #: Where arrays are put, by name; None: where ``asarray`` puts them.
    device: ClassVar[str | None] = None
    #: Element types the framework does not have, each with the reason.
    lacks: ClassVar[Mapping[str, str]] = {}
    #: How many cases Hypothesis draws per property.
    examples: ClassVar[int] = 25

    @property
    def xp(self) -> Backend:
        """The backend under test."""
        return get_backend(self.name)

    def put(self, x: Any) -> Array:
        """An array of the framework with the values and the element type of ``x``."""
        x = np.asarray(x)
        self.require(x.dtype.name)
        if self.device is None:
            return self.xp.asarray(x, dtype=x.dtype.name)
        return self.xp.put(x, x.dtype.name, self.device)

    def require(self, *dtypes: str) -> None:
        """Skip the test if the framework lacks one of the element types."""
        for dtype in dtypes:
            if dtype in self.lacks:
                pytest.skip(f"{self.name} has no {dtype}: {self.lacks[dtype]}")

    def gradient(self, function: Callable[[Array], Array], x: NDArray[Any]) -> NDArray[Any]:
        """The gradient of a real-valued ``function`` of one array at ``x``, where the framework has any.

        For complex x the real and the imaginary part of the result are the derivatives by those of x.
        """
        pytest.skip(f"{self.name} does not differentiate")

    def same(self, found: Array, wanted: Any, precision: str = "float64") -> None:
        """``found`` is an array of the framework that equals ``wanted`` in shape and value."""
        assert self.xp.owns(found)
        assert_close(self.xp.to_numpy(found), wanted, 0.0, TOLERANCE[precision])

    def for_all(self, check: Callable[..., None], **drawn: st.SearchStrategy[Any]) -> None:
        """Call ``check`` with ``examples`` drawn cases, the same ones at every run; shrink what fails."""
        settings = hypothesis.settings(
            max_examples=self.examples,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        settings(hypothesis.given(**drawn)(check))()
