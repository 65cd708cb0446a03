"""The table of paths: Kymatio's order, parents, frequencies, selection."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import groupscat as gs
from tests.strategies import operators


def test_one_dimension_is_sorted_by_wavelet_and_scales_increase() -> None:
    S = gs.Scattering1D(J=4, shape=256, Q=(4, 1))
    first, second = S.bank.wavelets(1), S.bank.wavelets(2)
    expected: list[tuple[int, ...]] = [()]
    expected += [(n,) for n in range(len(first))]
    expected += [
        (n1, n2) for n1, a in enumerate(first) for n2, b in enumerate(second) if b.j > a.j
    ]  # fmt: skip
    assert S.paths.column("n") == expected
    xi = [w.xi[0] for w in first]
    assert xi == sorted(xi, reverse=True)


def test_plane_is_sorted_by_scale_then_angle() -> None:
    """Kymatio: order 0; (j1, θ1); (j1, θ1, j2, θ2) with j2 > j1."""
    J, L = 3, 2
    expected: list[tuple[Any, ...]] = [((), ())]
    expected += [((j,), (t,)) for j in range(J) for t in range(L)]
    expected += [
        ((j1, j2), (t1, t2))
        for j1 in range(J) for t1 in range(L) for j2 in range(j1 + 1, J) for t2 in range(L)
    ]  # fmt: skip
    S = gs.Scattering2D(J=J, shape=(16, 16), L=L)
    assert [(p.j, p.theta) for p in S.paths] == expected


@pytest.mark.parametrize(("J", "L", "count"), [(2, 8, 81), (3, 8, 217), (4, 8, 417), (2, 6, 49)])
def test_number_of_plane_paths(J: int, L: int, count: int) -> None:
    assert (
        len(gs.Scattering2D(J=J, shape=(32, 32), L=L).paths) == count == 1 + J * L + L * L * J * (J - 1) // 2
    )


def test_solid_harmonic_layout() -> None:
    S = gs.HarmonicScattering3D(J=2, shape=(8, 8, 8), L=1, integral_powers=(1.0, 2.0), order_0=True)
    scales: list[tuple[int, ...]] = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    expected: list[tuple[Any, ...]] = [((), None, 1.0), ((), None, 2.0)]
    expected += [(j, l, q) for j in scales for l in (0, 1) for q in (1.0, 2.0)]
    assert [(p.j, p.l, p.power) for p in S.paths] == expected


@given(S=operators())
def test_parents_lose_the_last_wavelet(S: gs.Scattering) -> None:
    for k, path in enumerate(S.paths):
        if path.order == 0:
            assert path.parent == -1
            continue
        assert 0 <= path.parent < k
        above = S.paths[path.parent]
        assert (above.n, above.phases) == (path.n[:-1], path.phases[:-1])
        assert list(path.j) == sorted(set(path.j))


def test_parents_of_solid_harmonics_share_degree_and_power() -> None:
    S = gs.HarmonicScattering3D(J=1, shape=(8, 8, 8), L=2)
    for path in S.paths:
        if path.order == 2:
            above = S.paths[path.parent]
            assert (above.j, above.l, above.power) == (path.j[:1], path.l, path.power)
        else:
            assert path.parent == -1  # order 0 is not in the table unless asked for


def test_frequencies_in_hertz() -> None:
    S = gs.Scattering1D(J=3, shape=64, sampling_rate=8000)
    for path in S.paths:
        np.testing.assert_allclose(path.hz, [x * 8000 for x in path.xi])
    plane = gs.Scattering2D(J=1, shape=(8, 8), L=2, sampling_rate=10.0)
    np.testing.assert_allclose(plane.paths[1].hz, 10 * np.array(plane.paths[1].xi))
    assert "hz" in str(S.paths)


def test_frequencies_in_hertz_need_a_rate() -> None:
    S = gs.Scattering1D(J=3, shape=64)
    with pytest.raises(gs.ArgumentError, match=r"need a sampling rate.*sampling_rate="):
        S.paths[1].hz  # noqa: B018
    with pytest.raises(gs.ArgumentError, match="sampling rate"):
        S.paths.column("hz")


def test_selection() -> None:
    S = gs.Scattering2D(J=3, shape=(16, 16), L=2)
    rows = S.paths.select(order=2, j=(0, 2))
    assert rows == [k for k, p in enumerate(S.paths) if p.j == (0, 2)]
    assert len(rows) == 4
    assert S.paths.where(lambda p: p.order == 0) == [0]
    assert S.paths.select(theta=(9,)) == []
    with pytest.raises(gs.ArgumentError, match=r"no column 'scale'; try order"):
        S.paths.select(scale=1)


def test_indexing_and_slices() -> None:
    paths = gs.Scattering1D(J=3, shape=64).paths
    assert paths[1:3].rows == (paths[1], paths[2])
    assert [p.order for p in paths] == paths.column("order")
    assert paths[-1].order == 2


def test_pandas_table_has_one_row_per_path_and_one_column_per_wavelet() -> None:
    pandas = pytest.importorskip("pandas", reason='pip install "groupscat[pandas]"')
    S = gs.Scattering2D(J=2, shape=(8, 8), L=2, sampling_rate=2.0)
    table = S.paths.to_pandas()
    assert len(table) == len(S.paths)
    assert list(table["order"]) == S.paths.column("order")
    last = table.iloc[-1]
    assert (last["j1"], last["j2"], last["theta1"], last["theta2"]) == (0, 1, 1, 1)
    assert last["parent"] == S.paths[-1].parent
    assert last["xi1_1"] == S.paths[-1].xi[0][0]
    assert last["hz2_2"] == S.paths[-1].hz[1][1]
    assert pandas.isna(table.iloc[0]["j1"])


def test_phases_are_shown_and_order_inside_a_wavelet() -> None:
    S = gs.Scattering1D(J=2, shape=32, rho="rectifier", phases=2, max_order=1)
    assert [p.key for p in S.paths][:5] == [(), ((0, 0),), ((0, 1),), ((1, 0),), ((1, 1),)]
    assert "phase=1" in repr(S.paths[2])


def test_printed_table_shows_first_and_last_rows() -> None:
    short, long = gs.Scattering1D(J=2, shape=32).paths, gs.Scattering2D(J=3, shape=(32, 32)).paths
    assert len(str(short).splitlines()) == len(short) + 1
    lines = str(long).splitlines()
    assert len(lines) == 1 + 20 + 1
    assert f"({len(long) - 20} more)" in lines[17]
    assert lines[-1].startswith(str(len(long) - 1))


def test_path_reports_bandwidth_and_repr() -> None:
    S = gs.Scattering1D(J=3, shape=64)
    assert S.paths[1].sigma == (S.bank.wavelets(1)[0].sigma[0],)
    assert repr(S.paths[0]) == "Path(order=0, n=, j=, xi=, sigma=, parent=-1)"
