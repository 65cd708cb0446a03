"""Groups and bases as plain data that JSON can hold: the name of a class and its fields; nothing runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

from groupscat.errors import ArgumentError
from groupscat.groups import (
    Cyclic,
    Dihedral,
    Group,
    Octahedral,
    Product,
    Scaling,
    Semidirect,
    Translation,
    Trivial,
)
from groupscat.wavelets.basis import Basis, Pixels, TensorProduct
from groupscat.wavelets.rings import GaussianRings

C = TypeVar("C", bound=type)
#: By the name of a class, the class, and what makes an object of its fields.
_KNOWN: dict[str, tuple[Any, Callable[..., Any]]] = {}


def register(cls: C, make: Callable[..., Any] | None = None) -> C:
    """Let :func:`from_config` make objects of a class of one's own; a decorator.

    Parameters
    ----------
    cls : a frozen dataclass that is a Group or a Basis.
    make : called with the fields by name; the class itself where None.

    Raises
    ------
    ArgumentError : it is no such class, or another one has its name.
    """
    if not (isinstance(cls, type) and is_dataclass(cls) and issubclass(cls, (Group, Basis))):
        raise ArgumentError(f"{cls!r}: expected a frozen dataclass that subclasses Group or Basis.")
    if _KNOWN.get(cls.__name__, (cls,))[0] is not cls:
        raise ArgumentError(
            f"There is another class {cls.__name__}, {_KNOWN[cls.__name__][0]!r}. Rename one."
        )
    _KNOWN[cls.__name__] = cls, make or cls
    return cls


_GROUPS = (Cyclic, Dihedral, Octahedral, Product, Scaling, Semidirect, Translation, Trivial)
for _cls in (*_GROUPS, GaussianRings, TensorProduct):
    register(_cls)
register(Pixels, lambda k: Pixels(*k))


def to_config(value: Any) -> Any:
    """A group or a basis as dicts, lists, numbers and text.

    Raises
    ------
    ArgumentError : a class that :func:`from_config` does not know.

    >>> from groupscat.groups import SE2
    >>> to_config(SE2(8))
    {'class': 'Semidirect', 'first': {'class': 'Translation', 'd': 2}, 'second': {'class': 'Cyclic', 'n': 8}}
    >>> to_config(Pixels(3, 3) * Pixels(5))["first"]
    {'class': 'Pixels', 'k': [3, 3]}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        return [to_config(v) for v in value]
    name = type(value).__name__
    if _KNOWN.get(name, (None,))[0] is not type(value):
        raise ArgumentError(
            f"{value!r} cannot be written down: {type(value)!r} is not registered. Register its class, a "
            "frozen dataclass, with groupscat.convolution.config.register."
        )
    return {"class": name, **{f.name: to_config(getattr(value, f.name)) for f in fields(value)}}


def from_config(config: Any) -> Any:
    """What :func:`to_config` has written down. Only known classes are made; nothing else is looked up.

    Raises
    ------
    ArgumentError : an unknown class, or fields that it does not have.

    >>> from_config({"class": "GaussianRings", "k": 5})
    GaussianRings(k=5, ndim=2, sigma=0.6, last=0.4)
    """
    if isinstance(config, list | tuple):
        return tuple(map(from_config, config))
    if not isinstance(config, dict):
        return config
    given = dict(config)
    name = given.pop("class", None)
    if not isinstance(name, str) or name not in _KNOWN:
        raise ArgumentError(
            f"class={name!r}: expected one of {', '.join(sorted(_KNOWN))}. Register a class of your own with "
            "groupscat.convolution.config.register before loading."
        )
    cls, make = _KNOWN[name]
    unknown = set(given) - {f.name for f in fields(cls)}
    if unknown:
        raise ArgumentError(f"{name} has no fields {sorted(unknown)}, got {config!r}.")
    try:
        return make(**{key: from_config(value) for key, value in given.items()})
    except TypeError as error:
        raise ArgumentError(f"{config!r} does not make a {name}: {error}.") from error
