"""The contract of a front door: the operators as modules, layers or bound functions of one framework."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import groupscat as gs
from groupscat.testing.base import Contract, noise
from groupscat.testing.tolerances import TOLERANCE, assert_close

NAMES = (
    *("Scattering", "Scattering1D", "Scattering2D", "Scattering3D", "HarmonicScattering3D"),
    *("RotoTranslationScattering2D", "ScaleRotationTranslationScattering2D"),
)
#: One layer of every class: name of the class, arguments.
LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "n-D": ("Scattering", {"J": 1, "shape": (6, 5), "L": 2}),
    "1-D": ("Scattering1D", {"J": 2, "shape": 16, "Q": 2}),
    "1-D, complex": ("Scattering1D", {"J": 2, "shape": 16, "complex_input": True}),
    "2-D": ("Scattering2D", {"J": 1, "shape": (8, 7), "L": 2}),
    "2-D, cascade": ("Scattering2D", {"J": 1, "shape": (8, 8), "L": 2, "method": "cascade"}),
    "3-D": ("Scattering3D", {"J": 1, "shape": (4, 4, 4), "L": 2, "padding": "zero"}),
    "roto-translation": ("RotoTranslationScattering2D", {"J": 2, "shape": (8, 7), "L": 2}),
    "scale-rotation": ("ScaleRotationTranslationScattering2D", {"J": 2, "shape": (8, 8), "L": 2, "K": 1}),
    "harmonic": ("HarmonicScattering3D", {"J": 1, "shape": (5, 4, 4), "L": 1}),
}


class LayerContract(Contract):
    """Subclass with ``name`` (the backend) and ``door``, the module that has the layers."""

    #: Import name of the front door, for example ``groupscat.torch``.
    door: ClassVar[str]
    #: Element type the layers compute in as they are built.
    precision: ClassVar[str] = "float32"

    def build(self, case: str, **more: Any) -> Any:
        name, arguments = LAYERS[case]
        return getattr(importlib.import_module(self.door), name)(**arguments, **more)

    def operator(self, case: str) -> Any:
        """The framework-free operator of a case."""
        name, arguments = LAYERS[case]
        return getattr(gs, name)(**arguments)

    def input(self, case: str, batch: tuple[int, ...] = (2,)) -> NDArray[Any]:
        S = self.operator(case)
        x = noise((*batch, *S.shape), is_complex=S.complex_input)
        return (
            x.astype({"float32": "complex64"}.get(self.precision, "complex128"))
            if S.complex_input
            else (x.astype(self.precision))
        )

    def weights(self, layer: Any) -> list[Any]:
        """What an optimiser or a checkpoint would see of the layer."""
        return []

    def test_everything_else_of_groupscat_is_there(self) -> None:
        door = importlib.import_module(self.door)
        assert {name for name in gs.__all__ if not hasattr(door, name)} == set()

    @pytest.mark.parametrize("name", NAMES)
    def test_signature_and_documentation_are_the_operators(self, name: str) -> None:
        layer, operator = getattr(importlib.import_module(self.door), name), getattr(gs, name)
        given, wanted = inspect.signature(layer).parameters, inspect.signature(operator).parameters
        named = {key: p.default for key, p in wanted.items() if p.kind is not p.VAR_KEYWORD}
        assert {key: given[key].default for key in named} == named
        assert " ".join(operator.__doc__.split()) in " ".join((layer.__doc__ or "").split())

    @pytest.mark.parametrize("batch", [(), (1,), (2, 3), (0,)])
    @pytest.mark.parametrize("case", LAYERS)
    def test_numbers_are_the_operators(self, case: str, batch: tuple[int, ...]) -> None:
        x = self.input(case, batch)
        S = self.operator(case)
        y = self.build(case)(self.put(x))
        assert self.xp.owns(y)
        assert self.xp.shape(y) == (*batch, *S.output_shape)
        wide = x.astype("complex128" if S.complex_input else "float64")
        assert_close(self.xp.to_numpy(y), S(wide), wide, TOLERANCE[self.precision])

    def test_filters_are_constants(self) -> None:
        layer = self.build("2-D")
        layer(self.put(self.input("2-D")))
        assert self.weights(layer) == []

    @pytest.mark.parametrize("case", LAYERS)
    def test_copies_give_the_same(self, case: str) -> None:
        layer, x = self.build(case), self.put(self.input(case))
        wanted = self.xp.to_numpy(layer(x))
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            np.testing.assert_array_equal(self.xp.to_numpy(other(x)), wanted)

    def test_operator_is_reached_through_the_layer(self) -> None:
        layer, S = self.build("2-D"), self.operator("2-D")
        assert (layer.J, layer.paths, layer.plan) == (S.J, S.paths, S.plan)

    def test_wrong_shape_is_refused(self) -> None:
        with pytest.raises(gs.ShapeError, match=r"built for shape \(8, 7\).*\(7, 8\)"):
            self.build("2-D")(self.put(np.zeros((2, 7, 8), self.precision)))

    def test_wrong_argument_is_refused(self) -> None:
        with pytest.raises(gs.ArgumentError, match="J=9"):
            importlib.import_module(self.door).Scattering2D(J=9, shape=(8, 8))

    def test_arrays_of_another_framework_are_refused(self) -> None:
        """Nothing is converted silently; the error names what came, what is taken and the way out."""
        for foreign in self.foreign():
            with pytest.raises(gs.DtypeError, match=type(foreign).__qualname__):
                self.build("2-D")(foreign)

    def foreign(self) -> list[Any]:
        """Arrays that this framework's layers must not take."""
        return [np.zeros((8, 7), np.float32)]
