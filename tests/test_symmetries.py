"""Layers moved along their attributes: against loops, in every framework, with structure planted."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import groupscat as gs
from groupscat import nn
from groupscat.nn.split import split, split_arrays
from groupscat.nn.symmetry import Symmetries, attribute_layers, earlier_layer, images_passed, last_layer
from groupscat.nn.translations import Translations, arrange, arrangements, shifts_of
from groupscat.testing import assert_close
from tests.frameworks import missing, needs
from tests.test_nn import TINY, conv, numbers, put

if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

FRAMEWORKS = ["numpy", *(pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax"))]
F64 = NDArray[np.float64]
#: After layer 9 of it: (c:3, u1:2, u2:2, v1:1, v2:2).
COUNT, LAYER = 9, 7
LABELS = [0, 2, 0, 1, 2, 0, 1, 2, 0]
IMAGES = np.random.default_rng(3).normal(size=(COUNT, *TINY.input_shape))


def of_tiny(framework: str = "numpy", layer: int | None = LAYER, **options: Any) -> Symmetries:
    parameters, state = (put(framework, a) for a in numbers(TINY))
    x = gs.get_backend(framework).put(IMAGES, "float64")
    return nn.symmetries(nn.Model(TINY, parameters, state), x, LABELS, layer, **options)


# ------------------------------------------------------------------------------------------ arrangements


def moved(values: F64, shift: int, periodic: bool) -> F64:
    """y[j] = x[j − τ], by a loop over the first axis."""
    y = np.zeros_like(values)
    for j in range(len(values)):
        if periodic or 0 <= j - shift < len(values):
            y[j] = values[(j - shift) % len(values)]
    return y


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_translations_move_the_samples(size: int, periodic: bool) -> None:
    x = np.random.default_rng(0).normal(size=(size, 3))
    (table,) = arrangements(size, periodic=periodic)
    for shift, index in zip(shifts_of(size), table, strict=True):
        np.testing.assert_array_equal(arrange(x, index, -2), moved(x, shift, periodic))


@pytest.mark.parametrize("periodic", [True, False])
def test_in_a_random_order_they_move_the_samples_of_that_order(periodic: bool) -> None:
    size = 7
    tables = arrangements(size, 2, seed=5, periodic=periodic)
    rng, x = np.random.default_rng(5), np.random.default_rng(0).normal(size=size)
    for table in tables[1:]:
        order = rng.permutation(size)
        for shift, index in zip(shifts_of(size), table, strict=True):
            np.testing.assert_array_equal(arrange(x, index, -1)[order], moved(x[order], shift, periodic))
    assert not np.array_equal(tables[0], tables[1])


# ------------------------------------------------------------------------------------------- definition


def probability(y: F64) -> F64:
    return np.exp(y) / np.exp(y).sum()


def by_loops(axis: str, rows: list[int], periodic: bool, order: NDArray[Any] | None = None) -> dict[str, Any]:
    """All that is found along an axis of layer 7 of TINY, image by image and shift by shift."""
    (p, s), (head, tail) = numbers(TINY), split(TINY, LAYER + 1)
    (p0, p1), (s0, s1) = split_arrays(p, LAYER + 1), split_arrays(s, LAYER + 1)
    names = [a.name for a in head.output_space.axes]
    u = (names.index("u1"), names.index("u2"))
    layer = [nn.apply(head, p0, s0, image[None])[0][0] for image in IMAGES]
    place = names.index(axis)
    order = np.arange(layer[0].shape[place]) if order is None else order
    points = [each.mean(u).ravel() for each in layer]
    agreement, same, distance, near, chances = [], [], [], [], []
    before = [nn.apply(tail, p1, s1, layer[k][None])[0][0].argmax() for k in rows]
    for shift in shifts_of(len(order)):
        answers, found = [], []
        for k in rows:
            ordered = np.moveaxis(layer[k], place, 0)[order]
            y = np.empty_like(ordered)
            y[order] = moved(ordered, shift, periodic)
            y = np.moveaxis(y, 0, place)
            answers.append(probability(nn.apply(tail, p1, s1, y[None])[0][0]))
            apart = [np.linalg.norm(y.mean(u).ravel() - point) for point in points]
            apart[k] = np.inf
            found.append((int(np.argmin(apart)), min(apart)))
        agreement.append(np.mean([a.argmax() == b for a, b in zip(answers, before, strict=True)]))
        same.append(np.mean([LABELS[n] == LABELS[k] for (n, _), k in zip(found, rows, strict=True)]))
        distance.append(np.mean([d for _, d in found]))
        near.append([n for n, _ in found])
        of_class = [[a for a, k in zip(answers, rows, strict=True) if LABELS[k] == c] for c in (0, 1, 2)]
        chances.append([np.mean(each, 0) for each in of_class if each])
    return {"agreement": agreement, "same_class": same, "distance": distance, "nearest": near,
            "probabilities": chances}  # fmt: skip


def check(found: Translations, wanted: dict[str, Any]) -> None:
    for name in ("agreement", "same_class", "distance"):
        assert_close(getattr(found.effect, name), np.array(wanted[name]), tolerance=1e-10)
    np.testing.assert_array_equal(found.nearest, wanted["nearest"])
    assert_close(found.probabilities, np.array(wanted["probabilities"]), tolerance=1e-10)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_is_found_is_the_definition_in_every_framework(framework: str) -> None:
    found = of_tiny(framework)
    assert [along.axis for along in found.along] == ["v1", "v2"]
    for along in found.along:
        check(along, by_loops(along.axis, list(range(COUNT)), True))
    model = nn.Model(TINY, *numbers(TINY))
    assert found.accuracy == np.mean(model(IMAGES).argmax(1) == LABELS)
    pairs = [(a, b) for a in range(COUNT) for b in range(COUNT) if a != b]
    assert_close(found.chance, np.mean([LABELS[a] == LABELS[b] for a, b in pairs]))


@pytest.mark.parametrize("periodic", [True, False])
def test_of_some_images_and_with_zeros(periodic: bool) -> None:
    rows = [7, 0, 4]
    found = of_tiny(rows=rows, periodic=periodic, orders=2, seed=3)
    assert (found.rows, found.classes) == ((7, 0, 4), (0, 2))
    for along in found.along:
        check(along, by_loops(along.axis, rows, periodic))
        rng = np.random.default_rng(3)
        for control in along.controls:
            wanted = by_loops(along.axis, rows, periodic, rng.permutation(len(along.shifts)))
            for name in ("agreement", "same_class", "distance"):
                assert_close(getattr(control, name), np.array(wanted[name]), tolerance=1e-10)


def test_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, steps = of_tiny(), []
    monkeypatch.setattr("groupscat.nn.symmetry.BATCH", 4)
    parts = of_tiny(advance=steps.append)
    assert steps[:3] == [4, 4, 1]
    assert sum(steps) == images_passed(whole.space, COUNT, COUNT, orders=3) == COUNT + COUNT * 4 * (2 + 4)
    for a, b in zip(whole.along, parts.along, strict=True):
        assert_close(a.probabilities, b.probabilities, tolerance=1e-12)
        assert_close(a.effect.distance, b.effect.distance, tolerance=1e-12)
    assert str(whole) == str(parts)


# ---------------------------------------------------------------------------------------- faults, planted


def itself_too(moved: F64, points: F64, rows: Any) -> Any:
    apart = np.linalg.norm(moved.reshape(len(moved), 1, -1) - points.reshape(1, len(points), -1), axis=2)
    return apart.argmin(1), apart.min(1)


FAULTS = {
    "the other way": ("symmetry.arrangements", lambda f: lambda *a: f(*a)[:, :, ::-1]),
    "shifts are late": ("symmetry.arrangements", lambda f: lambda *a: np.roll(f(*a), 1, 1)),
    "never periodic": ("symmetry.arrangements", lambda f: lambda n, k, s, p: f(n, k, s, False)),
    "always periodic": ("symmetry.arrangements", lambda f: lambda n, k, s, p: f(n, k, s, True)),
    "another seed": ("symmetry.arrangements", lambda f: lambda n, k, s, p: f(n, k, s + 1, p)),
    "samples for zeros": ("symmetry.arrange", lambda f: lambda x, i, at: f(x, i % x.shape[at], at)),
    "not moved": ("symmetry.arrange", lambda f: lambda x, i, at: x),
    "no probabilities": ("symmetry._softmax", lambda f: lambda y: y),
    "batches in disorder": ("symmetry._batches", lambda f: lambda rows: f(rows[::-1])),
    "nearest is itself": ("translations.nearest", lambda f: itself_too),
    "squares of distances": ("translations.nearest", lambda f: lambda *a: (f(*a)[0], f(*a)[1] ** 2)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests above compare, of a faulty analysis, differs somewhere."""
    place, change = FAULTS[fault]
    module, _, name = place.partition(".")
    module = f"groupscat.nn.{module}"
    original = getattr(importlib.import_module(module), name)
    monkeypatch.setattr(importlib.import_module(module), name, change(original))
    with pytest.raises(AssertionError):  # noqa: PT012 -- any of them may see it
        for periodic in (True, False):
            for along in of_tiny(periodic=periodic, orders=1).along:
                check(along, by_loops(along.axis, list(range(COUNT)), periodic))
                order = np.random.default_rng(0).permutation(len(along.shifts))
                wanted = by_loops(along.axis, list(range(COUNT)), periodic, order)
                assert_close(along.controls[0].distance, np.array(wanted["distance"]), tolerance=1e-10)


# ----------------------------------------------------------------------------------- structure, planted


def planted(axis: bool) -> Symmetries:
    """Images whose channels are cyclic shifts of a pattern of their class, or, without an axis, shuffled."""
    network = nn.Network(
        [nn.Conv1x1(8, bias=False), nn.NewAttribute(), nn.ReLU(), conv(1, 3, (1, 1)), nn.Mean(("u1", "v1"))],
        (8, 1),
    )
    width = np.exp(-np.subtract.outer(np.array([0.5, 1.0, 2.0]), np.zeros(8)) * (np.arange(8) - 4) ** 2)
    x = np.stack([np.roll(pattern, shift) for pattern in width for shift in range(8)])[..., None]
    weight = np.eye(8)[np.random.default_rng(1).permutation(8)] if not axis else np.eye(8)
    parameters = {"0.weight": weight, "3.weight": np.array([1.0, 0, -1])[:, None, None, None]}
    return nn.symmetries(nn.Model(network, parameters, {}), x, np.repeat([0, 1, 2], 8), 2, orders=4)


def test_a_planted_symmetry_is_seen() -> None:
    """Moved, an image is another one; in random orders it is none. Without the order there is no symmetry."""
    (along,), (none,) = planted(True).along, planted(False).along
    moved = np.arange(8) != along.zero
    assert_close(along.effect.distance[moved], np.zeros(7), tolerance=1e-7)
    np.testing.assert_array_equal(along.effect.same_class[moved], 1)
    for control in (*along.controls, none.effect):
        assert np.all(control.distance[moved] > 0.2)
    own, controls = along.means()["distance"]
    assert own < 1e-6 < 0.3 < min(controls)
    # Image 8·class + shift of the pattern, τ later.
    wanted = [[8 * (k // 8) + (k + shift) % 8 for k in range(24)] for shift in along.shifts]
    np.testing.assert_array_equal(along.nearest[moved], np.array(wanted)[moved])


def test_what_the_next_layer_averages_changes_no_class() -> None:
    network = nn.hcnn(K=4, input_shape=(1, 8, 8), classes=3, attributes=(3, 3))
    x = np.random.default_rng(0).normal(size=(6, 1, 8, 8))
    model = nn.Model(network, *nn.init(network, dtype="float64"))
    for periodic in (True, False):
        old, newest = nn.symmetries(model, x, [0, 1, 2] * 2, periodic=periodic).along
        change = np.abs(old.probabilities - old.probabilities[old.zero]).max()
        assert (change < 1e-12) == periodic
        assert np.abs(newest.probabilities - newest.probabilities[newest.zero]).max() > 1e-3


def test_filters_in_another_order_are_the_control() -> None:
    """The numbers of the last filters have no order: with them in another one, the network is the same."""
    network = nn.hcnn(K=6, input_shape=(1, 8, 8), classes=3, attributes=(3, 3))
    parameters, state = nn.init(network, dtype="float64")
    x, labels = np.random.default_rng(0).normal(size=(7, 1, 8, 8)), [0, 1, 2, 0, 1, 2, 0]
    of_network = nn.symmetries(nn.Model(network, parameters, state), x, labels, orders=1, seed=4).along[1]
    order = np.random.default_rng(4).permutation(6)
    names = [name for name in (*parameters, *state) if name.startswith(("48.", "49."))]
    assert len(names) == 5  # the last filters, and all four of their batch norm
    changed = {name: {**parameters, **state}[name][order] for name in names}
    changed["55.weight"] = parameters["55.weight"][:, order]
    kinds = ({k: changed.get(k, a) for k, a in given.items()} for given in (parameters, state))
    again = nn.Model(network, *kinds)
    assert_close(again(x), nn.Model(network, parameters, state)(x), tolerance=1e-12)
    of_order = nn.symmetries(again, x, labels, orders=0).along[1]
    for name in ("agreement", "same_class", "distance"):
        assert_close(getattr(of_order.effect, name), getattr(of_network.controls[0], name), tolerance=1e-10)
    assert np.abs(of_order.effect.distance - of_network.effect.distance).max() > 1e-3


# ------------------------------------------------------------------------------------------------ layers


@pytest.mark.parametrize(
    ("network", "last", "earlier"),
    [
        (nn.hcnn(K=16), 52, 27),
        (nn.hcnn(K=16, separable=True), 79, 39),
        (nn.hcnn(K=16, attributes=(3, 5, 7)), 51, 31),
        (TINY, 15, 13),
        (nn.split(TINY, 9)[0], 8, None),
        (nn.split(TINY, 4)[0], 3, None),
    ],
    ids=["hcnn", "separable", "three attributes", "tiny", "to layer 8", "to layer 3"],
)
def test_default_layers(network: nn.Network, last: int, earlier: int | None) -> None:
    known = attribute_layers(network)
    assert (last_layer(network), earlier_layer(network, last)) == (last, earlier)
    assert known[last].base


def test_an_axis_of_one_sample_stays() -> None:
    one = of_tiny(layer=8).along[0]
    assert (one.axis, one.shifts) == ("v1", (0,))
    assert one.means()["agreement"] == (1.0, (1.0, 1.0, 1.0))


def test_text() -> None:
    text = str(of_tiny())
    assert "layer 7, c:1 × u1:4 × u2:2 × v1:2/2@1 × v2:4: 9 images" in text
    assert [line.split()[0] for line in text.splitlines()] == ["layer", "axis", "v1", "v2", "means"]


# ------------------------------------------------------------------------------------------------ errors


def wrong() -> Iterator[Any]:
    model, plain = nn.Model(TINY, *numbers(TINY)), nn.plain_cnn(K=2)
    x = IMAGES
    argument, shape = gs.ArgumentError, gs.ShapeError
    yield argument, r"has no attribute axes.*NewAttribute", (nn.Model(plain, *nn.init(plain)), x, LABELS), {}
    yield (
        argument,
        r"layer=2 has no attribute axes.*have some: 3, c:1 ×",
        (model, x, LABELS, 2),
        {},
    )
    yield argument, "layer=-1", (model, x, LABELS, -1), {}
    yield argument, r"labels=\[3\]: expected classes of .*, 0 … 2", (model, x, [3, *LABELS[1:]]), {}
    yield argument, r"labels=\[0.5\]", (model, x, [0.5, *LABELS[1:]]), {}
    yield argument, r"labels=\['cat'\]", (model, x, ["cat"] * COUNT), {}
    yield shape, r"9 images, labels of shape \(8,\)", (model, x, LABELS[:8]), {}
    yield shape, "1 images", (model, x[:1], LABELS[:1]), {}
    yield shape, r"expected \(batch, 2, 4, 2\)", (model, x[:, :1], LABELS), {}
    yield argument, r"rows=\[9\]: expected numbers of images in 0 … 8", (model, x, LABELS), {"rows": [9]}
    yield argument, r"rows=\[\]", (model, x, LABELS), {"rows": []}
    yield argument, "rows=-1", (model, x, LABELS), {"rows": [-1]}
    yield argument, "orders=-1", (model, x, LABELS), {"orders": -1}
    yield argument, "seed=-1", (model, x, LABELS), {"seed": -1}
    body = nn.split(TINY, 16)[0]
    of_body = nn.Model(body, *(split_arrays(a, 16)[0] for a in numbers(TINY)))
    yield shape, "expected a number per class", (of_body, x, LABELS), {}
    broken = nn.Model(TINY, {**model.parameters, "18.bias": np.array([0, np.inf, 0])}, model.state)
    yield gs.NotFiniteError, "NaN or infinity", (broken, x, LABELS), {}


@pytest.mark.parametrize(("error", "message", "arguments", "options"), [*wrong()])
def test_what_cannot_be_looked_at(
    error: type[Exception], message: str, arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    with pytest.raises(error, match=message):
        nn.symmetries(*arguments, **options)
