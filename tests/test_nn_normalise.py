"""Layers that centre and scale: values by their definitions in every framework, gradients, files, errors."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import groupscat as gs
from groupscat import nn
from groupscat.testing import assert_close
from tests.frameworks import missing, needs

if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

FRAMEWORKS = ["numpy", *(pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax"))]
F64 = NDArray[np.float64]


def signal(*shape: int) -> F64:
    return np.random.default_rng(5).normal(size=shape) + 0.3


# ------------------------------------------------------------------------------------------ fixed numbers

RAW = nn.Standardise(mean=(125.3, 0.5), deviation=(63.0, 0.25))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_standardise(framework: str, dtype: str) -> None:
    network = nn.Network([RAW], (2, 3, 2))
    x, xp = signal(4, 2, 3, 2) * 50, gs.get_backend(framework)
    wanted = np.stack([(x[:, 0] - 125.3) / 63.0, (x[:, 1] - 0.5) / 0.25], 1)
    for training in (False, True):
        y, _ = nn.apply(network, {}, {}, xp.put(x.astype(dtype), dtype), training)
        assert_close(xp.to_numpy(y), wanted, tolerance=1e-10 if dtype == "float64" else 1e-6)


def test_standardise_learns_nothing_and_survives_json() -> None:
    network = nn.Network([RAW], (2, 4))
    assert network.parameters == network.state == {}
    again = nn.from_config(json.loads(json.dumps(nn.to_config(network))))
    assert again == network
    assert hash(again) == hash(network)


def test_standardise_keeps_the_digits_of_far_channels() -> None:
    """Means far above the deviations, and deviations whose squares single precision does not hold."""
    x = np.array([[[1e4 + 1.0]], [[1e4 + 3.0]]], np.float32)
    y, _ = nn.apply(nn.Network([nn.Standardise((1e4,), (1e-3,))], (1, 1)), {}, {}, x)
    assert_close(y.ravel(), np.array([1e3, 3e3]), tolerance=1e-6)
    y, _ = nn.apply(nn.Network([nn.Standardise((0,), (1e-25,))], (1, 1)), {}, {}, np.full_like(x, 2e-25))
    assert_close(y.ravel(), np.array([2.0, 2.0]), tolerance=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Standardise((0, 0), (1,)), "as many numbers of both"),
        (lambda: nn.Standardise((0,), (0,)), r"deviation=\(0,\): expected positive"),
        (lambda: nn.Standardise((math.nan,), (1,)), r"mean=\(nan,\): expected finite"),
        (lambda: nn.Standardise((), ()), r"mean=\(\)"),
        (lambda: nn.Standardise("12", (1, 1)), "mean='12'"),  # type: ignore[arg-type]
        (lambda: nn.Standardise(0.5, 0.5), "mean=0.5"),  # type: ignore[arg-type]
        (lambda: nn.Network([RAW], (3, 4)), r"Layer 0, Standardise.*for 2 channels, got c:3"),
    ],
)
def test_values_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises((gs.ArgumentError, gs.ShapeError), match=message):
        make()
