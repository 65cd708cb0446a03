"""Trees by several threads: those who share the transforms of a large image get what one thread gets."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.backend.numpy import NumPyBackend
from groupscat.execute import constant, run
from groupscat.plan.plan import Plan
from groupscat.testing.tolerances import assert_close
from groupscat_native import kernels, library, threads

if library.load()[0] is None:
    pytest.skip(f"no compiled kernels: {library.load()[1]}", allow_module_level=True)

from groupscat_native import cascade, tree
from groupscat_native.cascade import Cascade
from groupscat_native.pointers import Memory

Array = np.ndarray[Any, Any]
TOLERANCE = {"float32": 5e-6, "float64": 1e-13}
#: Bytes of a response from which on it is shared, as in the source of the kernels.
SHARED = 64 << 10
TREES: dict[str, Callable[[], Any]] = {
    "large": lambda: gs.Scattering2D(J=2, shape=(96, 88), L=3),
    "large, odd": lambda: gs.Scattering2D(J=2, shape=(95, 105), L=2, padding="circular"),
    "large, two scales of it": lambda: gs.Scattering2D(J=3, shape=(180, 170), L=2),
    "large, part of the bins": lambda: gs.Scattering2D(J=4, shape=(180, 180), L=2),
    "large, large part of the bins": lambda: gs.Scattering2D(J=4, shape=(500, 496), L=2, max_order=1),
    "large, order 3": lambda: gs.Scattering2D(J=3, shape=(96, 90), L=2, max_order=3),
    "large, order 1": lambda: gs.Scattering2D(J=2, shape=(100, 92), L=3, max_order=1),
    "large, global": lambda: gs.Scattering2D(J=2, shape=(90, 100), L=2, T="global"),
    "large, oversampled": lambda: gs.Scattering2D(J=2, shape=(96, 88), L=2, oversampling=1),
    "large, flat": lambda: gs.Scattering2D(J=1, shape=(2096, 4), L=2, padding="zero"),
    "large, wide": lambda: gs.Scattering2D(J=1, shape=(4, 2096), L=2, padding="zero"),
    "large, three axes": lambda: gs.Scattering3D(J=1, shape=(21, 23, 20), L=3),
    "small": lambda: gs.Scattering2D(J=2, shape=(33, 28), L=3),
    "small, three axes": lambda: gs.Scattering3D(J=1, shape=(9, 8, 10), L=3),
    "signal": lambda: gs.Scattering1D(J=6, shape=20000, Q=(4, 2)),
    "signal, order 3": lambda: gs.Scattering1D(J=4, shape=1000, Q=(2, 2), max_order=3, padding="zero"),
}


@cache
def plan_of(name: str) -> Plan:
    plan: Plan = TREES[name]().plan
    return plan


@cache
def wanted(name: str, dtype: str) -> tuple[Array, Array]:
    """Three signals, and what operations without kernels make of them, one by one."""
    plan, plain = plan_of(name), NumPyBackend()
    shape = plan.register[plan.inputs[0]].space.shape
    x = np.random.default_rng(0).standard_normal((3, *shape)).astype(dtype)
    constants = {key: constant(plain, recipe, dtype, None) for key, recipe in plan.constants}
    return x, run(plan, {plan.inputs[0]: x, **constants}, plain)[0]


def of_kernels(name: str, dtype: str) -> Cascade:
    plan = plan_of(name)
    found, backend = tree.tree(plan), gs.get_backend("numpy")
    assert found is not None
    constants = {
        key: np.ascontiguousarray(constant(backend, recipe, dtype, None)) for key, recipe in plan.constants
    }
    assert cascade.known(plan, found, constants, dtype)
    made = Cascade(plan, found, constants, dtype)
    assert made.complete
    return made


def check(made: Cascade, name: str, dtype: str, batch: int, workers: int) -> Array:
    x, y = (each[:batch] for each in wanted(name, dtype))
    given, out = x.copy(), np.full(y.shape, np.nan, y.dtype)
    assert made([Memory.of(given)], [Memory.of(out)], workers)
    np.testing.assert_array_equal(given, x, err_msg="the input was written to")
    assert_close(out, y, np.abs(y).max(), TOLERANCE[dtype])
    return out


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", TREES)
def test_shared_equals_alone(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "ENOUGH", 1000)
    made = of_kernels(name, dtype)
    alone = check(made, name, dtype, 3, 1)
    for batch, workers in ((1, 2), (1, 3), (3, 2)):
        shared = check(made, name, dtype, batch, workers)
        assert_close(shared, alone[:batch], np.abs(alone).max(), TOLERANCE[dtype] / 10)


def test_names_say_what_is_shared() -> None:
    """The comparisons above compare something: a first response is large where the name says so."""
    for name in TREES:
        found = tree.tree(plan_of(name))
        assert found is not None
        sizes = [found.nodes[child].sizes for _, child in found.nodes[0].edges]
        large = max(len(size) > 1 and 8 * math.prod(size) > SHARED for size in sizes)
        assert large == name.startswith("large"), name


@pytest.mark.parametrize("name", ["large", "small", "signal"])
def test_a_thread_that_comes_late(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a thread that has not begun: here the others begin when the first one has ended."""
    monkeypatch.setattr(kernels, "ENOUGH", 1000)
    monkeypatch.setattr(kernels, "share", lambda calls: [call() for call in calls])
    check(of_kernels(name, "float32"), name, "float32", 1, 3)


@pytest.mark.parametrize("name", ["large", "small"])
def test_more_threads_than_cores(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "ENOUGH", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr(threads, "_team", None)
    made = of_kernels(name, "float32")
    for _ in range(5):
        check(made, name, "float32", 2, 8)


def test_what_is_not_a_number_stays_in_its_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are computed one after the other in the same memory."""
    monkeypatch.setattr(kernels, "ENOUGH", 1000)
    made = of_kernels("large", "float32")
    x, y = wanted("large", "float32")
    given, out = x.copy(), np.empty(y.shape, y.dtype)
    given[0] = np.nan
    assert made([Memory.of(given)], [Memory.of(out)], 2)
    assert np.isnan(out[0]).all()
    assert_close(out[1:], y[1:], np.abs(y).max(), TOLERANCE["float32"])
