"""Some coefficients of an operator, at what these cost."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from groupscat.backend import Array, Backend
from groupscat.errors import ArgumentError
from groupscat.plan.constants import Recipe
from groupscat.plan.paths import Path
from groupscat.plan.plan import Plan
from groupscat.plan.restrict import restrict
from groupscat.scattering.operator import Operator
from groupscat.wavelets.atom import Atom


class Restricted(Operator):
    """The rows ``rows`` of the output of ``operator``, in this order; made by :meth:`Operator.restrict`.

    Parameters
    ----------
    operator : the whole transform, whose constants are shared. rows : rows of its table of paths.

    Input of shape (..., *shape) gives (..., rows, *grid).

    Raises
    ------
    ArgumentError : rows that do not exist, twice the same, or none.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.Scattering1D(J=4, shape=64)
    >>> some = S.restrict([5, 0])
    >>> x = np.random.default_rng(0).normal(size=(2, 64))
    >>> np.allclose(some(x), S(x)[:, [5, 0]])
    True
    """

    def __init__(self, operator: Operator, rows: tuple[int, ...]) -> None:
        self.operator = operator
        self.rows = tuple(operator._row(row) for row in rows)
        if not self.rows:
            raise ArgumentError("rows=() leaves nothing to compute; give at least one row of paths.")
        if len(set(self.rows)) < len(self.rows):
            raise ArgumentError(f"rows={self.rows} names a path twice; leave out what is repeated.")
        self.shape = operator.shape
        config: dict[str, Any] = {"operator": operator, "rows": self.rows}
        super().__init__(config, operator.out_type, operator.check_finite, operator.complex_input)

    @cached_property
    def plan(self) -> Plan:
        return restrict(self.operator.plan, self.rows)

    @property
    def _recipes(self) -> tuple[tuple[str, Recipe], ...]:
        shared = dict(self.operator.plan.constants)
        return tuple((name, recipe) for name, recipe in self.plan.constants if name not in shared)

    def constants(self, backend: Backend, precision: str, like: Array) -> dict[str, Array]:
        """Those of the whole operator that are read, and which parts of them are."""
        known = self.operator.constants(backend, precision, like) | super().constants(
            backend, precision, like
        )
        return {name: known[name] for name, _ in self.plan.constants}

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self._grid)

    @property
    def _grid(self) -> tuple[int, ...]:
        return self.operator._grid

    def arrange(self, y: Array, leading: tuple[int, ...], backend: Backend) -> Array:
        return backend.reshape(y, (*leading, *self.output_shape))

    def _atoms(self, path: Path) -> tuple[Atom, ...]:
        return self.operator._atoms(path)
