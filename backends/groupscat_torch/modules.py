"""The operators as ``torch.nn.Module``: same names, same arguments, constants that move with the module."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

import groupscat
from groupscat.backend import get_backend
from groupscat.errors import DeviceError, DtypeError
from groupscat.execute import constant
from groupscat.plan.constants import Recipe
from groupscat.scattering.operator import COMPUTE, Operator

#: The element type in which constants are kept, by the type a module is converted to.
PRECISION = {torch.float64: "float64", torch.complex128: "float64"}


class OperatorModule(nn.Module):
    """An operator whose constants are non-persistent buffers.

    ``.to()``, ``.cuda()``, ``.double()`` move and convert it: constants are made anew from their closed
    form when the precision changes, so ``.double()`` is exact. ``.half()`` keeps them in float32, in which
    half-precision input is computed. Nothing is trained, so ``state_dict`` is empty; pickles hold the
    configuration only.

    Attributes
    ----------
    operator : the framework-free operator, with ``plan``, ``paths``, ``filters`` …
    """

    operator_class: ClassVar[type[Operator]]
    operator: Operator

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self._build(self.operator_class(*args, **kwargs))

    def _build(self, operator: Operator, dtype: torch.dtype | None = None, device: Any = None) -> None:
        self.operator = operator
        self._backend = get_backend("torch")
        self._recipes: tuple[tuple[str, Recipe], ...] = operator.plan.constants
        _ = operator.plan.schedule, operator.output_shape  # cached here: compilers cannot enter their locks
        dtype = dtype or torch.get_default_dtype()
        where = torch.empty(0, device=device or torch.get_default_device())
        for name, recipe in self._recipes:
            self.register_buffer(name, self._constant(recipe, dtype, where), persistent=False)

    def _constant(self, recipe: Recipe, dtype: torch.dtype, like: Tensor) -> Tensor:
        return constant(self._backend, recipe, PRECISION.get(dtype, "float32"), like)

    def __getattr__(self, name: str) -> Any:
        """What the module does not have itself, its operator has: plan, paths, littlewood_paley() …"""
        try:
            return super().__getattr__(name)
        except AttributeError:
            operator = self.__dict__.get("operator")
            if operator is None or name.startswith("_"):
                raise
            return getattr(operator, name)

    @property
    def precision(self) -> str:
        """The real element type the module computes in: float32 or float64."""
        floating = [b.dtype for b in self._buffers.values() if b is not None and b.is_floating_point()]
        return "float64" if torch.float64 in floating else "float32"

    def forward(self, x: Tensor) -> Any:
        """Transform x, shape (..., *shape); see the operator's ``__call__``."""
        if not isinstance(x, Tensor):
            raise DtypeError(
                f"groupscat.torch.{type(self).__name__} takes torch tensors, got {type(x).__module__}."
                f"{type(x).__qualname__}. Convert it (torch.as_tensor), or use "
                f"groupscat.{type(self).__name__}, which follows the array it is given."
            )
        floating = x.dtype.is_floating_point or x.dtype.is_complex
        data, kept = self.operator.ingest(x, self._backend, None if floating else self.precision)
        constants = {name: buffer for name, buffer in self._buffers.items() if buffer is not None}
        self._check(x, data, constants)
        return self.operator.compute(data, kept, self._backend, constants)

    def _check(self, x: Tensor, data: Tensor, constants: dict[str, Tensor]) -> None:
        wanted = COMPUTE[self._backend.dtype(data)]
        convert = "double" if wanted == "float64" else "float"
        device, dtype = x.device, getattr(torch, wanted)
        for buffer in constants.values():
            if buffer.device != device:
                raise DeviceError(
                    f"x is on {x.device} but {type(self).__name__} is on {buffer.device}; "
                    f"move one of them, for example module.to({str(x.device)!r})."
                )
            if buffer.dtype is not dtype and buffer.is_floating_point():
                raise DtypeError(
                    f"x is {x.dtype}, which is computed in {wanted}, but {type(self).__name__} is in "
                    f"{self.precision}; convert one of them: module.{convert}() or x.to(...)."
                )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)
        for name, recipe in self._recipes:
            old, new = before[name], self._buffers[name]
            assert new is not None
            # A cast would keep the rounding of the old precision; memory fresh from meta holds nothing.
            if new.dtype != old.dtype or old.is_meta != new.is_meta:
                self._buffers[name] = self._constant(recipe, new.dtype, new)
        return self

    def extra_repr(self) -> str:
        return repr(self.operator).partition("(")[2].removesuffix(")")

    def __str__(self) -> str:
        return str(self.operator)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        constants = {name for name, _ in self._recipes}
        state["_buffers"] = {k: v for k, v in self._buffers.items() if k not in constants}
        kept = [b for k, b in self._buffers.items() if k in constants and b is not None]
        state["_constants_at"] = (
            torch.float64 if self.precision == "float64" else torch.float32,
            kept[0].device if kept else torch.device("cpu"),
        )
        del state["_backend"], state["_recipes"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        dtype, device = state.pop("_constants_at")
        super().__setstate__(state)
        self._build(self.operator, dtype, device)


def _module(operator_class: type[Operator]) -> Callable[[type[OperatorModule]], type[OperatorModule]]:
    """Give a module class the operator's signature and documentation."""

    def decorate(cls: type[OperatorModule]) -> type[OperatorModule]:
        cls.operator_class = operator_class
        cls.__signature__ = inspect.signature(operator_class)
        cls.__doc__ = (
            f"``groupscat.{operator_class.__name__}`` as a ``torch.nn.Module``.\n\n{operator_class.__doc__}"
        )
        return cls

    return decorate


@_module(groupscat.Scattering)
class Scattering(OperatorModule): ...


@_module(groupscat.Scattering1D)
class Scattering1D(OperatorModule): ...


@_module(groupscat.Scattering2D)
class Scattering2D(OperatorModule): ...


@_module(groupscat.Scattering3D)
class Scattering3D(OperatorModule): ...


@_module(groupscat.HarmonicScattering3D)
class HarmonicScattering3D(OperatorModule): ...


@_module(groupscat.ScaleRotationTranslationScattering2D)
class ScaleRotationTranslationScattering2D(OperatorModule): ...


@_module(groupscat.RotoTranslationScattering2D)
class RotoTranslationScattering2D(OperatorModule): ...


@_module(groupscat.TimeFrequencyScattering)
class TimeFrequencyScattering(OperatorModule): ...


__all__ = [
    "HarmonicScattering3D",
    "OperatorModule",
    "RotoTranslationScattering2D",
    "ScaleRotationTranslationScattering2D",
    "Scattering",
    "Scattering1D",
    "Scattering2D",
    "Scattering3D",
    "TimeFrequencyScattering",
]
