"""Comparisons of operators with the definition, and the core list that planted faults must not survive."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

import groupscat as gs
from groupscat.testing.base import COMPLEX, noise
from groupscat.testing.tolerances import TOLERANCE, assert_close
from tests import oracle

Array = np.ndarray[Any, Any]


def as_dict(y: Any, S: gs.Scattering) -> dict[oracle.Key, Array]:
    """What an operator returned, as an array or as a list, by the (index, phase) of each path's wavelets."""
    if S.out_type == "array":
        return {path.key: y[(..., k, *[slice(None)] * len(S.shape))] for k, path in enumerate(S.paths)}
    assert S.out_type == "list"
    return {path.key: row["coef"] for path, row in zip(S.paths, y, strict=True)}


def against_oracle(S: gs.Scattering, x: Array, precision: str = "float64") -> None:
    """S(x) computed in ``precision`` equals the definition: paths, their order, sampling and values."""
    reference = oracle.cascade(S, x) if S.method == "cascade" else oracle.translation(S, x)
    given = x.astype(COMPLEX[precision] if S.complex_input else precision)
    found = as_dict(S(given), S)
    assert list(found) == list(reference)
    scale = np.abs(x).max() if x.size else 0.0
    tolerance = TOLERANCE[precision]
    scale = max([scale, *(np.abs(v).max() for v in reference.values() if v.size)])
    for key, value in reference.items():
        assert found[key].dtype in (precision, COMPLEX[precision])
        assert_close(found[key], value, scale, tolerance)


def harmonic_against_oracle(
    S: gs.HarmonicScattering3D, x: Array, tolerance: float, precision: str = "float64"
) -> None:
    """The same for solid harmonic scattering; each coefficient relative to the largest of its power."""
    y = S(x.astype(precision))
    flat = y.reshape(*x.shape[:-3], -1)
    reference = list(oracle.harmonic(S, x))
    assert [(p.order, p.j, p.l or 0, p.power) for p in S.paths] == [key for key, _ in reference]
    for q in S.integral_powers:
        rows = [k for k, (key, _) in enumerate(reference) if key[-1] == q]
        assert_close(flat[..., rows], np.stack([reference[k][1] for k in rows], -1), 0.0, tolerance)


def _translation(precision: str = "float64", **arguments: Any) -> Callable[[], None]:
    def check() -> None:
        S = gs.Scattering(**arguments)
        against_oracle(S, noise((2, *S.shape), is_complex=S.complex_input), precision)

    return check


def _harmonic(**arguments: Any) -> Callable[[], None]:
    def check() -> None:
        S = gs.HarmonicScattering3D(**arguments)
        harmonic_against_oracle(S, noise((2, *S.shape)), TOLERANCE["float64"])

    return check


def _parents() -> None:
    for path in (S := gs.Scattering2D(J=2, shape=(8, 8), L=2)).paths:
        above = S.paths[path.parent].n if path.order else None
        assert above == (path.n[:-1] if path.order else None)


def _contraction() -> None:
    for shape in ((32,), (8, 8)):
        S = gs.Scattering(
            J=2, shape=shape, padding="circular", stride=1, normalize="littlewood-paley", complex_input=True
        )
        x, y = noise((2, *shape), is_complex=True)
        assert S.littlewood_paley().upper <= 1 + 1e-12
        assert np.linalg.norm(S(x) - S(y)) <= np.linalg.norm(x - y)


def _layouts() -> None:
    S = gs.Scattering1D(J=2, shape=16)
    x = noise((3, 2, 16))
    one_by_one = np.stack([[S(v) for v in row] for row in x])
    assert_close(S(x), one_by_one, x)


def _chunks() -> None:
    backend = gs.get_backend("numpy")
    S = gs.Scattering1D(J=2, shape=16)
    x = noise((5, 16))
    whole = S(x)
    kept = backend.chunk_bytes
    try:
        backend.chunk_bytes = 1
        assert_close(S(x), whole, x)
    finally:
        backend.chunk_bytes = kept


def _equivalent_filters() -> None:
    """Before ρ the real and the imaginary part of the fast filter bank are those of eq. 18."""
    x = noise((16,))
    for part in (np.real, np.imag):
        S = gs.Scattering1D(
            J=1, shape=16, Q=2, T=0, padding="circular", method="cascade", rho=part, out_type="list"
        )
        for row, w in zip(S(x)[1:], S.cascade.band, strict=True):
            y = sum(w[t] * np.roll(x, t - len(w) // 2) for t in range(len(w)))
            assert_close(row["coef"], part(y)[::2], x)


def _cascade_taps() -> None:
    t = np.arange(-2, 3)
    low = np.exp(-(t**2) / (2 * 0.48))
    low /= low.sum()
    for ndim, wanted in ((1, low), (2, np.outer(low, low))):
        assert_close(gs.Scattering(J=1, shape=(4,) * ndim, method="cascade").cascade.low, wanted)


def _gradient_at_zero() -> None:
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    x = torch.zeros(2, 16, dtype=torch.float64, requires_grad=True)
    for again in (False, True):  # whether the gradient is to be differentiated: another way to compute it
        (gradient,) = torch.autograd.grad(gs.Scattering1D(J=2, shape=16)(x).sum(), x, create_graph=again)
        assert torch.isfinite(gradient).all()


def _frequencies() -> None:
    paths = gs.Scattering1D(J=2, shape=16, sampling_rate=100.0).paths
    assert [p.hz for p in paths] == [tuple(100.0 * f for f in p.xi) for p in paths]


def _refusals() -> None:
    S = gs.Scattering1D(J=2, shape=16, check_finite=True)
    for bad in (np.full(16, np.nan), np.zeros(17), np.zeros(16, complex)):
        try:
            S(bad)
        except gs.GroupscatError:
            continue
        raise AssertionError(f"accepted {bad}")


def _empty_batches() -> None:
    y = gs.Scattering1D(J=2, shape=16)(np.zeros((0, 16), np.float32))
    assert (y.shape, y.dtype) == ((0, 4, 4), np.float32)


def _float32_stays() -> None:
    for S in (gs.Scattering1D(J=2, shape=16), gs.Scattering2D(J=1, shape=(6, 6), L=2)):
        assert S(np.ones(S.shape, np.float32)).dtype == np.float32
        assert S(np.ones(S.shape, np.float64)).dtype == np.float64
        for given, kept in (("int8", "float32"), ("int32", "float64"), ("float16", "float16")):
            assert S(np.ones(S.shape, given)).dtype == kept


#: Small, fast comparisons that together look at every primitive, every composite and every option.
CORE: dict[str, Callable[[], None]] = {
    "1-D": _translation(J=3, shape=(40,), Q=(3, 1)),
    "1-D, order 3, zero": _translation(J=4, shape=(32,), Q=(2, 2), max_order=3, padding="zero"),
    "1-D, circular, odd": _translation(J=2, shape=(15,), padding="circular"),
    "1-D, edge, stride": _translation(J=3, shape=(21,), stride=2, padding="edge"),
    "1-D, exact padding": _translation(J=3, shape=(39,), exact_padding=True),
    "1-D, long frames": _translation(J=2, shape=(700,), max_order=1),
    "1-D, complex": _translation(J=2, shape=(24,), Q=2, complex_input=True),
    "1-D, unaveraged": _translation(J=2, shape=(24,), T=0, out_type="list"),
    "1-D, global": _translation(J=2, shape=(22,), T="global"),
    "1-D, narrow T": _translation(J=4, shape=(32,), T=2),
    "1-D, oversampled": _translation(J=4, shape=(32,), oversampling=1),
    "2-D": _translation(J=2, shape=(11, 8), L=4),
    "2-D, three scales": _translation(J=3, shape=(8, 9), L=2),
    "2-D, float32": _translation(J=2, shape=(11, 8), L=4, precision="float32"),
    "2-D, zero, rectifier": _translation(J=1, shape=(6, 7), L=3, rho="rectifier", phases=3, padding="zero"),
    "2-D, oversampled": _translation(J=2, shape=(8, 8), L=2, oversampling=1, padding="circular"),
    "2-D, complex, stride 1": _translation(J=1, shape=(6, 6), L=2, complex_input=True, stride=1),
    "3-D": _translation(J=1, shape=(4, 3, 4), L=3),
    "cascade 1-D": _translation(J=2, shape=(21,), Q=2, method="cascade"),
    "cascade 2-D": _translation(J=2, shape=(8, 9), L=3, method="cascade", padding="zero"),
    "cascade, equivalent filters": _equivalent_filters,
    "cascade, taps": _cascade_taps,
    "solid harmonic, odd": _harmonic(J=1, shape=(5, 7, 5), L=2, integral_powers=(0.5, 1.0, 2.0, 1.5)),
    "solid harmonic, even": _harmonic(J=0, shape=(4, 6, 4), L=2, order_0=True, integral_powers=(1.0, 3.0)),
    "solid harmonic, one m": _harmonic(J=1, shape=(5, 5, 5), L=2, rotation_covariant=False, max_order=1),
    "parents": _parents,
    "frequencies in Hz": _frequencies,
    "contraction": _contraction,
    "batch layouts": _layouts,
    "empty batches": _empty_batches,
    "chunks": _chunks,
    "precision kept": _float32_stays,
    "bad input refused": _refusals,
    "gradient at zero": _gradient_at_zero,
}


def first_failure(kind: type[Exception] = AssertionError) -> str | None:
    """The first core check that fails with an exception of ``kind``, by name; others are passed over."""
    for name, check in CORE.items():
        try:
            check()
        except kind:
            return name
        except Exception:
            continue
    return None
