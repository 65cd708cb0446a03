"""Networks as files: the same network in every framework, and files that are refused."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat import nn
from groupscat.convolution.group_layer import GroupConvSpec, GroupPoolSpec, LiftSpec
from groupscat.groups import SE2
from groupscat.testing import assert_close
from groupscat.wavelets import GaussianRings
from tests.frameworks import missing, needs
from tests.test_nn import TINY, noise, numbers

pytest.importorskip("safetensors", reason='pip install "groupscat[safetensors]"')

if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

FRAMEWORKS = ["numpy", *(pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax"))]
ON_A_GROUP = nn.Network(
    [
        LiftSpec(group=SE2(8), in_channels=1, out_channels=2, basis=GaussianRings(3), approximate=True),
        GroupConvSpec(group=SE2(8), in_channels=2, out_channels=2, kernel_size=3, approximate=True),
        GroupPoolSpec(SE2(8)),
        nn.Pool(2, reduce="mean"),
    ],
    (1, 6, 6),
)
NETWORKS = {
    "tiny": TINY,
    "hcnn": nn.hcnn(K=4, separable=True, attributes=(3, 3)),
    "plain": nn.plain_cnn(K=3, rho=nn.SignedRoot()),
    "scattering": nn.scattering_mlp(J=1, L=4, hidden=(5,), input_shape=(3, 8, 8)),
    "group": ON_A_GROUP,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_a_specification_survives_json(network: nn.Network) -> None:
    again = nn.from_config(json.loads(json.dumps(nn.to_config(network))))
    assert again == network
    assert again.inference.plan == network.inference.plan


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_file_gives_the_same_outputs_everywhere(path: Path, framework: str) -> None:
    model = nn.Model(TINY, *numbers(TINY))
    nn.save(model, path)
    xp, x = gs.get_backend(framework), noise(TINY)
    again = nn.load(path, framework)
    assert again.spec == TINY
    assert list(again.parameters) == list(TINY.parameters)
    assert_close(xp.to_numpy(again(xp.put(x, "float64"))), model(x), tolerance=1e-10)
    nn.save(again, path)
    for name, values in nn.load(path).arrays().items():
        np.testing.assert_array_equal(values, model.arrays()[name])


@needs("torch")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_trained_in_torch_served_by_numpy_trained_on(path: Path, dtype: str) -> None:
    import torch

    import groupscat.torch

    net = groupscat.torch.Network(TINY, dtype=getattr(torch, dtype))
    x = noise(TINY, 8).astype(dtype)
    step = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.from_numpy(x)).square().mean().backward()
    step.step()
    nn.save(net, path)
    wanted = net.eval()(torch.from_numpy(x)).detach().numpy()
    assert_close(nn.load(path)(x), wanted, tolerance=1e-10 if dtype == "float64" else 1e-4)
    again = groupscat.torch.Network(nn.load(path), dtype=getattr(torch, dtype))
    assert torch.equal(again.eval()(torch.from_numpy(x)), net(torch.from_numpy(x)))


def test_what_is_known_of_a_model_stays_with_it(path: Path) -> None:
    parameters, state = numbers(TINY)
    model = nn.Model(TINY, parameters, state, ("a", "b", "c"), {"colour": "yuv"})
    nn.save(model, path)
    read = nn.load(path)
    assert (read.classes, read.about) == (model.classes, model.about)
    if missing("torch"):
        return
    import groupscat.torch as gt

    nn.save(gt.Network(read), path)
    assert (nn.load(path).classes, nn.load(path).about) == (model.classes, model.about)


def test_a_layer_of_ones_own(path: Path) -> None:
    @dataclass(frozen=True, repr=False)
    class Cube(nn.Pointwise):
        def __call__(self, xp: Any, x: Any) -> Any:
            return x * x * x

    network = nn.Network([Cube()], (1, 4))
    with pytest.raises(gs.ArgumentError, match="not registered"):
        nn.save(nn.Model(network, {}, {}), path)
    nn.register(Cube)
    nn.save(nn.Model(network, {}, {}), path)
    np.testing.assert_array_equal(nn.load(path)(np.full((1, 1, 4), 2.0)), np.full((1, 1, 4), 8.0))


# --------------------------------------------------------------------------------------------- refused


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The file with a change of its header."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


def respecified(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], None]:
    def of_header(header: dict[str, Any]) -> None:
        text = json.loads(header["__metadata__"]["groupscat"])
        change(text)
        header["__metadata__"]["groupscat"] = json.dumps(text)

    return of_header


def reshaped(header: dict[str, Any]) -> None:
    header["18.weight"]["shape"] = header["18.weight"]["shape"][::-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.pop("__metadata__"), "no specification of groupscat"),
        (lambda h: h.update(more=h.pop("0.bias")), r"missing \['0.bias'\]; unknown \['more'\]"),
        (reshaped, "'18.weight' of shape"),
        (lambda h: h["__metadata__"].update(groupscat="{"), "a specification that is none"),
        (lambda h: h["__metadata__"].update(groupscat="[]"), "a specification that is none"),
        (respecified(lambda t: t.update(version=2)), "version 2"),
        (respecified(lambda t: t.pop("network")), "a specification that is none"),
        (respecified(lambda t: t.update(network={"class": "os.system"})), "os.system"),
        (respecified(lambda t: t.update(network={"class": "Dense", "features": 3})), "specifies a Dense"),
        (respecified(lambda t: t["network"]["layers"].pop()), "other tensors"),
        (respecified(lambda t: t["network"].update(code="x")), "code"),
        (respecified(lambda t: t["network"].update(input_shape=[3, 4, 2])), "Layer 0"),
        (respecified(lambda t: t["network"]["layers"][1].update(eps=[])), "eps="),
    ],
)
def test_a_tampered_file_is_refused(
    path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    nn.save(nn.Model(TINY, *numbers(TINY)), path)
    rewritten(path, change)
    with pytest.raises(gs.DataError, match=message):
        nn.load(path)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_truncated_file_is_refused(path: Path, keep: int) -> None:
    nn.save(nn.Model(TINY, *numbers(TINY)), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(gs.DataError, match="cannot be read"):
        nn.load(path)


def test_no_file(path: Path) -> None:
    with pytest.raises(gs.DataError, match="cannot be read"):
        nn.load(path)
    with pytest.raises(gs.DataError, match="cannot be written"):
        nn.save(nn.Model(TINY, *numbers(TINY)), path / "x")


def test_a_model_that_is_none_overwrites_nothing(path: Path) -> None:
    path.write_text("precious")
    parameters, state = numbers(TINY)
    with pytest.raises(gs.ArgumentError, match=r"missing \['0.bias'\]"):
        nn.save(nn.Model(TINY, {k: a for k, a in parameters.items() if k != "0.bias"}, state), path)
    with pytest.raises(gs.ArgumentError, match=r"expected a groupscat.nn.Model"):
        nn.save(TINY, path)  # type: ignore[arg-type]
    assert path.read_text() == "precious"
    assert list(path.parent.iterdir()) == [path]
