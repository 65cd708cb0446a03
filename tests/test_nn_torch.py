"""What Torch overrides for networks: every kind of differentiation, whatever the order of axes in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from groupscat.backend import Backend, get_backend
from groupscat.testing import assert_close, noise

torch = pytest.importorskip("torch", reason='pip install "groupscat[torch]"')

#: (B, C, …) of an array that lies in memory as (B, …, C), (…, C, …) and so on.
ORDERS = [(0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 3, 1), (2, 0, 1, 3)]


def own(xp: Backend, x: Any) -> Any:
    """Batch norm by statistics that are computed of x, as a network in training does."""
    shape = (1, -1, *(1,) * (x.ndim - 2))
    axes = (0, *range(2, x.ndim))
    count = x.numel() // x.shape[1]
    mean = xp.sum(x, axes) * (1 / count)
    variance = xp.sum(xp.squared_difference(x, mean.reshape(shape)), axes) * (1 / count)
    weight = torch.linspace(0.5, 2, x.shape[1], dtype=x.dtype)
    return xp.batch_norm(x, mean, variance, [weight, weight - 1], 1e-2, True)


FUNCTIONS: dict[str, Callable[[Backend, Any], Any]] = {
    "batch norm": own,
    "ELU": lambda xp, x: xp.elu(x, 0.7),
    "sum": lambda xp, x: xp.sum(x * x, (1, -1)),
    "squared difference": lambda xp, x: xp.squared_difference(x, x[:1]),
}


def laid_out(order: tuple[int, ...]) -> Any:
    """Shape (3, 2, 4, 5), in memory in another order."""
    x = torch.from_numpy(noise((3, 2, 4, 5)))
    return x.permute(order).contiguous().permute(tuple(np.argsort(order).tolist()))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_and_second_derivatives(name: str, order: tuple[int, ...]) -> None:
    xp, x = get_backend("torch"), laid_out(order)
    assert x.is_contiguous() == (order == (0, 1, 2, 3))

    def call(z: Any) -> Any:
        return FUNCTIONS[name](xp, z)

    def of(body: Backend) -> list[Any]:
        z = x.clone().requires_grad_()
        y = FUNCTIONS[name](body, z)
        (slope,) = torch.autograd.grad((y * torch.arange(y.numel()).reshape(y.shape)).sum(), z)
        return [y, slope]

    for found, wanted in zip(of(xp), of(xp.generic), strict=True):
        assert_close(found.detach(), wanted.detach())
    assert torch.autograd.gradcheck(call, x.clone().requires_grad_(), fast_mode=True)
    assert torch.autograd.gradgradcheck(call, x.clone().requires_grad_(), fast_mode=True)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # in Torch's jvp
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_transformations(name: str, order: tuple[int, ...]) -> None:
    xp, x = get_backend("torch"), laid_out(order)
    several = torch.stack([x, 2 * x + 1, x * x])

    def call(z: Any) -> Any:
        return FUNCTIONS[name](xp, z)

    assert_close(torch.func.vmap(call)(several), torch.stack([call(z) for z in several]), several)
    tangent = torch.from_numpy(noise((3, 2, 4, 5), 1))
    _, slope = torch.func.jvp(call, (x,), (tangent,))
    h = 1e-6
    assert_close(slope, (call(x + h * tangent) - call(x - h * tangent)) / (2 * h), tolerance=1e-8)


@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (1, 3, 1), (2, 3, 0, 4), (2, 1, 1, 5)])
def test_batch_norm_of_few_numbers(shape: tuple[int, ...]) -> None:
    """One number by channel is 0 after it is centred."""
    xp, x = get_backend("torch"), torch.from_numpy(noise(shape))
    if x.numel():
        assert_close(own(xp, x), own(xp.generic, x))
    else:
        mean = torch.zeros(shape[1], dtype=x.dtype)
        assert xp.batch_norm(x, mean, mean, [], 1e-2, False).shape == shape
