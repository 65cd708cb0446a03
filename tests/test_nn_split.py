"""A network in two parts is the network, wherever it is cut, in every framework and in files."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat import nn
from groupscat.nn.layer import channels
from groupscat.space import Axis
from groupscat.testing import assert_close
from tests.frameworks import missing, needs
from tests.test_nn import TINY, conv, noise, numbers, put
from tests.test_nn_files import ON_A_GROUP, respecified, rewritten

if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

FRAMEWORKS = ["numpy", *(pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax"))]
SCATTERING = nn.scattering_mlp(J=1, L=4, hidden=(5,), input_shape=(3, 8, 8), classes=4)


def composed(
    network: nn.Network, at: int, framework: str, training: bool = False
) -> tuple[Any, dict[str, Any], Any, dict[str, Any]]:
    """Output and state of the two parts in a row, and of the network itself."""
    xp = gs.get_backend(framework)
    p, s = (put(framework, arrays) for arrays in numbers(network))
    x = xp.put(noise(network), "float64")
    m = put(framework, nn.draw_masks(network, 3, dtype="float64")) if training else {}
    wanted, state = nn.apply(network, p, s, x, training, m)
    parts = zip(nn.split(network, at), *(nn.split_arrays(a, at) for a in (p, s, m)), strict=True)
    new = []
    for part, parameters, old, masks in parts:
        x, now = nn.apply(part, parameters, old, x, training, masks)
        new.append(now)
    y, joined = xp.to_numpy(x), nn.join_arrays(new[0], new[1], at)
    return y, joined, xp.to_numpy(wanted), dict(state)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("training", [False, True])
def test_the_two_parts_are_the_network(framework: str, training: bool) -> None:
    xp = gs.get_backend(framework)
    for at in range(len(TINY.layers) + 1):
        y, new, wanted, state = composed(TINY, at, framework, training)
        assert_close(y, wanted, tolerance=1e-12)
        assert list(new) == list(state)
        for name, a in state.items():
            assert_close(xp.to_numpy(new[name]), xp.to_numpy(a), tolerance=1e-12)


@pytest.mark.parametrize("network", [ON_A_GROUP, SCATTERING], ids=["group", "scattering"])
def test_other_layers_split_too(network: nn.Network) -> None:
    for at in range(len(network.layers) + 1):
        y, _, wanted, _ = composed(network, at, "numpy")
        assert_close(y, wanted, tolerance=1e-12)


@pytest.mark.parametrize("network", [TINY, ON_A_GROUP, SCATTERING, nn.hcnn(K=4)], ids=repr)
def test_each_part_keeps_its_layers_spaces_and_shapes(network: nn.Network) -> None:
    spaces = [network.input_space, *(row.after for row in network.inference.rows if "." not in row.name)]
    for at in range(len(network.layers) + 1):
        head, tail = nn.split(network, at)
        assert head.layers + tail.layers == network.layers
        assert head.output_space == tail.input_space == spaces[at]
        assert tail.output_space == network.output_space
        for kind in ("parameters", "state", "masks"):
            parts = nn.split_arrays(getattr(network, kind), at)
            assert parts == (getattr(head, kind), getattr(tail, kind))
            assert nn.join_arrays(*parts, at) == getattr(network, kind)


def test_at_the_ends_one_part_is_the_identity() -> None:
    head, tail = nn.split(TINY, 0)
    assert (head.layers, tail) == ((), TINY)
    head, tail = nn.split(TINY, len(TINY.layers))
    assert (head, tail.layers) == (TINY, ())
    x = np.random.default_rng(0).normal(size=(2, 3))
    np.testing.assert_array_equal(nn.apply(tail, {}, {}, x)[0], x)


def test_split_of_a_split_is_that_of_the_network() -> None:
    rest = nn.split(TINY, 5)[1]
    assert nn.split(rest, 7)[1] == nn.split(TINY, 12)[1]


def test_a_part_is_data_and_a_file(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason='pip install "groupscat[safetensors]"')
    at = 9  # on attributes, at steps of 2
    tail = nn.split(TINY, at)[1]
    assert tail.input_axes is not None
    assert "v1" in str(tail)
    for again in (pickle.loads(pickle.dumps(tail)), copy.deepcopy(tail)):
        assert (again, hash(again)) == (tail, hash(tail))
        assert again.input_space == tail.input_space
    assert nn.from_config(json.loads(json.dumps(nn.to_config(tail)))) == tail
    parameters, state = (nn.split_arrays(a, at)[1] for a in numbers(TINY))
    model = nn.Model(tail, parameters, state)
    nn.save(model, tmp_path / "tail.safetensors")
    again = nn.load(tmp_path / "tail.safetensors")
    assert again.spec == tail
    np.testing.assert_array_equal(again(noise(tail)), model(noise(tail)))


def test_usual_axes_are_no_others() -> None:
    plain = nn.Network([nn.ReLU()], (2, 4, 2))
    assert nn.Network([nn.ReLU()], (2, 4, 2), plain.input_space.axes) == plain
    stepped = (*plain.input_space.axes[:2], Axis("u2", 2, step=2))
    other = nn.Network([nn.ReLU()], (2, 4, 2), stepped)
    assert other != plain
    assert str(other.output_space) == "c:2 × u1:4 × u2:2/2"


C2 = channels(2)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ((C2, Axis("u1", 5)), r"c:2 × u1:5: expected the sizes of input_shape=\(2, 4\)"),
        ((C2,), "expected the sizes"),
        ((Axis("u1", 4), C2), "first c:2"),
        ((C2, Axis("c", 4)), "different names"),
        ((C2, "u1"), "input_axes="),
        ("c", "input_axes='c'"),
        (3, "input_axes=3"),
        ((), "input_axes=()"),
        ((C2, Axis("u1", 4, kind="none")), "input_axes="),  # type: ignore[arg-type]
        ((C2, Axis("u1", 4, step=0)), "step of axis u1=0"),
        ((C2, Axis(["u1"], 4)), "input_axes="),  # type: ignore[arg-type]
        ((C2, Axis("u1", 4, start=None)), "input_axes="),  # type: ignore[arg-type]
        ((C2, Axis("u1", 4, periodic=None)), "input_axes="),  # type: ignore[arg-type]
    ],
)
def test_axes_that_no_input_has(axes: Any, message: str) -> None:
    with pytest.raises(gs.ArgumentError, match=message):
        nn.Network([nn.ReLU()], (2, 4), axes)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (5, "input_axes=5"),
        ([{"class": "Axis", "name": "c"}], "does not make a Axis"),
        ([{"class": "Axis", "name": "c", "size": 2, "code": "x"}], "code"),
        ([{"class": "os.system"}], "os.system"),
        ([{"class": "Dense", "features": 3}], "input_axes="),
        ([{"class": "Axis", "name": "c", "size": 2, "kind": "fiber"}], "expected the sizes"),
    ],
)
def test_a_file_with_other_axes_is_refused(tmp_path: Path, axes: Any, message: str) -> None:
    pytest.importorskip("safetensors", reason='pip install "groupscat[safetensors]"')
    path = tmp_path / "model.safetensors"
    nn.save(nn.Model(TINY, *numbers(TINY)), path)
    rewritten(path, respecified(lambda text: text["network"].update(input_axes=axes)))
    with pytest.raises(gs.DataError, match=message):
        nn.load(path)


@needs("torch")
def test_a_part_is_a_module() -> None:
    import torch

    import groupscat.torch

    tail = nn.split(TINY, 9)[1]
    arrays = [nn.split_arrays(a, 9)[1] for a in numbers(TINY)]
    net = groupscat.torch.Network(nn.Model(tail, *arrays), dtype=torch.float64).eval()
    y = net(torch.from_numpy(noise(tail))).detach().numpy()
    assert_close(y, nn.apply(tail, *arrays, noise(tail))[0], tolerance=1e-12)


def test_places_that_there_are_not() -> None:
    with pytest.raises(gs.ArgumentError, match=r"at=20: expected a place in 0 … 19"):
        nn.split(TINY, 20)
    with pytest.raises(gs.ArgumentError, match="at=-1"):
        nn.split(TINY, -1)
    with pytest.raises(gs.ArgumentError, match=r"expected a groupscat.nn.Network"):
        nn.split(nn.Model(TINY, {}, {}), 2)  # type: ignore[arg-type]
    for name in ("weight", "x.weight", "3", "3."):
        with pytest.raises(gs.ArgumentError, match="is no name of an array"):
            nn.split_arrays({name: 0}, 2)


def test_a_layer_that_does_not_fit_after_a_split_names_the_axes() -> None:
    middle = nn.split(TINY, 4)[0].output_space
    with pytest.raises(gs.ShapeError, match=r"Layer 0, ConvNdSpec.*c:1 × u1:4"):
        nn.Network([conv(2, 3, (1, 1, 1))], middle.shape, middle.axes)
