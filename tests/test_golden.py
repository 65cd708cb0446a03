"""Golden files: coefficients computed with Kymatio (see the tolerances for what is left).

Set GROUPSCAT_DATA to the folder that holds them (as golden/*.npz or *.npz); without it these tests skip.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.testing.tolerances import GOLDEN, GOLDEN_PI


def load(name: str) -> dict[str, np.ndarray[Any, Any]]:
    folder = os.environ.get("GROUPSCAT_DATA")
    if not folder:
        pytest.skip("GROUPSCAT_DATA is not set to the folder of the golden files")
    for path in (Path(folder) / "golden" / f"{name}.npz", Path(folder) / f"{name}.npz"):
        if path.exists():
            with np.load(path) as file:
                return {key: file[key] for key in file.files}
    pytest.skip(f"GROUPSCAT_DATA={folder} holds neither golden/{name}.npz nor {name}.npz")


def difference(found: np.ndarray[Any, Any], golden: np.ndarray[Any, Any]) -> float:
    """Relative to the largest coefficient."""
    assert found.shape == golden.shape
    return float(np.abs(found - golden).max() / np.abs(golden).max())


@pytest.mark.parametrize("name", ["scattering1d", "scattering1d_nonpow2"])
@pytest.mark.parametrize("exact", [True, False])
def test_time_series(name: str, exact: bool) -> None:
    data = load(name)
    Q = tuple(map(int, np.atleast_1d(data["Q"])))
    x = data["x"].astype(np.float64)
    S = gs.Scattering1D(
        J=int(data["J"]), shape=x.shape[-1], Q=Q if len(Q) == 2 else Q[0], exact_padding=exact
    )
    assert difference(S(x), data["Sx"]) <= GOLDEN
    if "xi" in data:
        columns = [[*path.xi, math.nan, math.nan][:2] for path in S.paths]
        np.testing.assert_allclose(columns, data["xi"], atol=1e-12)
        np.testing.assert_array_equal([p.order for p in S.paths], data["order"])


@pytest.mark.parametrize(("name", "L"), [("scattering2d", 8), ("scattering2d_rect", 6)])
def test_images(name: str, L: int) -> None:
    data = load(name)
    x = data["x"].astype(np.float64)
    S = gs.Scattering2D(J=int(data["J"]), shape=x.shape[-2:], L=L)
    y = S(x)
    assert difference(y, data["Sx"]) <= GOLDEN_PI
    order = np.array(S.paths.column("order"))[:, None, None]
    assert difference(y, data["Sx"] * (3.1415 / math.pi) ** (order + 1)) <= GOLDEN


def test_volumes() -> None:
    data = load("scattering3d")
    x = data["x"].astype(np.float64)
    S = gs.HarmonicScattering3D(
        J=int(data["J"]),
        shape=x.shape[-3:],
        L=int(data["L"]),
        integral_powers=tuple(map(float, data["integral_powers"])),
        order_0=True,
    )
    assert difference(S(x), data["Sx"]) <= GOLDEN


@pytest.mark.parametrize("format", ["joint", "time"])
@pytest.mark.parametrize("exact", [True, False])
def test_time_frequency(format: str, exact: bool) -> None:
    data = load(f"timefrequency_{format}")
    x, Q = data["x"], tuple(map(int, data["Q"]))
    J, J_fr, Q_fr = (int(data[name]) for name in ("J", "J_fr", "Q_fr"))
    S = gs.TimeFrequencyScattering(J, J_fr, x.shape[-1], Q, Q_fr=Q_fr, format=format, exact_padding=exact)
    assert difference(S(x), data["Sx"]) <= GOLDEN
    # The tables of the golden files are sorted by (n1, n2, n_fr).
    rows = sorted(range(len(S.paths)), key=lambda k: (S.paths[k].order, S.paths[k].address))
    paths = [S.paths[k] for k in rows]
    assert [str(p.address) for p in paths] == list(data["meta_key"])[-len(paths) :]
    for name in ("order", "n_fr", "spin", "j_fr", "xi_fr", "sigma_fr"):
        column = [math.nan if (value := getattr(path, name)) is None else value for path in paths]
        np.testing.assert_allclose(column, data[f"meta_{name}"], atol=1e-12)
    for name in ("xi", "sigma", "j") if format == "time" else ():
        columns = [[*getattr(path, name), math.nan, math.nan][:2] for path in paths]
        np.testing.assert_allclose(columns, data[f"meta_{name}"], atol=1e-12)


def test_golden_files_are_found_where_they_are_said_to_be() -> None:
    """With GROUPSCAT_DATA set, nothing above skips: a missing file is a failure here."""
    folder = os.environ.get("GROUPSCAT_DATA")
    if not folder:
        pytest.skip("GROUPSCAT_DATA is not set to the folder of the golden files")
    found = {p.stem for p in [*Path(folder).glob("*.npz"), *Path(folder).glob("golden/*.npz")]}
    assert {
        "scattering1d", "scattering1d_nonpow2", "scattering2d", "scattering2d_rect", "scattering3d",
        "timefrequency_joint", "timefrequency_time"
    } <= found  # fmt: skip
