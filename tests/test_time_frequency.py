"""Joint time-frequency scattering equals its definition; its spins, invariances, layouts and refusals."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.plan import along, time_frequency
from groupscat.plan.joint_paths import KINDS
from groupscat.plan.time_frequency import RowAxis
from groupscat.testing.tolerances import assert_close
from tests import oracle_time_frequency as oracle
from tests.checks import noise

Array = np.ndarray[Any, Any]

#: Tiny, and every option that has a branch of its own.
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "odd length": {"shape": 61},
    "zero padding": {"padding": "zero"},
    "exact padding": {"exact_padding": True},
    "circular": {"padding": "circular"},
    "circular, odd": {"padding": "circular", "shape": 27, "stride": 1},
    "Q at both orders": {"Q": (3, 2)},
    "Q_fr": {"Q_fr": 2, "J_fr": 2},
    "oversampling": {"oversampling": 1},
    "T small": {"T": 2},
    "T not a power of two": {"T": 11},
    "T global": {"T": "global"},
    "T = 0": {"T": 0, "out_type": "list"},
    "T = 0, stride": {"T": 0, "stride": 2},
    "stride": {"stride": 1},
    "F smaller than 2^J_fr": {"F": 2, "J_fr": 2},
    "F larger than 2^J_fr": {"F": 7, "J_fr": 1},
    "F global": {"F": "global"},
    "F = 0": {"F": 0},
    "F = 0, stride_fr": {"F": 0, "stride_fr": 1},
    "stride_fr": {"stride_fr": 1, "J_fr": 2},
    "both global": {"T": "global", "F": "global"},
    "separable": {"separable": True},
    "separable, T = 0": {"separable": True, "T": 0, "stride": 4},
}


def tiny(**changes: Any) -> gs.TimeFrequencyScattering:
    return gs.TimeFrequencyScattering(**{"J": 3, "J_fr": 1, "shape": 48, "Q": 4, **changes})


def compare(S: gs.TimeFrequencyScattering, tolerance: float = 1e-11) -> None:
    """Every coefficient of both formats, in every kind of output, against the definition."""
    x = noise((2, *S.shape))
    wanted = oracle.coefficients(S, x)
    scale = max(float(np.abs(v).max()) for v in wanted.values())
    for format in ("time", "joint"):
        S = S.replace(format=format, out_type="list")
        rows = S(x)
        assert {path.address[-2 + (path.order < 2) :] for path in S.paths} == set(wanted)
        for row, path in zip(rows, S.paths, strict=True):
            if path.order == 0:
                assert_close(row["coef"], wanted[()][:, 0], scale, tolerance)
                continue
            value = wanted[path.address if format == "joint" else path.address[1:]]
            step = S.stride_fr or 2**path.j_fr
            if format == "joint":
                assert_close(row["coef"], value[:, : row["coef"].shape[1]], scale, tolerance)
            else:
                assert_close(
                    row["coef"], value[:, 0 if S.F == "global" else path.n1 // step], scale, tolerance
                )


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_option_equals_definition(arguments: dict[str, Any]) -> None:
    compare(tiny(**arguments))


@pytest.mark.parametrize("arguments", [{}, {"F": 0, "stride_fr": 2}, {"T": "global"}, {"separable": True}])
def test_joint_array_holds_every_row_of_the_padded_axis(arguments: dict[str, Any]) -> None:
    S = tiny(format="joint", **arguments)
    x = noise((2, *S.shape))
    wanted = oracle.coefficients(S, x)
    expected = np.stack([wanted[path.address] for path in S.paths], axis=1)
    assert_close(S(x), expected, x, 1e-11)
    valid = S.replace(rows="valid")(x)
    assert valid.shape[2] == -(-len(S.bank.wavelets(1)) // S.stride_fr)
    assert_close(valid, expected[:, :, : valid.shape[2]], x, 1e-11)


def test_order_of_the_coefficients_is_kymatios() -> None:
    paths = tiny().paths
    assert [p.rank for p in paths] == sorted(p.rank for p in paths)
    assert [(p.order, p.n2, p.n_fr, p.n1) for p in paths[:5]] == [
        (0, None, None, None), (1, None, 0, 0), (1, None, 0, 2), (1, None, 0, 4), (1, None, 0, 6)
    ]  # fmt: skip
    joint = tiny(format="joint").paths
    assert [(p.order, p.n2, p.n_fr, p.spin) for p in joint][:4] == [
        (1, None, 0, 0), (1, None, 1, 1), (1, None, 2, 1), (2, 3, 0, 0)
    ]  # fmt: skip


# ------------------------------------------------------------------------------------ planted faults


@pytest.mark.usefixtures("plain_backends")
def test_planted_faults_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    spun, step, reached = along.spun, RowAxis.step, along.reached
    faults = {
        "spins exchanged": (along, "spun", lambda y, rows, spin, z: spun(y, rows, -spin, z)),
        "a finer sampling": (RowAxis, "step", lambda self, psi: max(1, step(self, psi) // 2)),
        "rows cut off": (time_frequency, "reached", lambda *a: tuple(o for o in reached(*a) if o < 20)),
    }
    compare(tiny(F=4, J_fr=3))
    for owner, name, fault in faults.values():
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fault)
            with pytest.raises(AssertionError):
                compare(tiny(F=4, J_fr=3))


def test_wrong_axes_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """λ padded differently; φ_F applied to what it has averaged already."""
    good = gs.TimeFrequencyScattering.row_axis.func
    S = tiny(J_fr=2)

    def padded(self: gs.TimeFrequencyScattering) -> RowAxis:
        axis = good(self)
        return RowAxis(axis.count, axis.period - 4, axis.mode, axis.stride, axis.keep)

    x = noise((2, *S.shape))
    right = S.replace(format="joint")(x)
    with monkeypatch.context() as patch:
        patch.setattr(gs.TimeFrequencyScattering, "row_axis", property(padded))
        wrong = S.replace(format="joint")(x)
        assert np.abs(wrong - right[:, :, : wrong.shape[2]]).max() > 1e-6 * np.abs(right).max()
    twice = gs.TimeFrequencyScattering.frequential.func
    with monkeypatch.context() as patch:
        bank = twice(S)
        wider = type(bank)(bank.phi, bank.low.scaled(1), bank.up, bank.down)
        object.__setattr__(wider.low, "sigma", (bank.low.sigma[0] * (1 + 1e-12),))
        patch.setattr(gs.TimeFrequencyScattering, "frequential", property(lambda self: wider))
        with pytest.raises(AssertionError):
            compare(S.replace())


# ------------------------------------------------------------------------------------------- spins


def chirp(size: int, low: float, high: float, rising: bool = True) -> Array:
    """Exponential chirp between two frequencies (cycles/sample) under a Hann window."""
    t, rate = np.arange(size), np.log(high / low) / size
    x = np.cos(2 * np.pi * low * np.expm1(rate * t) / rate) * np.hanning(size)
    return x if rising else x[::-1]


@pytest.mark.parametrize(("J", "Q", "J_fr"), [(8, 8, 3), (8, 16, 4)])
@pytest.mark.parametrize("rising", [True, False])
def test_spin_is_the_direction_of_a_chirp(J: int, Q: int, J_fr: int, rising: bool) -> None:
    """0.02 to 0.4 cycles/sample in 4096 samples: ≥ 20 in energy over all pairs, and of the strongest pair."""
    S = gs.TimeFrequencyScattering(J, J_fr, 4096, Q, T="global", F="global", format="joint")
    packed = S.pack(S(chirp(4096, 0.02, 0.4, rising)))["psi_t psi_f"][..., 0, 0]
    along_chirp, against = packed if rising else packed[::-1]
    assert (along_chirp**2).sum() >= 20 * (against**2).sum()
    strongest = np.unravel_index(along_chirp.argmax(), along_chirp.shape)
    assert along_chirp[strongest] >= 20 * against[strongest]


def test_reversing_time_exchanges_the_spins() -> None:
    S = gs.TimeFrequencyScattering(4, 2, 256, 4, T="global", padding="circular", format="joint")
    x = noise((3, 256))
    ahead, back = S.pack(S(x)), S.pack(S(np.roll(x[..., ::-1], 1, -1)))
    assert_close(back["psi_t psi_f"], ahead["psi_t psi_f"][:, ::-1], x)
    assert_close(back["psi_t phi_f"], ahead["psi_t phi_f"], x)


# --------------------------------------------------------------------------------- invariance, size


def test_shift_error() -> None:
    """N/8 at T = N/2: .033 to .061 with Kymatio's filters, half of what time scattering has."""
    N = 2048
    S = gs.TimeFrequencyScattering(10, 4, N, 16, T=N // 2, format="joint")
    for x in (chirp(N, 0.02, 0.3), np.random.default_rng(0).normal(size=N)):
        y, moved = S(x), S(np.roll(x, N // 8))
        assert np.linalg.norm(y - moved) <= 0.061 * 1.02 * np.linalg.norm(y)


def test_transposition_moves_interior_rows() -> None:
    """An octave up is Q = 8 rows, one output, towards the first row, if the modulation stays as it is."""
    N = 4096
    S = gs.TimeFrequencyScattering(8, 3, N, 8, T="global", format="joint", rows="valid")
    t = np.arange(N)
    envelope = np.hanning(N) * (1 + 0.8 * np.cos(2 * np.pi * t / 1024))
    low, high = (S(envelope * np.cos(2 * np.pi * f * t)) for f in (0.05, 0.1))
    interior, moved = slice(1, 5), low[:, 2:6]
    error = np.linalg.norm(high[:, interior] - moved) / np.linalg.norm(moved)
    still = np.linalg.norm(high[:, interior] - low[:, interior]) / np.linalg.norm(moved)
    assert error <= 0.05
    assert still >= 0.25


# ---------------------------------------------------------------------------------- parts of the plan


def floats(plan: Any) -> int:
    """Real numbers that all operations write, per signal."""
    return sum(register.floats for _, register in plan.registers if register.batched)


@pytest.mark.parametrize(
    "S",
    [
        tiny(), tiny(format="joint"), tiny(F=0), tiny(T=0, out_type="list"), tiny(separable=True),
        gs.Scattering1D(J=4, shape=60, Q=(4, 2), max_order=3),
        gs.Scattering1D(J=3, shape=40, Q=2, rho="rectifier"),
        gs.Scattering1D(J=3, shape=40, T=0, out_type="list"),
        gs.Scattering2D(J=2, shape=(11, 8), L=3),
        gs.Scattering2D(J=2, shape=(8, 8), L=3, method="cascade"),
        gs.HarmonicScattering3D(J=1, shape=(6, 6, 6), L=1, order_0=True),
    ],
    ids=lambda S: f"{type(S).__name__}, {len(S.paths)} paths",
)  # fmt: skip
@pytest.mark.parametrize("count", [1, 3, 12])
def test_some_coefficients_equal_those_of_the_whole(S: Any, count: int) -> None:
    x = np.abs(noise((2, *S.shape)))
    rows = np.random.default_rng(count).permutation(len(S.paths))[:count]
    some = S.restrict(rows)
    found, whole = some(x), S(x)
    if S.out_type == "list":
        found, whole = [r["coef"] for r in found], [whole[k]["coef"] for k in rows]
    else:
        found, whole = np.moveaxis(found, 1, 0), np.moveaxis(whole[:, rows], 1, 0)
    for a, b in zip(found, whole, strict=True):
        assert_close(a, b, x)
    assert [p.rank for p in some.paths] == [S.paths[int(k)].rank for k in rows]
    again = pickle.loads(pickle.dumps(some)).restrict([len(rows) - 1])(x)
    assert_close(again[0]["coef"] if S.out_type == "list" else again[:, 0], found[-1], x)
    assert len(some.paths) == len(rows)


def test_one_coefficient_costs_a_part() -> None:
    S = gs.TimeFrequencyScattering(8, 3, 4096, 8, format="joint")
    second = [k for k, path in enumerate(S.paths) if path.kind.startswith("psi_t psi_f")]
    for row in second[:: len(second) // 5]:
        some = S.restrict([row])
        assert floats(some.plan) < 0.4 * floats(S.plan)
        assert len(some.plan.ops) < 0.3 * len(S.plan.ops)
        assert set(dict(S.plan.constants)) >= {n for n, r in some.plan.constants if r.kind != "index"}
    T = gs.Scattering1D(J=6, shape=2048, Q=8)
    assert floats(T.restrict([0]).plan) < 0.05 * floats(T.plan)
    assert floats(T.restrict(T.paths.select(order=2)[:1]).plan) < 0.25 * floats(T.plan)


def test_paths_may_be_named_in_the_call() -> None:
    S = tiny()
    x = noise((2, 48))
    np.testing.assert_array_equal(S(x, paths=[3, 1]), S.restrict([3, 1])(x))
    with pytest.raises(gs.ArgumentError, match=r"no path 10000: the rows of .* are 0 …"):
        S(x, paths=[10000])
    with pytest.raises(gs.ArgumentError, match="twice"):
        S.restrict([1, 1])
    with pytest.raises(gs.ArgumentError, match="nothing to compute"):
        S.restrict([])
    for rows in (3, None):
        with pytest.raises(gs.ArgumentError, match=rf"rows={rows}: expected a sequence"):
            S.restrict(rows)
    for row in ("a", 0.5, True, np.True_, [1]):
        with pytest.raises(gs.ArgumentError, match=r"expected an integer, 0 … .*flatnonzero\(mask\)"):
            S(x, paths=[row])
        with pytest.raises(gs.ArgumentError, match="expected an integer"):
            S.wavelet(row)


@pytest.mark.parametrize("format", ["time", "joint"])
def test_excluded_kinds_are_neither_given_nor_computed(format: str) -> None:
    S = tiny(format=format)
    x = noise((2, 48))
    kinds = np.array(S.paths.column("kind"))
    for kind in set(kinds):
        less = S.replace(exclude=kind)
        assert kind not in less.paths.column("kind")
        assert_close(less(x), S(x)[:, kinds != kind], x)
        assert floats(less.plan) < floats(S.plan)
    assert set(kinds) == set(KINDS if format == "time" else KINDS[1:])


# -------------------------------------------------------------------------------------- layouts


def test_pack_has_an_axis_for_each_index() -> None:
    S = tiny(format="joint", J_fr=2)
    y = S(noise((2, 3, 48)))
    packed = S.pack(y)
    scales = sorted({p.n2 for p in S.paths} - {None})
    assert packed["psi_t psi_f"].shape == (2, 3, 2, len(scales), 3, *S.output_shape[1:])
    for k, path in enumerate(S.paths):
        at: tuple[Any, ...] = () if path.n2 is None else (scales.index(path.n2),)
        if path.spin:
            at = (*at, (path.n_fr - 1) % 3)
            at = (int(path.spin < 0), *at) if path.n2 is not None else at
        np.testing.assert_array_equal(packed[path.kind.rstrip("+-")][(slice(None),) * 2 + at], y[:, :, k])
    only_up = S.replace(exclude="psi_t psi_f-")
    np.testing.assert_array_equal(
        only_up.pack(only_up(noise((2, 3, 48))))["psi_t psi_f"][:, :, 0], packed["psi_t psi_f"][:, :, 0]
    )
    with pytest.raises(gs.ArgumentError, match='format="joint"'):
        tiny().pack(y)
    with pytest.raises(gs.ShapeError, match="trailing shape"):
        S.pack(y[..., :-1])


def test_dict_is_keyed_as_kymatios() -> None:
    S = tiny(out_type="dict")
    found = S(noise(48))
    assert list(found) == [path.address for path in S.paths]
    assert found[()].shape == S.output_shape[1:]
    joint = S.replace(format="joint")(noise(48))
    assert [key for key in joint if len(key) < 2] == [(), (0,), (1,), (2,)]
    seen = {path.address: len(path.seen) for path in S.replace(format="joint").paths}
    assert all(value.shape == (-(-seen[key] // 2), 6) for key, value in joint.items() if key)


def test_wavelets_of_a_path_make_its_coefficient() -> None:
    """Both ways: select a row by its wavelets; from S.wavelet(row) alone the coefficient follows."""
    S = tiny(padding="circular", shape=64, F=0, stride_fr=1, T=0, stride=1, J_fr=2, format="joint")
    (row,) = S.paths.select(order=2, n2=3, n_fr=2)
    in_time, across = S.wavelet(row)
    assert (in_time.name, across.name, across.wavelet.n) == ("order 2", "along", 2)
    x = noise(64)
    first = [S.time.wavelet(k)[0] for k in S.time.paths.select(order=1)]
    scalogram = np.stack([np.abs(np.fft.ifft(np.fft.fft(x) * psi.spectrum)) for psi in first])
    seen = len(S.paths[row].seen)
    padded = np.zeros((*across.grid, 64))
    padded[:seen] = scalogram[:seen]
    joint = np.outer(across.samples, in_time.samples)
    response = np.abs(np.fft.ifft2(np.fft.fft2(padded) * np.fft.fft2(joint)))
    assert_close(S(x)[row], response, x)
    atoms = gs.Scattering2D(J=2, shape=(8, 8), L=2).wavelet(-1)
    assert [a.samples.shape for a in atoms] == [(16, 16), (16, 16)]
    with pytest.raises(gs.ArgumentError, match="no samples"):
        gs.HarmonicScattering3D(J=1, shape=(4, 4, 4)).wavelet(0)


def test_table_of_paths() -> None:
    S = tiny(sampling_rate=8000.0)
    path = S.paths[S.paths.select(order=2, spin=-1, n1=2)[0]]
    assert path.kind == "psi_t psi_f-"
    assert path.hz == tuple(8000 * f for f in path.xi)
    assert path.xi_fr == -0.35
    assert path.row()["hz"] == path.hz
    above = S.paths[path.parent]
    assert (above.order, above.n1, above.n_fr) == (1, path.n1, 0)
    assert "psi_t psi_f-" in str(S.paths[-3:])
    with pytest.raises(gs.ArgumentError, match="sampling_rate"):
        tiny().paths.column("hz")
    with pytest.raises(gs.ArgumentError, match="no column 'theta_2'; try order, kind, n1"):
        S.paths.column("theta_2")


# --------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"J_fr": 5}, r"2\^J_fr = 32 exceeds the \(J\+1\)·Q = 16 rows .* use J_fr ≤ 4"),
        ({"J_fr": 0}, "J_fr"),
        ({"F": 17}, r'F=17 exceeds .* use F ≤ 16, or F="global"'),
        ({"F": "local"}, 'F=\'local\''),
        ({"F": -1}, "F=-1"),
        ({"F": "global", "stride_fr": 2}, "no meaning"),
        ({"stride_fr": 4}, "stride_fr=4 exceeds F=2"),
        ({"stride_fr": 3}, "power of two"),
        ({"F": 0, "stride_fr": 32}, "exceeds the 16 rows"),
        ({"F": 0, "format": "joint"}, "common stride_fr"),
        ({"T": 0}, "common stride"),
        ({"T": 49}, "T=49"),
        ({"J": 9}, "J=9"),
        ({"format": "3d"}, "format='3d'"),
        ({"exclude": "psi_t psi_f"}, "exclude='psi_t psi_f'"),
        ({"exclude": KINDS}, "leaves no coefficients"),
        ({"exclude": None}, r"exclude=None: .*\(\) leaves none out"),
        ({"rows": "padded"}, 'rows="padded" belongs'),
        ({"sampling_rate": 0}, "sampling_rate"),
        ({"Q_fr": 0}, "Q_fr"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(gs.ArgumentError, match=message):
        tiny(**arguments)


def test_unknown_arguments_and_inputs_are_refused() -> None:
    with pytest.raises(TypeError, match=r"no argument 'average'.*T=0"):
        tiny(average=False)
    with pytest.raises(TypeError, match="no argument 'M'"):
        tiny(M=3)
    with pytest.raises(gs.ShapeError, match=r"shape \(48,\) but x has trailing shape \(47,\)"):
        tiny()(np.zeros((2, 47)))
    with pytest.raises(gs.DtypeError, match="complex"):
        tiny()(np.zeros(48, complex))
    with pytest.raises(gs.NotFiniteError):
        tiny(check_finite=True)(np.full(48, np.nan))


# -------------------------------------------------------------------------------------- frameworks


def test_module_of_torch() -> None:
    torch = pytest.importorskip("torch")
    import groupscat.torch as gst

    x = noise((2, 48))
    for format in ("time", "joint"):
        S = tiny(format=format)
        module = gst.TimeFrequencyScattering(**S.config).double()
        given = torch.tensor(x, requires_grad=True)
        y = module(given)
        assert_close(y.detach().numpy(), S(x), x)
        (gradient,) = torch.autograd.grad(y.square().sum(), given)
        assert torch.isfinite(gradient).all()
        assert torch.autograd.gradcheck(lambda v, S=S: S(v, paths=[2, len(S.paths) - 1]), given)
        zero = torch.zeros(48, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(module(zero).sum(), zero)
        assert torch.isfinite(gradient).all()


def test_layer_of_keras() -> None:
    pytest.importorskip("keras")
    import groupscat.keras as gsk

    x = noise((2, 48))
    S = tiny(format="joint", exclude=("psi_t psi_f-",))
    layer = gsk.TimeFrequencyScattering(**S.config, dtype="float64")
    assert layer.compute_output_shape((None, 48)) == (None, *S.output_shape)
    copy = gsk.TimeFrequencyScattering.from_config(layer.get_config())
    for one in (layer, copy):
        assert_close(np.asarray(one(x)), S(x), x)


def test_order_of_the_excluded_kinds_makes_no_difference() -> None:
    a, b = KINDS[1], KINDS[4]
    assert tiny(exclude=(a, b)) == tiny(exclude={b, a}) == tiny(exclude=[b, a, a])


def test_equal_operators_are_equal() -> None:
    S = tiny(format="joint", sampling_rate=100.0)
    assert pickle.loads(pickle.dumps(S)) == S == S.replace()
    assert hash(S) == hash(S.replace())
    assert S.replace(T=2) != S
    assert eval(repr(S), {"TimeFrequencyScattering": gs.TimeFrequencyScattering}) == S
