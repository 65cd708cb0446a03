"""TF32: never in scattering, by Torch's own switches in learned layers. The switches exist without a GPU."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.testing import OPERATORS
from groupscat.testing.operators import example
from tests.frameworks import missing

if missing("torch"):
    pytest.skip('pip install "groupscat[torch]"', allow_module_level=True)

import torch

from groupscat_torch.precision import NEWER, SWITCHES, exact, rounding
from tests.graph_stand_in import take_the_cpu_for_a_gpu

matmul, conv = SWITCHES


def newer(of: Any, value: str) -> Callable[[], None]:
    return lambda: setattr(of, "fp32_precision", value)


#: Ways in which users set the switches, older and newer, and their mixtures.
SETTINGS: dict[str, Callable[[], None]] = {
    "default": lambda: None,
    "high": lambda: torch.set_float32_matmul_precision("high"),
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
    "no cuDNN": lambda: setattr(torch.backends.cudnn, "allow_tf32", False),
}
if NEWER:
    SETTINGS |= {
        "products": newer(torch.backends.cuda.matmul, "tf32"),
        "exact products": newer(torch.backends.cuda.matmul, "ieee"),
        "exact convolutions": newer(torch.backends.cudnn.conv, "ieee"),
        "all": newer(torch.backends, "tf32"),
    }


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    if NEWER:
        torch.backends.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True
    if NEWER:
        torch.backends.cuda.matmul.fp32_precision = "none"


def test_defaults_round_convolutions_only() -> None:
    assert (matmul.rounds(), conv.rounds()) == (False, True)


@pytest.mark.parametrize("first", SETTINGS)
@pytest.mark.parametrize("second", SETTINGS)
def test_off_within_and_back_after(first: str, second: str) -> None:
    SETTINGS[first]()
    SETTINGS[second]()
    before = rounding()
    with exact():
        assert not any(switch.rounds() for switch in SWITCHES)
    assert rounding() == before


def test_back_after_an_error() -> None:
    before = rounding()
    with pytest.raises(ZeroDivisionError), exact():
        _ = 1 / 0
    assert rounding() == before


def test_threads_that_overlap() -> None:
    """The first to leave must not switch rounding on for the other, nor the last forget what was set."""
    torch.set_float32_matmul_precision("high")
    entered, leave, rounded = threading.Event(), threading.Event(), []

    def other() -> None:
        with exact():
            entered.set()
            leave.wait()
            rounded.append(matmul.rounds())

    thread = threading.Thread(target=other)
    with exact():
        thread.start()
        entered.wait()
    leave.set()
    thread.join()
    assert rounded == [False]
    assert torch.get_float32_matmul_precision() == "high"


def test_on_gpus_only() -> None:
    xp = gs.get_backend("torch")
    for is_cuda in (True, False):
        with xp.exact(SimpleNamespace(is_cuda=is_cuda)):
            assert conv.rounds() is not is_cuda


@pytest.mark.parametrize("name", ["1-D", "cascade, 2-D", "harmonic, odd"])
def test_every_operation_of_scattering_is_within(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    within: list[bool] = []
    seen: list[bool] = []

    @contextmanager
    def entered(self: Any, x: Any) -> Iterator[None]:
        within.append(True)
        yield
        within.pop()

    take_the_cpu_for_a_gpu(monkeypatch)
    backend = type(gs.get_backend("torch"))
    monkeypatch.setattr(backend, "exact", entered)
    for verb in ("linear", "fft", "filterbank"):
        original = getattr(backend, verb)
        monkeypatch.setattr(
            backend,
            verb,
            lambda *a, original=original, **b: (seen.append(bool(within)), original(*a, **b))[1],
        )
    S = OPERATORS[name]()
    S(torch.from_numpy(example(S)))
    assert seen
    assert all(seen)
    seen.clear()
    monkeypatch.setattr(backend, "conv", lambda *a: (seen.append(bool(within)), torch.zeros(1, 1, 2, 2))[1])
    gs.convnd(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 3, 3), padding="none")
    assert seen == [False]  # learned layers follow the switches


@pytest.mark.parametrize("name", OPERATORS)
def test_half_precision_is_within_a_thousandth(name: str) -> None:
    """Signals and coefficients in half precision, transforms in float32."""
    S = OPERATORS[name]()
    complex_output = any(S.plan.register[out].is_complex for out, _ in S.plan.outputs)
    if S.complex_input or complex_output or S.out_type != "array":
        pytest.skip("complex numbers stay complex64; lists are of the same numbers")
    x = torch.from_numpy(example(S)).half()
    y, wanted = S(x), S(x.double()).numpy()
    assert y.dtype == torch.float16
    assert np.abs(y.double().numpy() - wanted).max() <= 1e-3 * np.abs(wanted).max()
