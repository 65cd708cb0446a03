"""Every installed backend keeps the contract."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from typing import Any, ClassVar

import numpy as np
import pytest

import groupscat as gs
from groupscat.backend import Backend, backend_names, get_backend, registry
from groupscat.backend.numpy import NumPyBackend
from tests.checks import noise
from tests.contract import OPERATORS, BackendContract
from tests.tolerances import assert_close


def missing(framework: str) -> bool:
    """Whether a framework is absent; GROUPSCAT_REQUIRE=name,… makes that a failure instead of a skip."""
    required = os.environ.get("GROUPSCAT_REQUIRE", "").split(",")
    return importlib.util.find_spec(framework) is None and framework not in required


needs_torch = pytest.mark.skipif(missing("torch"), reason='pip install "groupscat[torch]"')


class TestNumPy(BackendContract):
    name: ClassVar[str] = "numpy"


@needs_torch
class TestTorch(BackendContract):
    name: ClassVar[str] = "torch"

    def test_compile_returns_a_function_that_gives_the_same(
        self, xp: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Compiled operators are tested with the modules; here only who compiles."""
        import torch

        monkeypatch.setattr(torch, "compile", lambda function: (function, "compiled"))
        assert xp.compile(abs) == (abs, "compiled")

    # What only a framework with gradients can be asked.

    @pytest.mark.parametrize(
        "name",
        # Those left out have the same operations as smaller ones.
        sorted(set(OPERATORS) - {"1-D, frames", "1-D, complex, frames", "1-D, unaveraged", "3-D"}),
    )
    def test_gradients_are_finite_and_right(self, xp: Backend, name: str) -> None:
        import torch

        S = OPERATORS[name]()
        if isinstance(S, gs.HarmonicScattering3D):
            S = S.replace(max_order=1, J=0, integral_powers=(1.0, 2.0), **({"T": 1} if S.T == 2 else {}))
        S = S.replace(max_order=min(S.max_order, 2))
        x = noise(S.shape, is_complex=S.complex_input)
        z = torch.tensor(x, requires_grad=True)
        weight = torch.from_numpy(noise(S.output_shape, 1))
        y = S(z)
        loss = ((y.real if y.is_complex() else y) * weight).sum()
        (gradient,) = torch.autograd.grad(loss, z)
        assert torch.isfinite(torch.view_as_real(gradient) if z.is_complex() else gradient).all()
        direction = noise(S.shape, 2, is_complex=S.complex_input)
        step = 1e-6

        def value(t: float) -> float:
            return float((S(x + t * direction).real * weight.numpy()).sum())

        slope = (value(step) - value(-step)) / (2 * step)
        found = float((gradient.numpy().conj() * direction).real.sum())
        assert found == pytest.approx(slope, rel=1e-5, abs=1e-7)

    @pytest.mark.parametrize(
        "name", ["1-D", "2-D", "cascade, 2-D", "harmonic, even", "1-D, complex", "1-D, rectifier"]
    )
    def test_gradient_of_zero_and_constants_is_finite(self, xp: Backend, name: str) -> None:
        import torch

        S = OPERATORS[name]()
        for level in (0.0, 1.0):
            dtype = torch.complex128 if S.complex_input else torch.float64
            x = torch.full(S.shape, level, dtype=dtype, requires_grad=True)
            (gradient,) = torch.autograd.grad(S(x).abs().sum(), x)
            assert torch.isfinite(torch.view_as_real(gradient) if x.is_complex() else gradient).all()

    def test_modulus_and_power_have_gradient_zero_at_zero(self, xp: Backend) -> None:
        import torch

        for function in (xp.modulus, lambda v: xp.power(v.abs(), 0.5), lambda v: xp.power(v.abs(), 0.3)):
            x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
            (gradient,) = torch.autograd.grad(function(x).sum(), x)
            np.testing.assert_array_equal(gradient.numpy(), 0)
        z = torch.zeros(3, dtype=torch.complex128, requires_grad=True)
        for axis in (None, 0):
            (gradient,) = torch.autograd.grad(xp.modulus(z, axis).sum(), z)
            np.testing.assert_array_equal(gradient.numpy(), 0)

    def test_transposed_and_conjugated_tensors(self, xp: Backend) -> None:
        import torch

        S = OPERATORS["1-D, complex"]()
        x = noise((30, 4), is_complex=True)
        y = S(torch.from_numpy(x).T.conj())
        assert_close(xp.to_numpy(y), S(x.T.conj()), x)

    def test_bfloat16_is_computed_in_float32_and_returned(self, xp: Backend) -> None:
        import torch

        S = OPERATORS["1-D"]()
        x = torch.from_numpy(noise((2, 40))).to(torch.bfloat16)
        y = S(x)
        assert y.dtype == torch.bfloat16
        wanted = S(x.to(torch.float32)).to(torch.bfloat16)
        assert torch.equal(y, wanted)

    def test_result_does_not_require_a_gradient_unless_asked(self, xp: Backend) -> None:
        import torch

        S = OPERATORS["2-D"]()
        assert not S(torch.zeros(11, 8)).requires_grad
        assert S(torch.zeros(11, 8, requires_grad=True)).requires_grad


def test_required_frameworks_are_installed() -> None:
    """GROUPSCAT_REQUIRE lists frameworks whose tests must not be skipped."""
    for name in filter(None, os.environ.get("GROUPSCAT_REQUIRE", "").split(",")):
        assert get_backend(name).name == name


# ------------------------------------------------------------------------------------------- registry


def test_registered_backends_are_listed() -> None:
    assert {"numpy", "torch"} <= set(backend_names())
    assert backend_names() == sorted(backend_names())


def test_backend_is_one_object() -> None:
    assert get_backend("numpy") is get_backend("numpy")


class _Broken:
    """An entry point whose framework fails to import."""

    name = "broken"

    def load(self) -> Any:
        raise ImportError("libbroken.so not found")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {**registry._entries(), "broken": _Broken()}
    monkeypatch.setattr(registry, "_entries", lambda: entries)
    monkeypatch.setitem(sys.modules, "broken", object())  # as if its framework were imported


def test_a_broken_backend_names_the_way_out(broken: None) -> None:
    with pytest.raises(
        gs.BackendError, match=r"'broken' could not be imported \(ImportError: libbroken.so not found\).*Install"
    ):
        get_backend("broken")


def test_a_broken_backend_does_not_stop_the_others(broken: None) -> None:
    assert gs.backend_of(np.zeros(3)).name == "numpy"
    with pytest.raises(gs.DtypeError, match=r"got builtins\.list"):
        gs.backend_of([1.0])


def test_third_parties_can_register_a_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twin(np.ndarray):
        """A framework of its own."""

    class TwinBackend(NumPyBackend):
        name = "twin"

        def owns(self, x: object) -> bool:
            return isinstance(x, Twin)

    class Entry:
        def load(self) -> Any:
            return TwinBackend

    entries = {"twin": Entry(), **registry._entries()}
    monkeypatch.setattr(registry, "_entries", lambda: entries)
    monkeypatch.setitem(sys.modules, "twin", object())
    monkeypatch.setattr(NumPyBackend, "owns", lambda self, x: type(x) is np.ndarray)
    try:
        x = noise((16,)).view(Twin)
        assert gs.backend_of(x).name == "twin"
        S = gs.Scattering1D(J=2, shape=16)
        np.testing.assert_array_equal(np.asarray(S(x)), S(np.asarray(x)))
    finally:
        registry._load.cache_clear()


def test_constants_are_shared_by_threads_and_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from groupscat.plan.constants import AveragingMatrix

    S = gs.Scattering1D(J=2, shape=16, max_order=0)
    built: list[int] = []
    original = AveragingMatrix.build
    barrier = threading.Barrier(4)

    def counted(self: AveragingMatrix) -> Any:
        built.append(1)
        return original(self)

    def call() -> None:
        barrier.wait()
        S(np.zeros(16))

    monkeypatch.setattr(AveragingMatrix, "build", counted)
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
