"""Filters along the channels of groups, compiled: definitions, pairs of samples, gradients, operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.backend import registry
from groupscat.backend.numpy import NumPyBackend
from groupscat.plan.angular import AngularMatrix, AngularMean
from groupscat_native import along_channels, library
from groupscat_native.along_channels import angular, channels, combinations, mix, transposed
from groupscat_native.backend import NativeNumPyBackend
from tests.frameworks import missing

if library.load()[0] is None:
    pytest.skip(f"no compiled kernels: {library.load()[1]}", allow_module_level=True)

from tests.test_native import COMPLEX, Array, close, empty, noise, precision, which  # noqa: F401

#: Parts of V, matrices, groups, inputs, samples.
SIZES = [(2, 1, 1, 1, 1), (2, 3, 3, 5, 4), (2, 1, 3, 8, 30), (1, 1, 1, 8, 28), (1, 4, 4, 3, 7)]
#: A batch, positions, how many threads share it.
POSITIONS = [
    (0, (4,), 1),
    (1, (), 1),
    (1, (1,), 1),
    (3, (5, 3), 2),
    (1, (8, 8), 2),
    (2, (101,), 2),
    (1, (20, 20), 1),
]


def responses(z: Array, matrix: Array, inputs: int) -> Array:
    """V ⋆ ψ̃ by the definition, complex, (B, groups, samples, positions)."""
    batch, count, *_ = z.shape
    v = z.reshape(batch, count // inputs, inputs, math.prod(z.shape[2:])).astype(complex)
    planar = np.concatenate([v.real, v.imag], 2) if np.iscomplexobj(z) else v.real
    y = matrix.astype(float) @ planar
    samples = matrix.shape[1] // 2
    return np.asarray(y[:, :, :samples] + 1j * y[:, :, samples:])


def gradient(z: Array, matrix: Array, inputs: int, g: Array) -> Array:
    """That by V of the moduli, 0 where one vanishes."""
    y = responses(z, matrix, inputs)
    size = np.abs(y)
    slope = np.where(size > 0, y / np.where(size > 0, size, 1), 0) * g.reshape(y.shape)
    back = matrix.astype(float).swapaxes(1, 2) @ np.concatenate([slope.real, slope.imag], 2)
    if np.iscomplexobj(z):
        back = back[:, :, :inputs] + 1j * back[:, :, inputs:]
    return np.asarray(back.reshape(z.shape))


def against_the_definition(matrix: Array, groups: int, parts: int, dtype: str) -> None:
    inputs, samples = matrix.shape[2] // parts, matrix.shape[1] // 2
    table = channels(matrix, parts)
    for batch, sizes, workers in POSITIONS:
        z = noise((batch, groups * inputs, *sizes), COMPLEX[dtype] if parts == 2 else dtype)
        y = responses(z, matrix, inputs)
        out = empty((batch, groups * samples, *sizes), dtype)
        assert angular(z, table, out, workers)
        close(out, np.abs(y).reshape(out.shape), dtype)
        g, back = noise(out.shape, dtype), empty(z.shape, z.dtype.name)
        assert angular(z, table, back, workers, g)
        nearest = np.abs(y).min(initial=1) / np.abs(y).max(initial=1)
        close(back, gradient(z, matrix, inputs, g), dtype, 1 / max(1e-4, nearest))


@precision
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_any_matrix(sizes: tuple[int, ...], dtype: str) -> None:
    parts, several, groups, inputs, samples = sizes
    matrix = noise((several, 2 * samples, parts * inputs), dtype)
    matrix.reshape(several, 2 * samples, parts, inputs)[:, :: samples + 1, :, : inputs // 2] = 0
    against_the_definition(matrix, groups, parts, dtype)


@precision
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("several", [1, 3])
def test_averages_of_moduli_of_channels_in_another_order(several: int, parts: int, dtype: str) -> None:
    """What a plan does by three operations, in one: take, modulus, average."""
    groups, inputs, samples, count = 3, 5, 6, 17
    matrix, average = noise((several, 2 * samples, parts * inputs), dtype), noise((4, samples), dtype)
    average[1, 2:] = 0
    order = np.random.default_rng(0).permutation(count)[: groups * inputs].astype(np.int32)
    table, mean = channels(matrix, parts), combinations(average)
    for batch, sizes, workers in POSITIONS:
        z = noise((batch, count, *sizes), COMPLEX[dtype] if parts == 2 else dtype)
        y = np.abs(responses(z[:, order], matrix, inputs))
        out = empty((batch, groups * 4, *sizes), dtype)
        assert angular(z, table, out, workers, None, mean, order)
        close(out, (average.astype(float) @ y).reshape(out.shape), dtype)
        g, back = noise(out.shape, dtype), np.zeros(z.shape, z.dtype)
        assert angular(z, table, back, workers, g, mean, order)
        slope = average.T.astype(float) @ g.reshape(batch, groups, 4, math.prod(sizes))
        wanted = np.zeros(z.shape, complex)
        wanted[:, order] = gradient(z[:, order], matrix, inputs, slope)
        nearest = y.min(initial=1) / y.max(initial=1)
        close(back, wanted if parts == 2 else wanted.real, dtype, 1 / max(1e-4, nearest))


def operators() -> dict[str, Any]:
    return {
        "joint": gs.RotoTranslationScattering2D(2, (16, 16), 8),
        "separable": gs.RotoTranslationScattering2D(2, (16, 16), 8, group="separable"),
        "complex": gs.RotoTranslationScattering2D(2, (16, 16), 4, complex_input=True),
        "odd": gs.RotoTranslationScattering2D(2, (16, 16), 5, K=2, oversampling=1),
    }


@precision
@pytest.mark.parametrize("name", operators())
def test_filters_of_operators_by_pairs_of_samples(name: str, dtype: str) -> None:
    """Wavelets come in pairs, half a turn or a sign apart; only averages are alone."""
    angles = operators()[name].angles
    for signs in ((), angles.signs(range(angles.L))):
        matrix = AngularMatrix(angles.axis, signs).build().astype(dtype)
        table = channels(matrix, 2).table
        assert sorted(k for k in table[:, :2].ravel() if k >= 0) == list(range(len(angles.axis.samples)))
        averages = [k for k, (i, _) in enumerate(angles.axis.samples) if i == len(angles.axis.filters) - 1]
        assert set(table[table[:, 1] < 0, 0]) <= set(averages)
        against_the_definition(matrix, max(1, len(signs)), 2, dtype)
    matrix = AngularMatrix(angles.axis_of_averages, real=True).build().astype(dtype)
    against_the_definition(matrix, 1, 1, dtype)


def test_samples_that_are_almost_alike_are_no_pair() -> None:
    matrix = noise((2, 2, 6), "float64")
    pair = np.concatenate([matrix, matrix * np.repeat([1, -1], 3)], 1)[:, [0, 2, 1, 3]]
    assert channels(pair, 2).table.tolist() == [[0, 1, 0, 3]]
    pair[:, 3] *= -1  # a modulus does not notice
    assert channels(pair, 2).table.tolist() == [[0, 1, 0, 3]]
    pair[1, 3, 4] += 1e-12
    assert channels(pair, 2).table[:, :2].tolist() == [[0, -1], [1, -1]]


@precision
@pytest.mark.parametrize("parts", [1, 2])
def test_gradient_is_zero_where_the_modulus_is(parts: int, dtype: str) -> None:
    matrix = noise((1, 8, parts * 3), dtype)
    z = noise((2, 6, 37), COMPLEX[dtype] if parts == 2 else dtype)
    z[0, :3] = 0
    back, g = empty(z.shape, z.dtype.name), noise((2, 8, 37), dtype)
    assert angular(z, channels(matrix, parts), back, 1, g)
    assert (back[0, :3] == 0).all()
    assert (back[0, 3:] != 0).all()


@precision
@pytest.mark.parametrize(("groups", "inputs", "outputs"), [(1, 1, 1), (3, 8, 1), (2, 5, 7), (2, 30, 4)])
def test_combinations_and_their_adjoints(groups: int, inputs: int, outputs: int, dtype: str) -> None:
    matrix = noise((outputs, inputs), dtype)
    matrix[:, inputs // 2 + 1 :] = 0
    matrix[1:2] = 0
    for batch, sizes, workers in POSITIONS:
        for m, table in ((matrix, combinations(matrix)), (matrix.T, transposed(matrix))):
            x = noise((batch, groups * m.shape[1], *sizes), dtype)
            out = empty((batch, groups * m.shape[0], *sizes), dtype)
            assert mix(x, table, out, workers)
            grouped = x.reshape(batch, groups, m.shape[1], math.prod(sizes))
            close(out, (m.astype(float) @ grouped.astype(float)).reshape(out.shape), dtype)


def test_what_is_left_to_others() -> None:
    table = channels(noise((3, 4, 10), "float32"), 2)
    z, y = noise((1, 15, 6), "complex64"), empty((1, 6, 6), "float32")
    assert angular(z, table, y, 1)
    for other in (z[:, :14], z[:, :10], z.astype("complex128"), z.real.copy(), z[..., ::2]):
        assert not angular(other, table, y, 1)
    assert not angular(z, table, y[:, :5], 1)
    assert not angular(z, table, empty(z.shape, "complex64"), 1, y[..., :5])
    order = np.arange(15, dtype=np.int32)
    assert angular(z, table, y, 1, order=order)
    others: list[Any] = [order + 1, order - 1, order[:14], order.astype(np.int64)]
    for wrong in others:
        assert not angular(z, table, y, 1, order=wrong)
    assert not angular(z, table, y, 1, average=combinations(noise((2, 3), "float32")))
    x, rows = noise((1, 6, 4), "float32"), combinations(noise((2, 3), "float32"))
    assert mix(x, rows, empty((1, 4, 4), "float32"), 1)
    assert not mix(x[:, :5].copy(), rows, empty((1, 4, 4), "float32"), 1)
    assert not mix(x, rows, empty((1, 5, 4), "float32"), 1)
    assert not mix(x, rows, empty((1, 4, 4), "float64"), 1)


# ----------------------------------------------------------------------------------------------- verbs

VERBS: dict[str, Callable[[Any, str], Array]] = {
    "channel_modulus": lambda xp, t: xp.channel_modulus(*given(t)[:3]),
    "channel_modulus_gradient": lambda xp, t: xp.channel_modulus_gradient(*given(t)),
    "mix_channels": lambda xp, t: xp.mix_channels(given(t)[3], noise_of((2, 7), t), 7),
    "mix_channels_adjoint": lambda xp, t: xp.mix_channels_adjoint(given(t)[3], noise_of((7, 2), t), 2),
}


def noise_of(shape: tuple[int, ...], dtype: str) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def given(dtype: str) -> tuple[Array, Array, int, Array]:
    z = (noise_of((2, 9, 5, 3), dtype) + 1j * noise_of((3, 9, 5, 3), dtype)[1:]).astype(COMPLEX[dtype])
    return z, noise_of((3, 14, 6), dtype), 3, noise_of((2, 21, 5, 3), dtype)


@precision
@pytest.mark.parametrize("verb", VERBS)
def test_verbs_are_done_by_kernels(verb: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = VERBS[verb](NumPyBackend(), dtype)
    close(VERBS[verb](NativeNumPyBackend(), dtype), wanted, dtype, 10)
    for name in ("angular", "mix"):
        monkeypatch.setattr(along_channels, name, lambda x, matrix, out, *rest: out.fill(7) is None)
    assert (VERBS[verb](NativeNumPyBackend(), dtype) == 7).all()


def test_verbs_of_other_numbers_are_left_to_the_framework() -> None:
    xp, plain = NativeNumPyBackend(), NumPyBackend()
    z, matrix, inputs, g = given("float64")
    other = matrix.astype("float32")
    np.testing.assert_array_equal(
        xp.channel_modulus(z, other, inputs), plain.channel_modulus(z, other, inputs)
    )
    x, row = g[:, :6], matrix[0, :2].astype("float32")
    np.testing.assert_array_equal(xp.mix_channels(x, row, 6), plain.mix_channels(x, row, 6))
    np.testing.assert_array_equal(xp.mix_channels_adjoint(x, row, 6), plain.mix_channels_adjoint(x, row, 6))


# ------------------------------------------------------------------------------------------- operators

OPERATORS: dict[str, Callable[[], Any]] = {
    "joint": lambda: gs.RotoTranslationScattering2D(2, (16, 20), 4),
    "joint, angles kept": lambda: gs.RotoTranslationScattering2D(2, (16, 16), 4, average_angle=False),
    "separable": lambda: gs.RotoTranslationScattering2D(2, (16, 16), 6, group="separable"),
    "complex": lambda: gs.RotoTranslationScattering2D(2, (16, 16), 4, complex_input=True),
    "scale-rotation": lambda: gs.ScaleRotationTranslationScattering2D(3, (16, 16), 4),
}


def compare(name: str, dtype: str, switch: Callable[[Any], None]) -> None:
    S = OPERATORS[name]()
    x = noise_of((3, *S.shape), dtype)
    x = x + 1j * x[::-1] if name == "complex" else x
    found = []
    for backend in (NativeNumPyBackend(), NumPyBackend()):
        switch(backend)
        found.append(OPERATORS[name]()(x))
    first, second = found
    close(first, second, dtype, 3)


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Which backend computes NumPy arrays."""
    original = registry._load

    def to(backend: Any) -> None:
        monkeypatch.setattr(registry, "_load", lambda n: backend if n == "numpy" else original(n))

    return to


@precision
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_with_and_without_kernels(name: str, dtype: str, switch: Any) -> None:
    compare(name, dtype, switch)


@pytest.mark.skipif(bool(missing("torch")), reason='pip install "groupscat[torch]"')
@precision
@pytest.mark.parametrize("name", OPERATORS)
def test_gradients_against_those_of_torch(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels, and rules for every operation, against what Torch records of its own operations."""
    import torch

    from groupscat_torch.backend import TorchBackend
    from groupscat_torch.native import NativeTorchBackend

    def recorded(self: Any, function: Any, gradient: Any, data: Any, constants: Any) -> Any:
        return function({**data, **constants})

    original, found = registry._load, []
    S = OPERATORS[name]()
    values = noise_of((2, *S.shape), dtype)
    for backend in (NativeTorchBackend(), type("Recorded", (TorchBackend,), {"recompute": recorded})()):
        monkeypatch.setattr(registry, "_load", lambda n, b=backend: b if n == "torch" else original(n))
        x = torch.from_numpy(values + 1j * values[::-1] if name == "complex" else values).requires_grad_()
        y = OPERATORS[name]()(x)
        y = torch.view_as_real(y) if y.is_complex() else y
        (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)).sum().backward()
        found.append(x.grad.numpy())
    first, second = found
    close(first, second, dtype, 30)


# ---------------------------------------------------------------------------------------------- faults


def other_way_round(table: along_channels.Channels) -> along_channels.Channels:
    rows = table.table.copy()
    rows[[0, -1]] = rows[[-1, 0]]
    return along_channels.Channels(table.matrix, rows, table.samples)


def alone(table: along_channels.Channels) -> along_channels.Channels:
    rows = table.table.copy()
    rows[0, 1] = rows[0, 0]
    return along_channels.Channels(table.matrix, rows, table.samples)


def short(table: along_channels.Channels) -> along_channels.Channels:
    rows = table.table.copy()
    rows[0, 3] -= 1
    return along_channels.Channels(table.matrix, rows, table.samples)


def of_one_group(table: along_channels.Channels) -> along_channels.Channels:
    return along_channels.Channels(table.matrix[:1], table.table, table.samples)


FAULTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "entries exchanged": ("channels", other_way_round),
    "a sample never written": ("channels", alone),
    "the last input left out": ("channels", short),
    "one matrix for all groups": ("channels", of_one_group),
    "averages scaled": ("combinations", lambda rows: combinations(rows.matrix * (1 + 1e-6))),
    "averages of other channels": ("combinations", lambda rows: combinations(rows.matrix[:, ::-1])),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_caught(fault: str, switch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name, change = FAULTS[fault]
    original = getattr(along_channels, name)
    monkeypatch.setattr(along_channels, name, lambda *a: change(original(*a)))
    with pytest.raises(AssertionError), np.errstate(all="ignore"):
        compare("joint", "float64", switch)


def test_means_are_runs_of_samples() -> None:
    """What the kernels leave out is what is zero."""
    axis = operators()["joint"].angles.axis
    rows = combinations(AngularMean(axis).build())
    assert (np.diff(rows.live, axis=1).sum()) == len(axis.samples)
