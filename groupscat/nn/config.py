"""Networks as plain data that JSON can hold: names of known classes and their fields; nothing runs."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from groupscat import convolution, scattering
from groupscat.convolution.group_layer import GroupConvSpec, GroupPoolSpec, LiftSpec
from groupscat.convolution.layer import ConvNdSpec
from groupscat.errors import ArgumentError
from groupscat.nn.adapt import Convolution, FrontEnd
from groupscat.nn.axes import Flatten, Mean, NewAttribute, Pad, Pool
from groupscat.nn.constraint import Constraint, Parseval, SpectralBound
from groupscat.nn.layer import Layer
from groupscat.nn.linear import Conv1x1, Dense, TightFrame
from groupscat.nn.network import Network
from groupscat.nn.normalise import BatchNorm, DivisiveNorm, Dropout, Standardise
from groupscat.nn.pointwise import ELU, Modulus, ReLU, SignedRoot, SoftThreshold
from groupscat.nn.residual import Residual
from groupscat.scattering.operator import Operator
from groupscat.space import Axis

L = TypeVar("L", bound=type[Layer] | type[Constraint])
_SPECS = (ConvNdSpec, LiftSpec, GroupConvSpec, GroupPoolSpec)
_LAYERS = (
    Network, BatchNorm, Conv1x1, Dense, DivisiveNorm, Dropout, ELU, Flatten, Mean, Modulus, NewAttribute, Pad,
    Pool, ReLU, Residual, SignedRoot, SoftThreshold, Standardise, TightFrame,
)  # fmt: skip
_CONSTRAINTS = (Parseval, SpectralBound)
_OPERATORS = (
    scattering.HarmonicScattering3D, scattering.RotoTranslationScattering2D,
    scattering.ScaleRotationTranslationScattering2D, scattering.Scattering, scattering.Scattering1D,
    scattering.Scattering2D, scattering.Scattering3D, scattering.TimeFrequencyScattering,
)  # fmt: skip
#: What may be made from a file, by the name of the class.
_KNOWN: dict[str, Any] = {cls.__name__: cls for cls in (*_SPECS, *_LAYERS, *_CONSTRAINTS, *_OPERATORS, Axis)}


def register(cls: L) -> L:
    """Let :func:`from_config`, and so files, make layers or constraints of a class of one's own; a decorator.

    Raises
    ------
    ArgumentError : it is no frozen dataclass that is a Layer or a Constraint, or another class has its name.

    >>> from dataclasses import dataclass
    >>> from groupscat import nn
    >>> @register
    ... @dataclass(frozen=True, repr=False)
    ... class Square(nn.Pointwise):
    ...     def __call__(self, xp, x):
    ...         return x * x
    >>> from_config(to_config(nn.Network([Square()], (1, 8)))).layers
    (Square(),)
    """
    if not (isinstance(cls, type) and is_dataclass(cls) and issubclass(cls, Layer | Constraint)):
        raise ArgumentError(
            f"{cls!r}: expected a frozen dataclass that subclasses groupscat.nn.Layer or Constraint."
        )
    if _KNOWN.get(cls.__name__, cls) is not cls:
        raise ArgumentError(f"There is another class {cls.__name__}, {_KNOWN[cls.__name__]!r}. Rename one.")
    _KNOWN[cls.__name__] = cls
    return cls


def to_config(value: Any) -> Any:
    """A network as dicts, lists, numbers and text.

    Raises
    ------
    ArgumentError : a class that :func:`from_config` does not know.

    >>> from groupscat.nn import Dense, Network
    >>> to_config(Network([Dense(3)], (8,)))["layers"]
    [{'class': 'Dense', 'features': 3, 'bias': True, 'constraint': None}]
    """
    if isinstance(value, tuple | list):
        return [to_config(v) for v in value]
    if isinstance(value, Convolution):
        return to_config(value.spec)
    if isinstance(value, FrontEnd):
        return to_config(value.operator)
    if isinstance(value, Operator) and type(value) in _OPERATORS:
        return {"class": type(value).__name__, **{name: to_config(v) for name, v in value.config.items()}}
    if _KNOWN.get(type(value).__name__) is type(value):
        given = {f.name: to_config(getattr(value, f.name)) for f in fields(value)}
        return {"class": type(value).__name__, **given}
    return convolution.to_config(value)


def from_config(config: Any) -> Any:
    """What :func:`to_config` has written down. Only known classes are made; nothing else is looked up.

    Raises
    ------
    ArgumentError : an unknown class, or fields that it does not have.
    """
    if isinstance(config, list | tuple):
        return tuple(map(from_config, config))
    if not isinstance(config, dict) or config.get("class") not in _KNOWN:
        return convolution.from_config(config)
    given = {name: from_config(value) for name, value in config.items() if name != "class"}
    cls = _KNOWN[config["class"]]
    try:
        return cls(**given)
    except (TypeError, AttributeError) as error:
        raise ArgumentError(f"{config!r} does not make a {cls.__name__}: {error}.") from error
