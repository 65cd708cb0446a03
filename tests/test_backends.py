"""Every installed backend keeps the contract."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

import groupscat as gs
from groupscat.backend import backend_names, get_backend, registry
from groupscat.backend.numpy import NumPyBackend
from groupscat.testing import OPERATORS, BackendContract
from groupscat.testing.tolerances import assert_close
from tests.checks import noise
from tests.frameworks import needs


class TestNumPy(BackendContract):
    name: ClassVar[str] = "numpy"


@needs("torch")
class TestTorch(BackendContract):
    name: ClassVar[str] = "torch"

    def gradient(self, function: Any, x: Any) -> Any:
        import torch

        z = torch.tensor(x, requires_grad=True)
        return torch.autograd.grad(function(z), z)[0].numpy()

    def test_compile_returns_a_function_that_gives_the_same(self) -> None:
        """Compiled operators are tested with the modules; here only who compiles."""
        import torch

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "compile", lambda function: (function, "compiled"))
            assert self.xp.compile(abs) == (abs, "compiled")

    test_compiled_operator_gives_the_same = None

    def test_transposed_and_conjugated_tensors(self) -> None:
        import torch

        S = OPERATORS["1-D, complex"]()
        x = noise((30, 4), is_complex=True)
        y = S(torch.from_numpy(x).T.conj())
        assert_close(self.xp.to_numpy(y), S(x.T.conj()), x)

    def test_bfloat16_is_computed_in_float32_and_returned(self) -> None:
        import torch

        S = OPERATORS["1-D"]()
        x = torch.from_numpy(noise((2, 40))).to(torch.bfloat16)
        y = S(x)
        assert y.dtype == torch.bfloat16
        wanted = S(x.to(torch.float32)).to(torch.bfloat16)
        assert torch.equal(y, wanted)

    def test_result_does_not_require_a_gradient_unless_asked(self) -> None:
        import torch

        S = OPERATORS["2-D"]()
        assert not S(torch.zeros(11, 8)).requires_grad
        assert S(torch.zeros(11, 8, requires_grad=True)).requires_grad


def test_required_frameworks_are_installed() -> None:
    """GROUPSCAT_REQUIRE lists frameworks whose tests must not be skipped."""
    for name in filter(None, os.environ.get("GROUPSCAT_REQUIRE", "").split(",")):
        assert name not in backend_names() or get_backend(name).name == name
        assert importlib.util.find_spec(name) is not None


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
def entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The registered entry points, to be added to."""
    found: dict[str, Any] = dict(registry._entries())
    monkeypatch.setattr(registry, "_entries", lambda: found)
    registry._load.cache_clear()
    yield found
    registry._load.cache_clear()


@pytest.fixture
def broken(entries: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    entries["broken"] = _Broken()
    monkeypatch.setitem(sys.modules, "broken", object())  # as if its framework were imported


def test_a_broken_backend_names_the_way_out(broken: None) -> None:
    with pytest.raises(
        gs.BackendError,
        match=r"'broken' could not be imported \(ImportError: libbroken.so not found\).*Install",
    ):
        get_backend("broken")


def test_a_broken_backend_does_not_stop_the_others(broken: None) -> None:
    assert gs.backend_of(np.zeros(3)).name == "numpy"
    with pytest.raises(gs.DtypeError, match=r"got builtins\.list"):
        gs.backend_of([1.0])


class _Wrong:
    """An entry point that names something else."""

    name = "wrong"

    def load(self) -> Any:
        return dict


def test_an_entry_point_that_is_no_backend(entries: dict[str, Any]) -> None:
    entries["wrong"] = _Wrong()
    with pytest.raises(gs.BackendError, match=r"'wrong' is registered as dict.*groupscat\.Backend"):
        get_backend("wrong")


def test_a_broken_backend_is_tried_once_and_named_to_whoever_needs_it(
    broken: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def load(self: _Broken) -> Any:
        tried.append(1)
        raise AttributeError("module 'broken' has no attribute 'Array'")

    monkeypatch.setattr(_Broken, "load", load)
    for _ in range(3):
        assert gs.Scattering1D(J=2, shape=16)(np.zeros(16)).shape == (4, 4)
        with pytest.raises(gs.DtypeError, match=r"'broken' could not be imported \(AttributeError: .*'\)"):
            gs.backend_of(object())
    assert len(tried) == 1


def test_third_parties_can_register_a_backend(
    entries: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twin(np.ndarray):
        """A framework of its own."""

    class TwinBackend(NumPyBackend):
        name = "twin"

        def owns(self, x: object) -> bool:
            return isinstance(x, Twin)

    class Entry:
        def load(self) -> Any:
            return TwinBackend

    entries["twin"] = Entry()
    monkeypatch.setitem(sys.modules, "twin", object())
    monkeypatch.setattr(NumPyBackend, "owns", lambda self, x: type(x) is np.ndarray)
    x = noise((16,)).view(Twin)
    assert gs.backend_of(x).name == "twin"
    S = gs.Scattering1D(J=2, shape=16)
    assert_close(np.asarray(S(x)), S(np.asarray(x)))


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
