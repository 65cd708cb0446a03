"""The benchmarks' own arithmetic, on sizes that take no time."""

from __future__ import annotations

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


def test_the_fit_finds_a_constant_that_removes_the_regret():
    from benchmarks.convolution_cases import CASES
    from benchmarks.convolution_fit import NAMES, _choice, _regret
    from groupscat.plan import strategy

    present = tuple(getattr(strategy, name) for name in NAMES)
    slow = dict.fromkeys(strategy.STRATEGIES, 2.0)
    measured = [(case, slow | {_choice(case): 1.0}) for case in CASES]
    assert _regret(measured, present) == 0
    assert _regret(measured, (1e6, 1e6, 1e6, 0.0)) > 0
    assert tuple(getattr(strategy, name) for name in NAMES) == present
