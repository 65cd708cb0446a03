"""Layers of group convolutions move with their input: exactly where the grid does, elsewhere about."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.backend import backend_of, get_backend
from groupscat.convolution import group_conv, group_pool, lift
from groupscat.equivariance import PlaneWaves, equivariance_error
from groupscat.errors import ApproximationWarning
from groupscat.groups import E2, SE2, Group, Hierarchy, SE3Octahedral, Similitude2, TimeFrequency, Translation
from groupscat.plan.conv_axis import ConvAxis
from groupscat.space import ELEMENTS, Axis, Space, signal_axes, signal_space
from groupscat.testing import TOLERANCE, noise
from groupscat.wavelets import Basis, GaussianRings, Pixels
from tests.frameworks import needs
from tests.test_groups import Mirrors


@dataclass(frozen=True)
class Network:
    """Lift, convolve, convolve on the group, ReLU in between."""

    group: Group
    basis: Basis
    strides: tuple[int, ...] = (1, 1, 1)
    padding: str = "zero"
    windows: tuple[int, ...] = (1, 1, 1)
    separable: bool = False
    approximate: bool = False
    channels: int = 2
    seed: int = 0

    def __call__(self, x: Any) -> Any:
        xp = backend_of(x)
        H = int(self.group.point_group.order)
        for k, (stride, window) in enumerate(zip(self.strides, self.windows, strict=True)):
            over = (H,) if k else ()
            mixing = (self.channels, self.channels if k else xp.shape(x)[1], *over)

            def filters(*shape: int, seed: int = self.seed + k, like: Any = x) -> Any:
                values = noise(shape, seed) / math.sqrt(math.prod(shape) / shape[0])
                return xp.asarray(values, dtype=xp.dtype(like), like=like)

            w = filters(*mixing, *self.basis.shape)
            if self.separable:
                w = filters(*mixing), filters(self.channels, *self.basis.shape)
            call: Callable[..., Any] = group_conv if k else lift
            x = call(
                xp.relu(x) if k else x, w, self.group, basis=self.basis, stride=stride, padding=self.padding,
                approximate=self.approximate,
            )  # fmt: skip
            x = group_pool(x, self.group, window=window) if window > 1 else x
        return x

    def error(self, shape: tuple[int, ...], like: Any = None, **options: Any) -> float:
        return equivariance_error(self, self.group, (1, 2, *shape), like=like, **options).maximum


#: What DESIGN says is exact: odd sizes with (n−1) % stride == 0, even ones with windows, mirrors on any.
EXACT: dict[str, tuple[Network, tuple[int, ...]]] = {
    "quarter turns": (Network(SE2(4), Pixels(3, 3)), (6, 6)),
    "quarter turns, strides on odd sizes": (Network(SE2(4), Pixels(3, 3), (2, 2, 1)), (9, 9)),
    "quarter turns, windows on even sizes": (Network(SE2(4), Pixels(3, 3), windows=(2, 2, 1)), (8, 8)),
    "quarter turns, even filters": (Network(SE2(4), Pixels(2, 2), padding="none"), (7, 7)),
    "quarter turns, reflection": (Network(SE2(4), Pixels(3, 3), (2, 1, 1), "reflect"), (7, 7)),
    "quarter turns, border repeated": (Network(SE2(4), GaussianRings(5), (2, 1, 1), "edge"), (7, 7)),
    "quarter turns, separable": (Network(SE2(4), Pixels(3, 3), (2, 2, 1), separable=True), (9, 9)),
    "half turns, sides of two lengths": (Network(SE2(2), Pixels(3, 5), (2, 2, 1)), (9, 5)),
    "reflections": (Network(E2(4), Pixels(3, 3), (2, 1, 1)), (7, 7)),
    "cube": (Network(SE3Octahedral(), Pixels(3, 3, 3), (2, 1, 1), channels=1), (3, 3, 3)),
    "mirrors of one's own": (Network(Translation(2) @ Mirrors(2), Pixels(3, 3), (2, 2, 1)), (5, 9)),
    "attributes": (Network(Hierarchy(SE2(4), 1), Pixels(3, 3, 2)), (5, 5, 4)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", EXACT)
def test_exact_on_the_grid(name: str) -> None:
    network, shape = EXACT[name]
    G = network.group
    H = G.point_group
    some = H.elements()[1 :: max(1, int(H.order) // 8)]
    elements = Translation(G.ndim) @ H
    rows = elements(elements.join(np.zeros(G.ndim), some))
    assert network.error(shape, elements=rows) <= TOLERANCE["float64"]
    pooled = equivariance_error(lambda x: group_pool(network(x), G), G, (1, 2, *shape), elements=rows)
    assert pooled.maximum <= TOLERANCE["float64"]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    "framework", ["numpy", *(pytest.param(n, marks=needs(n)) for n in ("torch", "tensorflow"))]
)
def test_exact_in_every_framework_and_precision(framework: str, precision: str) -> None:
    like = get_backend(framework).put(np.zeros(1), precision)
    for name in ("quarter turns, strides on odd sizes", "quarter turns, windows on even sizes"):
        network, shape = EXACT[name]
        assert network.error(shape, like) <= TOLERANCE[precision]


def circular(network: Network, shape: tuple[int, ...]) -> tuple[Space, float]:
    """The space of the outputs of a periodic network, and one of its samples."""
    start, step, sizes = 0.0, 1, shape
    for stride in network.strides:
        axis = ConvAxis(sizes[0], network.basis.taps[0], stride, padding="circular")
        start, step, sizes = start + step * axis.first, step * stride, tuple(n // stride for n in sizes)
    d = len(shape)
    axes = signal_axes(sizes, (step,) * d, (start,) * d, periodic=True)
    return Space((Axis(ELEMENTS, int(network.group.point_group.order)), *axes)), start


@pytest.mark.parametrize("group", [SE2(4), E2(4)], ids=repr)
@pytest.mark.parametrize("strides", [(1, 1, 1), (2, 2, 1), (2, 1, 2)])
def test_exact_on_the_torus(group: Group, strides: tuple[int, ...]) -> None:
    """Turns about a sample of the coarsest grid, and shifts by its steps."""
    network, shape = Network(group, Pixels(3, 3), strides, "circular"), (8, 8)
    out, sample = circular(network, shape)
    options = {"space": signal_space(shape, periodic=True), "out_space": out, "origin": (sample, sample)}
    assert network.error(shape, translations=True, **options) <= TOLERANCE["float64"]


def test_shifts_in_time_and_log_frequency() -> None:
    network = Network(TimeFrequency(), Pixels(3, 3), (1, 2, 1), "circular")
    out, _ = circular(network, (8, 6))
    options = {"space": signal_space((8, 6), periodic=True), "out_space": out}
    assert network.error((8, 6), **options) <= TOLERANCE["float64"]


def test_scales_move_along_their_axis() -> None:
    """Of an image dilated by one scale the answer lies one scale up, inside of the window."""
    G, w = Similitude2(1, 3), np.abs(noise((1, 1, 3, 3), 1))
    u = np.stack(np.meshgrid(*[np.arange(-16, 17)] * 2, indexing="ij"), -1)

    def answer(scale: float) -> Any:
        x = np.cos(u @ [0.3, 0.2] / scale + 0.4)
        return lift(x[None, None], w, G, approximate=True)[0, 0, :, 16, 16]

    fine, coarse = answer(1), answer(2)
    assert np.abs(coarse[1:] - fine[:-1]).max() < 0.05 * np.abs(fine).max()
    assert np.abs(coarse[:-1] - fine[1:]).max() > 0.2 * np.abs(fine).max()


# --------------------------------------------------------------------------------- between the grid's angles


def at_45(basis: Basis, seed: int, **options: Any) -> float:
    """The error under a turn by 45°, of a signal known everywhere, beyond the reach of the border."""
    G = SE2(8)
    network = Network(G, basis, approximate=True, channels=8, seed=10 * seed, **options)
    waves = PlaneWaves((1, 1, 33, 33), kmax=math.pi / 2, seed=seed)
    reach = 3 * (basis.taps[0] // 2)
    return equivariance_error(network, G, waves, elements=G([0, 0, 1]), margin=reach).maximum


@pytest.mark.parametrize("separable", [False, True])
def test_rings_nearly_commute_with_45_degrees(
    separable: bool, record_property: Callable[[str, object], None]
) -> None:
    """Three layers with ReLU in between, networks drawn at random; pixels at the same angle are the control.

    The root mean square over networks: single ones differ by how much of their answer is of high frequency.
    """
    errors = {}
    for basis in (GaussianRings(5), Pixels(5, 5)):
        drawn = [at_45(basis, seed, separable=separable) for seed in range(6)]
        errors[basis] = math.sqrt(sum(e * e for e in drawn) / len(drawn))
        record_property(f"error of {basis!r} at 45°", errors[basis])
    assert errors[GaussianRings(5)] <= 0.10
    assert errors[Pixels(5, 5)] >= 5 * errors[GaussianRings(5)]


# -------------------------------------------------------------------------------- what is said about it

SMALL = np.zeros((1, 1, 3, 3))
BREAKS: dict[str, tuple[Any, tuple[int, ...], dict[str, Any], str]] = {
    "even size, stride": (SE2(4), (8, 8), {"stride": 2}, r"8 samples of axis 0 lie at 1 … 7, which"),
    "even filter": (SE2(4), (8, 8), {"taps": 2}, r"2 taps and stride 1, outputs .* lie at 0\.5 … 7\.5"),
    "torus": (SE2(4), (8, 8), {"stride": 3, "padding": "circular"}, "stride 3 does not divide the 8 samples"),
    "two strides": (SE2(4), (9, 9), {"stride": (1, 2)}, r"turns axes 0 and 1 into each other, whose strides"),
    "two paddings": (SE2(4), (9, 9), {"padding": ("zero", "edge")}, r"whose strides, dilations or paddings"),
    "mirror": (Mirrors(2), (5, 8), {"stride": (1, 2)}, r"stride 2, outputs along the 8 samples of axis 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_strides_that_break_equivariance_are_refused(name: str) -> None:
    group, shape, options, message = BREAKS[name]
    options = dict(options)
    k = options.pop("taps", 3)
    x, w = noise((1, 1, *shape)), noise((1, 1, k, k), 1)
    with pytest.raises(gs.ArgumentError, match=rf"does not commute with.*{message}.*approximate=True"):
        lift(x, w, group, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        consented = partial(lift, w=w, group=group, **options, approximate=True)
        consented(x)
    if name != "two strides":  # where outputs have no grid to be turned on
        assert equivariance_error(consented, group, x).maximum > 0.1  # the refusal was right


def test_what_does_not_break_it_is_accepted() -> None:
    """Axes that no element moves may have any stride; mirrors leave each axis one of its own."""
    lift(np.zeros((1, 1, 8, 7)), SMALL, TimeFrequency(), stride=(3, 2))
    lift(np.zeros((1, 1, 7, 10)), SMALL, Mirrors(2), stride=(2, 3))
    lift(np.zeros((1, 1, 9, 9, 8)), SMALL[..., None], Hierarchy(SE2(4), 1), stride=(2, 2, 3))


@pytest.mark.parametrize("group", [SE2(8), SE2(3), E2(8), Similitude2(4, 2)], ids=repr)
def test_moved_filters_between_the_taps_warn(group: Group) -> None:
    x = np.zeros((1, 1, 9, 9))
    with pytest.warns(
        ApproximationWarning, match=r"does not map the grid of Pixels\(3, 3\).*approximate=True"
    ):
        lift(x, SMALL, group)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lift(x, SMALL, group, approximate=True)


def test_the_warning_points_at_the_caller() -> None:
    with pytest.warns(ApproximationWarning) as caught:
        lift(np.zeros((1, 1, 9, 9)), SMALL, SE2(8))
    assert caught[0].filename == __file__
