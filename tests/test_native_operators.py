"""Operators give the same with and without compiled kernels; faults in the kernels' tables are caught."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.backend import registry
from groupscat.backend.numpy import NumPyBackend
from groupscat.testing.tolerances import assert_close
from groupscat_native import bands, cascade, kernels, library, plans, shapes, verbs
from groupscat_native.cascade import Cascade
from groupscat_native.plans import Programs
from groupscat_native.verbs import NativeVerbs

if library.load()[0] is None:
    pytest.skip(f"no compiled kernels: {library.load()[1]}", allow_module_level=True)

Array = np.ndarray[Any, Any]
TOLERANCE = {"float32": 5e-6, "float64": 1e-13}
OPERATORS: dict[str, Callable[[], Any]] = {
    "1-D": lambda: gs.Scattering1D(J=5, shape=777, Q=(8, 2)),
    "1-D, order 3": lambda: gs.Scattering1D(J=4, shape=100, Q=(2, 2), max_order=3, padding="zero"),
    "1-D, short": lambda: gs.Scattering1D(J=2, shape=7),
    "1-D, prime, circular": lambda: gs.Scattering1D(J=3, shape=61, padding="circular"),
    "1-D, large prime": lambda: gs.Scattering1D(J=3, shape=67, padding="circular"),
    "1-D, edge": lambda: gs.Scattering1D(J=3, shape=50, padding="edge"),
    "1-D, global": lambda: gs.Scattering1D(J=4, shape=200, T="global"),
    "1-D, no average": lambda: gs.Scattering1D(J=3, shape=64, T=0, out_type="list"),
    "1-D, complex": lambda: gs.Scattering1D(J=3, shape=64, complex_input=True),
    "1-D, list": lambda: gs.Scattering1D(J=3, shape=64, out_type="list"),
    "1-D, some paths": lambda: some_paths(gs.Scattering1D(J=4, shape=100, Q=2)),
    "2-D": lambda: gs.Scattering2D(J=3, shape=(33, 47), L=5),
    "2-D, global": lambda: gs.Scattering2D(J=2, shape=(20, 24), L=4, T="global"),
    "2-D, zero": lambda: gs.Scattering2D(J=2, shape=(20, 24), L=4, padding="zero"),
    "2-D, oversampled": lambda: gs.Scattering2D(J=2, shape=(16, 16), L=3, oversampling=1),
    "2-D, some paths": lambda: some_paths(gs.Scattering2D(J=2, shape=(20, 24), L=4)),
    "3-D": lambda: gs.Scattering3D(J=2, shape=(9, 8, 10), L=3),
    "solid harmonic": lambda: gs.HarmonicScattering3D(J=1, shape=(8, 9, 8), L=2),
    "time-frequency": lambda: gs.TimeFrequencyScattering(J=5, shape=300, J_fr=3, Q=4),
    "roto-translation": lambda: gs.RotoTranslationScattering2D(J=2, shape=(16, 16), L=4),
}


def some_paths(S: Any) -> Any:
    return S.restrict(list(range(0, len(S.paths), 3)))


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], None]:
    """Which backend computes: the registered one is replaced."""
    original = registry._load

    def to(name: str, backend: Any) -> None:
        monkeypatch.setattr(registry, "_load", lambda n: backend if n == name else original(n))

    return to


def arrays(y: Any) -> Iterator[Array]:
    """All arrays of a result, whatever holds them."""
    if isinstance(y, np.ndarray):
        yield y
    elif isinstance(y, dict):
        for each in y.values():
            yield from arrays(each)
    elif isinstance(y, list | tuple):
        for each in y:
            yield from arrays(each)


def same(found: Any, wanted: Any, dtype: str) -> None:
    pairs = list(zip(arrays(found), arrays(wanted), strict=True))
    assert pairs
    scale = max(np.abs(b).max(initial=0) for _, b in pairs)
    for a, b in pairs:
        assert a.dtype == b.dtype
        assert_close(a, b, scale, TOLERANCE[dtype])


def signal(S: Any, batch: tuple[int, ...], dtype: str) -> Array:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((*batch, *S.shape))
    if getattr(S, "complex_input", False):
        return (x + 1j * rng.standard_normal(x.shape)).astype(
            {"float32": "complex64"}.get(dtype, "complex128")
        )
    return x.astype(dtype)


def native() -> Any:
    """A backend of its own for every test, of which no other test has seen a table."""
    from groupscat_native.backend import NativeNumPyBackend

    return NativeNumPyBackend()


def compare(switch: Callable[[str, Any], None], name: str, x: Array, dtype: str) -> None:
    switch("numpy", native())
    found = OPERATORS[name]()(x)
    switch("numpy", NumPyBackend())
    same(found, OPERATORS[name]()(x), dtype)


def one_by_one(patch: Any) -> None:
    """No plan is run whole: every operation is a verb."""
    patch.setattr(NativeVerbs, "cascade", lambda self, plan, arrays: None)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "one by one"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", OPERATORS)
def test_equal_with_and_without_kernels(
    name: str, dtype: str, whole: bool, switch: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(kernels, "ENOUGH", 1000)
    if not whole:
        one_by_one(monkeypatch)
    for batch in ((), (3, 2), (0,)):
        x = signal(OPERATORS[name](), batch, dtype)
        compare(switch, name, x, dtype)


def test_arrays_of_any_layout(switch: Any) -> None:
    x = signal(OPERATORS["2-D"](), (4,), "float64")
    swapped = x.astype(x.dtype.newbyteorder())
    odd = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float64).reshape(x.shape)
    for given in (x[::-1], np.asfortranarray(x), np.repeat(x, 2, 0)[::2], swapped, odd):
        compare(switch, "2-D", given, "float64")


def test_plans_are_run_whole(switch: Any) -> None:
    """The comparisons above compare something: how the kernels run each operator."""
    wanted = dict.fromkeys(OPERATORS, Programs)
    trees = ["1-D", "1-D, order 3", "1-D, short", "1-D, prime, circular", "1-D, edge", "1-D, global", "2-D"]
    trees += ["1-D, list", "2-D, global", "2-D, zero", "2-D, oversampled", "3-D"]
    wanted |= dict.fromkeys(trees, Cascade)
    wanted |= dict.fromkeys(("1-D, complex", "1-D, large prime"), type(None))
    for name, kind in wanted.items():
        backend = native()
        switch("numpy", backend)
        S = OPERATORS[name]()
        S(signal(S, (2,), "float32"))
        found = {type(entry.whole) for entry in backend._wholes._kept.values()}
        assert found - {type(None)} == {kind} - {type(None)}, name


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["1-D", "2-D", "3-D", "time-frequency", "roto-translation"])
def test_what_is_not_finite_spreads_alike(name: str, bad: float, switch: Any) -> None:
    """Nothing that depends on NaN looks like a number; averages that end before it may be one."""
    x = signal(OPERATORS[name](), (2,), "float64")
    x[(0, *(n // 2 for n in x.shape[1:]))] = bad
    found = []
    with np.errstate(all="ignore"):
        for backend in (native(), NumPyBackend()):
            switch("numpy", backend)
            found.append(OPERATORS[name]()(x))
    for a, b in zip(*map(arrays, found), strict=True):
        assert (~np.isfinite(a) <= ~np.isfinite(b)).all()
        assert not np.isfinite(a[0]).all()
        assert (np.isfinite(a) == np.isfinite(b)).mean() > 0.9
        assert np.isfinite(a[1]).all()


def test_many_threads_at_once(switch: Any, monkeypatch: Any) -> None:
    """Caches hold one entry here: what a call points at must live as long as the call."""
    monkeypatch.setattr(kernels, "ENOUGH", 1000)
    for name in ("shape", "window"):
        tight = lru_cache(maxsize=1)(getattr(shapes, name).__wrapped__)
        monkeypatch.setattr(shapes, name, tight)
        monkeypatch.setattr(kernels, name, tight)
    monkeypatch.setattr(bands, "REMEMBERED", 1)
    switch("numpy", native())
    names = ["1-D", "2-D", "3-D", "solid harmonic", "time-frequency", "roto-translation"]
    given = {name: (S := OPERATORS[name](), signal(S, (2,), "float64")) for name in names}
    wanted = {name: S(x) for name, (S, x) in given.items()}
    wrong = []

    def work(k: int) -> None:
        for turn in range(6):
            name = names[(k + turn) % len(names)]
            S, x = given[name]
            try:
                same(S(x), wanted[name], "float64")
            except BaseException as error:
                wrong.append((name, error))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def in_child(queue: Any, x: Array) -> None:
    queue.put(OPERATORS["2-D"]()(x))


@pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform == "darwin", reason="processes are not forked here"
)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own(switch: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(kernels, "ENOUGH", 1)
    backend = native()
    backend._workers = 2
    switch("numpy", backend)
    x = signal(OPERATORS["2-D"](), (2,), "float64")
    wanted = OPERATORS["2-D"]()(x)  # the parent's threads run now
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=in_child, args=(queue, x))
    child.start()
    same(queue.get(timeout=60), wanted, "float64")
    child.join()
    assert child.exitcode == 0


# ----------------------------------------------------------------------------------------------- faults


def spoilt(owner: Any, name: str, change: Callable[[Any], Any]) -> Callable[[Any], None]:
    """What a function returns is changed before the kernels see it."""

    def plant(patch: Any) -> None:
        original = getattr(owner, name)
        patch.setattr(owner, name, lambda *a, **o: change(original(*a, **o)))

    return plant


def shifted_bins(found: Any) -> Any:
    """Of every axis by itself: a bin that is none of an axis would be read from somebody else's memory."""
    if found is None:
        return None
    axes, bins = found
    ends = np.cumsum(axes[:, 1] * axes[:, 2])[:-1]
    return axes, np.concatenate([np.roll(part, 1) for part in np.split(bins, ends)])


def cut(which: int) -> Callable[[Array], Array]:
    """The live rows without the one in the middle of those of the first filter, or all behind it."""

    def change(found: Array) -> Array:
        found = found.copy()
        lo, hi = found.reshape(-1, 2)[0]
        found.reshape(-1, 2)[0, which] = (lo + hi) // 2 + which
        return found

    return change


def late(found: bands.Band) -> bands.Band:
    return bands.Band(found.axis, (found.start + 1) % found.axis[0], found.weights)


def permuted(found: Any) -> Any:
    for node in found.nodes if found else ():
        if len(node.average[1]) > 1:
            node.average = node.average[0], node.average[1][::-1].copy()
    return found


def overlapping(patch: Any) -> None:
    original = kernels.run
    patch.setattr(
        kernels,
        "run",
        lambda call, total, *rest: original(lambda s, a, b: call(s, a, max(a, b - (b > 1))), total, *rest),
    )


def scaled_filters(patch: Any) -> None:
    original = plans.known

    def known(plan: Any, found: Any, constants: Any, dtype: str) -> bool:
        for node in found.nodes:
            for op, _ in node.edges:
                constants[op.srcs[1]] = constants[op.srcs[1]] * (1 + 1e-6)
        return original(plan, found, constants, dtype)

    patch.setattr(plans, "known", known)


FAULTS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "filters scaled by 1e-6": ("2-D", scaled_filters),
    "bins shifted by one": ("2-D", spoilt(shapes, "window", shifted_bins)),
    "live rows begin too late": ("2-D", spoilt(cascade, "live_rows", cut(0))),
    "live rows end too early": ("2-D", spoilt(cascade, "live_rows", cut(1))),
    "averages begin a sample late": ("2-D", spoilt(cascade, "band", late)),
    "averages of single verbs begin late": ("1-D, complex", spoilt(verbs, "band", late)),
    "rows of the result permuted": ("2-D", spoilt(plans, "tree", permuted)),
    "the last of each part left out": ("2-D", overlapping),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_caught(fault: str, switch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name, plant = FAULTS[fault]
    x = signal(OPERATORS[name](), (5,), "float64")
    plant(monkeypatch)
    with pytest.raises(AssertionError), np.errstate(all="ignore"):
        compare(switch, name, x, "float64")
