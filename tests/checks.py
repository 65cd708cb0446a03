"""Comparisons of operators with the definition, and the core list that planted faults must not survive."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import groupscat as gs
from tests import oracle
from tests.tolerances import TOLERANCE, assert_close

Array = np.ndarray[Any, Any]

COMPLEX = {"float32": "complex64", "float64": "complex128"}


def noise(shape: tuple[int, ...], seed: int = 0, is_complex: bool = False) -> Array:
    """White noise in float64 or complex128."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if is_complex else x


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
        S = gs.Scattering(J=2, shape=shape, padding="circular", stride=1, normalize="littlewood-paley")
        x, y = noise((2, *shape))
        assert S.littlewood_paley().upper <= 1 + 1e-12
        assert np.linalg.norm(S(x) - S(y)) <= np.linalg.norm(x - y)


def _layouts() -> None:
    S = gs.Scattering1D(J=2, shape=16)
    x = noise((3, 2, 16))
    one_by_one = np.stack([[S(v) for v in row] for row in x])
    assert_close(S(x), one_by_one, x)


def _float32_stays() -> None:
    for S in (gs.Scattering1D(J=2, shape=16), gs.Scattering2D(J=1, shape=(6, 6), L=2)):
        assert S(np.ones(S.shape, np.float32)).dtype == np.float32
        assert S(np.ones(S.shape, np.float64)).dtype == np.float64


#: Small, fast comparisons that together look at every primitive, every composite and every option.
CORE: dict[str, Callable[[], None]] = {
    "1-D": _translation(J=3, shape=(40,), Q=(3, 1)),
    "1-D, order 3, zero": _translation(J=4, shape=(32,), Q=(2, 2), max_order=3, padding="zero"),
    "1-D, circular, odd": _translation(J=2, shape=(15,), padding="circular"),
    "1-D, edge, stride": _translation(J=3, shape=(21,), stride=2, padding="edge"),
    "1-D, exact padding": _translation(J=3, shape=(40,), exact_padding=True),
    "1-D, long frames": _translation(J=2, shape=(700,), max_order=1),
    "1-D, complex": _translation(J=2, shape=(24,), Q=2, complex_input=True),
    "1-D, unaveraged": _translation(J=2, shape=(24,), T=0, out_type="list"),
    "1-D, global": _translation(J=2, shape=(22,), T="global"),
    "1-D, narrow T": _translation(J=3, shape=(32,), T=2, oversampling=1),
    "2-D": _translation(J=2, shape=(11, 8), L=4),
    "2-D, float32": _translation(J=2, shape=(11, 8), L=4, precision="float32"),
    "2-D, zero, rectifier": _translation(J=1, shape=(6, 7), L=3, rho="rectifier", phases=3, padding="zero"),
    "2-D, oversampled": _translation(J=2, shape=(8, 8), L=2, oversampling=1, padding="circular"),
    "2-D, complex, stride 1": _translation(J=1, shape=(6, 6), L=2, complex_input=True, stride=1),
    "3-D": _translation(J=1, shape=(4, 3, 4), L=3),
    "cascade 1-D": _translation(J=2, shape=(21,), Q=2, method="cascade"),
    "cascade 2-D": _translation(J=2, shape=(8, 9), L=3, method="cascade", padding="zero"),
    "solid harmonic, odd": _harmonic(J=1, shape=(5, 7, 5), L=2, integral_powers=(0.5, 1.0, 2.0, 3.0)),
    "solid harmonic, even": _harmonic(J=0, shape=(4, 6, 4), L=2, order_0=True, integral_powers=(1.0, 2.0)),
    "solid harmonic, one m": _harmonic(J=1, shape=(5, 5, 5), L=2, rotation_covariant=False, max_order=1),
    "parents": _parents,
    "contraction": _contraction,
    "batch layouts": _layouts,
    "precision kept": _float32_stays,
}


def failures() -> list[str]:
    """The core checks that fail, by name; any exception counts."""
    found = []
    for name, check in CORE.items():
        try:
            check()
        except Exception:
            found.append(name)
    return found


def combinations(**options: list[Any]) -> list[dict[str, Any]]:
    """All combinations of the given values, as keyword arguments."""
    return [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]
