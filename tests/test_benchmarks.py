"""The benchmarks' own arithmetic, on sizes that take no time."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("strides", [(1, 1, 1, 1), (1, 2, 2, 1)])
def test_contestants_compute_the_same_convolution(strides):
    from benchmarks.convolution_cases import CONTESTANTS, Case, unfold

    case = Case("small", 2, (2, 3), (4, 5, 6, 7), (3, 3, 5, 3), strides)
    x, w = case.inputs(torch.float64)
    expected = unfold(case, w)[0](x)
    assert expected.shape == (2, 3, *case.result)
    for name, prepare in CONTESTANTS.items():
        function, leaves = prepare(case, w)
        y = function(x)
        assert (y - expected).abs().max() < 1e-12, name
        assert all(g.abs().max() > 0 for g in torch.autograd.grad(y.square().sum(), [x, *leaves])), name


def test_the_regret_of_a_choice():
    from benchmarks.convolution_cases import CASES
    from benchmarks.convolution_fit import NAMES, _choice, _regret
    from groupscat.plan import strategy

    present = tuple(getattr(strategy, name) for name in NAMES)
    for chosen, others, regret in ((1.0, 2.0, 0.0), (2.0, 1.0, math.log(2))):
        times = dict.fromkeys(strategy.STRATEGIES, others)
        measured = [(case, times | {_choice(case): chosen}) for case in CASES]
        assert _regret(measured, present) == pytest.approx(regret)
    assert tuple(getattr(strategy, name) for name in NAMES) == present


def test_layers_are_timed_on_the_same_sizes():
    from benchmarks.layers import Case, builders, forward, step

    case = Case(2, 2, 6)
    for name, make in builders(with_escnn=False).items():
        call, x = forward(name, make(case.channels), case)
        assert call().shape == x.shape
        assert x.numel() == 2 * 2 * 8 * 6 * 6
        assert len(step(name, make(case.channels), case)()) >= 3


def test_contestants_train_the_same_networks(monkeypatch):
    from benchmarks import network_cases
    from benchmarks.network_cases import CONTESTANTS, DENSE, LOOP, SAME, step
    from benchmarks.networks import LIMIT, difference, shares

    assert {name for pair in SAME for name in pair} == set(CONTESTANTS)
    assert max(difference(*pair, side=4) for pair in SAME) < LIMIT
    with monkeypatch.context() as patch:  # the odd zero before, not after
        right = network_cases.padded
        patch.setattr(network_cases, "padded", lambda x, *rest: right(x, *rest).flip(-1))
        assert min(difference(*pair, side=4) for pair in SAME) > 1e-3
    for name in (DENSE, LOOP):
        run = step(CONTESTANTS[name](4), 4)
        losses = [float(run()) for _ in range(3)]
        assert len(set(losses)) == 3, name
    spent = shares(run)
    assert sum(spent.values()) == pytest.approx(1)
    assert spent["convolutions"] > 0.1


def test_the_floor_is_every_convolution():
    from benchmarks.network_cases import convolutions_alone

    found = convolutions_alone(4)()
    assert len(found) == 11
    assert all(x.shape[1] == w.shape[1] and x.ndim == w.ndim for x, w in found)


def test_digits_turn_and_networks_are_alike():
    from benchmarks.rotated_mnist import NETWORKS, parameters, turned

    x = torch.rand(2, 1, 28, 28)
    quarter = turned(x, torch.tensor([0.0, torch.pi / 2]))
    torch.testing.assert_close(quarter[0], x[0], atol=1e-5, rtol=0)
    assert min((quarter[1] - torch.rot90(x[1], k, (1, 2))).abs().max() for k in (1, 3)) < 1e-5
    plain, grouped = (make().eval() for make in NETWORKS.values())
    assert abs(parameters(plain) / parameters(grouped) - 1) < 0.02
    with torch.no_grad():
        same = grouped(torch.rot90(x, 1, (2, 3))) - grouped(x)
        other = plain(torch.rot90(x, 1, (2, 3))) - plain(x)
    assert same.abs().max() < 1e-5 < other.abs().max()
