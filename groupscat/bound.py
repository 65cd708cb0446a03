"""Operators bound to one framework: the front doors of frameworks without modules of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from groupscat.backend import Array, get_backend
from groupscat.errors import DtypeError
from groupscat.scattering.operator import Operator


class Bound(Operator):
    """Mixin, first among the bases: an operator that takes arrays of one backend and refuses all others.

    Signature and documentation are the operator's.

    >>> import numpy as np, groupscat as gs
    >>> class Scattering1D(Bound, gs.Scattering1D):
    ...     backend_name = "numpy"
    >>> Scattering1D(J=2, shape=16)(np.ones(16)).shape
    (4, 4)
    """

    #: The backend whose arrays are taken.
    backend_name: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _, *operators = cls.__bases__
        if operators and cls.__doc__ is None:
            cls.__doc__ = (
                f"``groupscat.{operators[0].__name__}`` for arrays of {cls.backend_name} only.\n\n"
                f"{operators[0].__doc__}"
            )

    def __call__(self, x: Array, paths: Sequence[int] | None = None) -> Any:
        if not get_backend(self.backend_name).owns(x):
            name = type(self).__name__
            raise DtypeError(
                f"groupscat.{self.backend_name}.{name} takes arrays of {self.backend_name}, got "
                f"{type(x).__module__}.{type(x).__qualname__}. Convert x: groupscat.convert(x, "
                f"{self.backend_name!r}); or use groupscat.{name}, which follows the array it is given."
            )
        return super().__call__(x, paths)
