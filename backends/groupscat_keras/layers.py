"""The operators as Keras 3 layers, same names and arguments: they follow the tensor, so any Keras backend."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Self

import keras
import numpy as np

import groupscat
from groupscat.backend import Array, Backend, backend_of
from groupscat.errors import ArgumentError, DtypeError, ShapeError
from groupscat.execute import COMPLEX
from groupscat.plan.rho import Pointwise
from groupscat.scattering.operator import COMPUTE, HALF, Operator

#: What Keras takes for every layer, beside the arguments of the operator.
LAYER_ARGUMENTS = ("name", "dtype", "trainable", "activity_regularizer")


def accepted(x: Array, layer: str) -> Array:
    """x, if a layer of that name takes it: a tensor of Keras' backend, a symbolic one or a NumPy array.

    Raises
    ------
    DtypeError : x belongs to another framework, which Keras would convert silently, or is masked.
    """
    framework = keras.backend.backend()
    if isinstance(x, np.ma.MaskedArray):
        raise DtypeError("x is a masked array, and Keras would drop its mask: pass x.filled(value).")
    try:
        backend: Backend | None = backend_of(x)
    except DtypeError:  # symbolic, or nested numbers that Keras converts
        backend = None
    found = framework if backend is None else backend.name
    if backend is not None and found in (framework, "numpy"):
        # Before Keras converts x: it takes types that the operators refuse, or fails in its own words.
        dtype = backend.dtype(x)
        if dtype not in COMPUTE:
            raise DtypeError(f"x has dtype {dtype}; expected one of {', '.join(COMPUTE)}. Convert x first.")
    if found not in (framework, "numpy"):
        raise DtypeError(
            f"x is {type(x).__module__}.{type(x).__qualname__}, an array of {found}, but Keras runs on "
            f"{framework}. Convert it (groupscat.convert(x, {framework!r})), set KERAS_BACKEND={found}, "
            f"or use groupscat.{layer}, which follows the array it is given."
        )
    if found == "numpy" and isinstance(x, np.ndarray):
        x = x.astype(x.dtype.newbyteorder("="), copy=False)  # Torch reads no other byte order
    return x


class OperatorLayer(keras.layers.Layer):
    """An operator as a layer without weights: its filters are constants.

    It computes in float64 under the dtype policy "float64" and in float32 under all others, from input as
    precise as it comes; half-precision policies round the result only. Input of shape (..., *shape) may have
    any leading axes, of unknown length too. Saved files hold the configuration.

    Attributes
    ----------
    operator : the framework-free operator, with ``plan``, ``paths``, ``filters`` … What the layer does not
        have itself is looked up there.
    """

    operator_class: ClassVar[type[Operator]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        of_layer = {key: kwargs.pop(key) for key in LAYER_ARGUMENTS if key in kwargs}
        # Without autocast: Keras would round the input to half precision, or complex input to nothing.
        super().__init__(autocast=False, **of_layer)
        self.operator = self.operator_class(*args, **kwargs)
        self.built = True

    def __getattr__(self, name: str) -> Any:
        """What the layer does not have itself, its operator has: plan, paths, littlewood_paley() …"""
        inherited = getattr(super(), "__getattr__", None)  # Keras on Torch has one
        if inherited is not None:
            try:
                return inherited(name)
            except AttributeError:
                pass
        operator = self.__dict__.get("operator")
        if operator is None or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(operator, name)

    # ------------------------------------------------------------------------------------- calling

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Any:
        """Transform x, shape (..., *shape): a tensor of Keras' backend, a symbolic one or a NumPy array.

        Raises
        ------
        DtypeError : x belongs to another framework, which Keras would convert silently, or is complex.
        ShapeError : the trailing shape is not the operator's, or not known.
        """
        return super().__call__(accepted(x, type(self).__name__), *args, **kwargs)

    def call(self, x: Array) -> Any:
        backend = backend_of(x)
        y = self.operator(
            backend.cast(x, COMPLEX[self._precision] if backend.is_complex(x) else self._precision)
        )
        if self.compute_dtype not in HALF:
            return y

        def rounded(a: Any) -> Any:
            numeric = backend.owns(a) and not backend.is_complex(a)
            return backend.cast(a, self.compute_dtype) if numeric else a

        return keras.tree.map_structure(rounded, y)

    @property
    def _precision(self) -> str:
        """The real element type the layer computes in."""
        return "float64" if self.compute_dtype == "float64" else "float32"

    # ------------------------------------------------------------------------------ symbolic calling

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """Shape of the output, or a dict of shapes, for an input of a possibly unknown batch shape."""
        leading = self._leading(tuple(input_shape))
        if self.operator.out_type == "array":
            return (*leading, *self.operator.output_shape)
        return {key: (*leading, *grid) for key, (grid, _) in self._grids().items()}

    def compute_output_spec(self, x: Any) -> Any:
        """Shape and element type of the output from the plan: no numbers are computed."""
        self._leading(tuple(x.shape))
        is_complex = keras.backend.standardize_dtype(x.dtype).startswith("complex")
        if is_complex and not self.operator.complex_input:
            raise DtypeError(
                f"x is {x.dtype}, but this {type(self).__name__} was built for real input. Build it with "
                "complex_input=True."
            )
        if isinstance(getattr(self.operator, "rho", None), Pointwise):
            return keras.Operation.compute_output_spec(self, x)  # traced: only the function knows its type
        shape = self.compute_output_shape(x.shape)
        if self.operator.out_type == "array":
            (name, _), *_ = self.operator.plan.outputs
            return keras.KerasTensor(shape, self._result(self.operator.plan.register[name].is_complex))
        grids = self._grids()
        return {key: keras.KerasTensor(shape[key], self._result(grids[key][1])) for key in grids}

    def _result(self, is_complex: bool) -> str:
        return COMPLEX[self._precision] if is_complex else self.compute_dtype

    def _leading(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The batch shape, if ``shape`` is one of the operator's inputs."""
        wanted = self.operator.shape
        trailing = shape[-len(wanted) :]
        if None in trailing and len(trailing) == len(wanted):
            raise ShapeError(
                f"x has the unknown trailing shape {trailing}, but filters belong to one size: "
                f"{type(self).__name__} was built for {wanted}. Say so where x comes from, for example "
                f"keras.Input(shape={wanted}); the batch may stay unknown."
            )
        if trailing != wanted:
            raise ShapeError(self.operator.shape_message(shape))
        return shape[: -len(wanted)]

    def _grids(self) -> dict[Any, tuple[tuple[int, ...], bool]]:
        """Per key of the "dict" output: shape of one path, and whether it is complex."""
        if self.operator.out_type == "list":
            raise ArgumentError(
                'out_type="list" mixes arrays with the description of their paths, which no Keras model can '
                'hold. Use out_type="dict" or "array"; the description is in layer.paths.'
            )
        found: dict[int, tuple[tuple[int, ...], bool]] = {}
        for name, rows in self.operator.plan.outputs:
            register = self.operator.plan.register[name]
            found |= dict.fromkeys(rows, (register.space.shape[1:], register.is_complex))
        return {key: found[row] for row, key in enumerate(self.operator.keys)}

    # --------------------------------------------------------------------------------------- saving

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **self.operator.config}
        if callable(config.get("rho")):
            config["rho"] = keras.saving.serialize_keras_object(config["rho"])
        return {key: list(v) if isinstance(v, tuple) else v for key, v in config.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = {key: tuple(v) if isinstance(v, list) else v for key, v in config.items()}
        if isinstance(config.get("rho"), dict):
            config["rho"] = keras.saving.deserialize_keras_object(config["rho"])
        return super().from_config(config)

    def __repr__(self) -> str:
        arguments = repr(self.operator).partition("(")[2]
        return f"{type(self).__name__}(name={self.name!r}, {arguments}"


def _layer(operator_class: type[Operator]) -> Callable[[type[OperatorLayer]], type[OperatorLayer]]:
    """Give a layer class the operator's signature (and Keras' arguments), its documentation, a saved name."""

    def decorate(cls: type[OperatorLayer]) -> type[OperatorLayer]:
        cls.operator_class = operator_class
        signature = inspect.signature(operator_class)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        rest = [p for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD]
        default = {"trainable": True}
        extra = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default.get(name))
            for name in LAYER_ARGUMENTS
        ]
        cls.__signature__ = signature.replace(parameters=[*own, *extra, *rest])
        cls.__doc__ = (
            f"``groupscat.{operator_class.__name__}`` as a Keras layer, with Keras' arguments "
            f"{', '.join(LAYER_ARGUMENTS)}.\n\n{inspect.getdoc(operator_class)}"
        )
        return keras.saving.register_keras_serializable(package="groupscat")(cls)

    return decorate


@_layer(groupscat.Scattering)
class Scattering(OperatorLayer): ...


@_layer(groupscat.Scattering1D)
class Scattering1D(OperatorLayer): ...


@_layer(groupscat.Scattering2D)
class Scattering2D(OperatorLayer): ...


@_layer(groupscat.Scattering3D)
class Scattering3D(OperatorLayer): ...


@_layer(groupscat.HarmonicScattering3D)
class HarmonicScattering3D(OperatorLayer): ...


@_layer(groupscat.ScaleRotationTranslationScattering2D)
class ScaleRotationTranslationScattering2D(OperatorLayer): ...


@_layer(groupscat.RotoTranslationScattering2D)
class RotoTranslationScattering2D(OperatorLayer): ...


@_layer(groupscat.TimeFrequencyScattering)
class TimeFrequencyScattering(OperatorLayer): ...


__all__ = [
    "HarmonicScattering3D",
    "OperatorLayer",
    "RotoTranslationScattering2D",
    "ScaleRotationTranslationScattering2D",
    "Scattering",
    "Scattering1D",
    "Scattering2D",
    "Scattering3D",
    "TimeFrequencyScattering",
]
