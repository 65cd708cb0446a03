"""The Triton kernels without a GPU: run by Triton's interpreter, and compiled for GPUs that are not here."""

from __future__ import annotations

import importlib.util
import itertools
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import groupscat as gs
from groupscat.testing import OPERATORS, assert_close, noise
from groupscat.testing.operators import example
from tests.frameworks import missing
from tests.strategies import windows

if missing("torch"):
    pytest.skip('pip install "groupscat[torch]"', allow_module_level=True)
if missing("triton"):
    pytest.skip("pip install triton (on Linux; it comes with Torch for CUDA)", allow_module_level=True)

import torch

from tests.graph_stand_in import take_the_cpu_for_a_gpu

SOURCE = Path(gs.__file__).parent.parent / "backends" / "groupscat_torch" / "triton_kernels.py"
COMPLEX = {"float32": "complex64", "float64": "complex128"}


def load(path: Path) -> ModuleType:
    """The kernels of a file, interpreted: they take tensors of the CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        spec = importlib.util.spec_from_file_location(f"interpreted_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def interpreter() -> Iterator[None]:
    """Kernels are interpreted, and what they do not write is not right by chance."""
    torch.use_deterministic_algorithms(True)  # it fills what torch.empty returns with NaN
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        yield
    torch.use_deterministic_algorithms(False)


KERNELS = load(SOURCE)


def folded(x: Any, filters: Any, segments: Any, fold: Any) -> Any:
    """The definition, sample by sample: aliases of the window summed, (B, C, P, n_1, …, n_d)."""
    d = len(fold)
    for axis, parts in zip(range(-d, 0), segments, strict=True):
        if parts is not None:
            x = np.take(x, [i for lo, hi in parts for i in range(lo, hi)], axis)
    lengths = filters.shape[2:]
    y = np.zeros((*x.shape[:2], filters.shape[1], *lengths), x.dtype)
    for k, block in enumerate(itertools.product(*map(range, fold))):
        part = tuple(slice(b * n, (b + 1) * n) for b, n in zip(block, lengths, strict=True))
        y += x[(slice(None), slice(None), None, *part)] * filters[k]
    return y


def check_fold(kernels: ModuleType, case: Any, precision: str, first: int = 0, copies: int = 2) -> None:
    shape, count, segments, fold = case
    widths = [
        n if parts is None else sum(hi - lo for lo, hi in parts)
        for n, parts in zip(shape[2:], segments, strict=True)
    ]
    lengths = [w // k for w, k in zip(widths, fold, strict=True)]
    filters = noise((math.prod(fold), count, *lengths), 1).astype(precision)
    x = noise(shape, is_complex=True).astype(COMPLEX[precision])
    stored = torch.from_numpy(np.repeat(filters[..., None], copies, -1))
    y = kernels.multiply_fold(torch.from_numpy(x), stored[:, first:], segments, fold)
    wanted = folded(x, filters[:, first:], segments, fold)
    assert_close(y.numpy(), wanted.reshape(y.shape), 0.0, precision)


def check_modulus(kernels: ModuleType, precision: str) -> None:
    for shape, axis in (((2, 3, 5), 1), ((3, 7), -1), ((4, 1, 600), 0), ((513,), None), ((2, 0), None)):
        z = torch.from_numpy(noise(shape, is_complex=True).astype(COMPLEX[precision]))
        wanted = z.abs() if axis is None else z.abs().square().sum(axis).sqrt()
        found = kernels.modulus(z, axis)
        assert found.dtype == wanted.dtype
        assert_close(found.numpy(), wanted.numpy(), 0.0, precision)


#: Two windows in two segments, folded; more filters, signals and numbers than one program takes.
CASE = ((3, 1, 8, 264), 9, [((4, 8), (0, 2)), None], (3, 2))


@given(case=windows())
@settings(max_examples=25)
@pytest.mark.parametrize(("precision", "copies"), [("float32", 2), ("float64", 1)])
def test_product_and_folding(case: Any, precision: str, copies: int) -> None:
    check_fold(KERNELS, case, precision, case[1] // 3, copies)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_modulus(precision: str) -> None:
    check_modulus(KERNELS, precision)


def test_loops_over_what_a_grid_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KERNELS, "MOST_PROGRAMS", 1)
    check_fold(KERNELS, CASE, "float64")
    check_modulus(KERNELS, "float64")


def test_views_of_other_arrays() -> None:
    z = torch.from_numpy(noise((4, 6, 8), is_complex=True))
    assert_close(KERNELS.modulus(z.mT[:, ::2]).numpy(), z.mT[:, ::2].abs().numpy())
    assert_close(KERNELS.modulus(z.conj()).numpy(), z.abs().numpy())
    filters = torch.from_numpy(np.repeat(noise((1, 2, 8))[..., None], 2, -1))
    found = KERNELS.multiply_fold(z[:, 1::2].conj(), filters, [None], (1,))
    wanted = z[:, 1::2, None].conj() * filters[0, ..., 0]
    assert_close(found.numpy(), wanted.flatten(1, 2).numpy())


def test_long_signals_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.zeros(2, 3, 4, 5)
    assert KERNELS.fits(x)
    monkeypatch.setattr(KERNELS, "MOST_SAMPLES", 19)
    assert not KERNELS.fits(x)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The backend takes the CPU for a GPU with kernels; the names of those that run."""
    from groupscat_torch import fused

    found: set[str] = set()

    def counted(name: str) -> Any:
        original = getattr(KERNELS, name)
        return lambda *arguments: (found.add(name), original(*arguments))[1]

    for name in ("multiply_fold", "modulus"):
        monkeypatch.setattr(KERNELS, name, counted(name))
    monkeypatch.setattr(fused, "kernels", lambda device: KERNELS)
    take_the_cpu_for_a_gpu(monkeypatch)
    return found


@pytest.mark.parametrize("name", ["1-D", "1-D, complex", "2-D, zero", "3-D", "harmonic, odd"])
def test_operators_use_them(name: str, used: set[str]) -> None:
    S = OPERATORS[name]()
    x = example(S)
    assert_close(S(torch.from_numpy(x)).numpy(), S(x), x)
    assert used == ({"modulus"} if "harmonic" in name else {"multiply_fold", "modulus"})


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # in Torch's jvp
def test_what_is_differentiated_is_left_to_torch(used: set[str]) -> None:
    xp, z = gs.get_backend("torch"), torch.ones(1, 1, 4, dtype=torch.complex128)
    filters = torch.ones(1, 1, 4, 2, dtype=torch.float64)
    call = lambda z: xp.bandpass_modulus(z, filters, [None], (1,))  # noqa: E731
    call(z.requires_grad_()).sum().backward()
    torch.func.vmap(call)(z.detach()[None])
    torch.func.jvp(call, (z.detach(),), (z.detach(),))
    assert not used
    call(z.detach())
    assert used


def test_without_triton_or_a_working_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from groupscat_torch import fused

    device = torch.device("cuda", 99)
    try:
        assert fused.kernels(torch.device("cpu")) is None
        with pytest.warns(UserWarning, match=r"Triton cannot compile for cuda:99 \(.+\): Torch's own"):
            assert fused.kernels(device) is None
        assert fused.kernels(device) is None  # tried once
        fused.kernels.cache_clear()
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        assert fused.kernels(device) is None
    finally:
        fused.kernels.cache_clear()


def test_positions_are_those_of_the_window() -> None:
    """Where a folded sample comes from, one index at a time."""
    shape, segments, fold = (5, 8), (((3, 5), (0, 2)), None), (2, 4)
    rows = [3, 4, 0, 1]
    wanted = [
        [rows[2 * b0 + u0] * 8 + 2 * b1 + u1 for u0 in range(2) for u1 in range(2)]
        for b0 in range(2)
        for b1 in range(4)
    ]
    assert KERNELS.positions(shape, segments, fold, torch.device("cpu")).tolist() == wanted


#: What is wrong in a kernel, and the check that must notice.
WRONG = [
    ("e // 2, e % 2", "e // 2, e * 0", check_fold),
    ("k * n + u, mask", "u, mask", check_fold),
    ("k * filter_step", "0 * filter_step", check_fold),
    ("[:, None] * size", "[:, None] * n", check_fold),
    ("total += z", "total = z", check_fold),
    ("* count + p[None, :]", "* count + 0 * p[None, :]", check_fold),
    ("* ROWS, rows,", "* ROWS, rows - 1,", check_fold),
    ("e < 2 * n", "e < n", check_fold),
    ("filters.stride(0),", "count * n,", check_fold),
    ("(COPIES * n)", "(2 * n)", partial(check_fold, copies=1)),
    ("e // (2 // COPIES)", "e", partial(check_fold, copies=1)),
    ("re * re + im * im", "re * re + re * re", check_modulus),
    ("(first + m) * inner", "first * inner", check_modulus),
    ("tl.sqrt(squares)", "squares", check_modulus),
    ("u < inner", "u < inner - 1", check_modulus),
]


@pytest.mark.parametrize(("right", "wrong", "check"), WRONG)
def test_a_wrong_kernel_is_noticed(right: str, wrong: str, check: Any, tmp_path: Path) -> None:
    text = SOURCE.read_text(encoding="utf-8")
    assert text.count(right) == 1
    path = tmp_path / "wrong.py"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    kernels = load(path)
    with pytest.raises(AssertionError):
        check(kernels, *(() if check is check_modulus else (CASE,)), "float64")


COMPILE = """
import importlib.util, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

spec = importlib.util.spec_from_file_location("kernels", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
integers = dict.fromkeys(("rows", "count", "n", "size", "folds", "filter_step"), "i32")
for number in ("fp32", "fp64"):
    pointer = "*" + number
    fold = {"spectrum": pointer, "filters": pointer, "positions": "*i32", "out": pointer, **integers}
    modulus = {"z": pointer, "out": pointer, "outer": "i64", "count": "i32", "inner": "i64"}
    for kernel, types, constants in (
        (module._multiply_fold, fold, {"ROWS": 2, "FILTERS": 4, "NUMBERS": 256, "COPIES": 2}),
        (module._multiply_fold, fold, {"ROWS": 32, "FILTERS": 4, "NUMBERS": 16, "COPIES": 1}),
        (module._multiply_fold, fold, {"ROWS": 1, "FILTERS": 1, "NUMBERS": 256, "COPIES": 1}),
        (module._modulus, modulus, {"MODULI": 512}),
    ):
        signature = types | dict.fromkeys(constants, "constexpr")
        aligned = {(k,): [["tt.divisibility", 16]] for k, kind in enumerate(types.values()) if "*" in kind}
        source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=aligned)
        for capability in (75, 90):
            compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32))
            assert len(compiled.asm["cubin"]) > 1000
            assert ".local" not in compiled.asm["ptx"]  # all sums stay in registers
            print(kernel.fn.__name__, number, capability)
"""


def test_compiled_for_gpus(tmp_path: Path) -> None:
    """Down to machine code, by the compiler and the assembler that Triton brings; nothing is run."""
    script = tmp_path / "compile.py"
    script.write_text(COMPILE, encoding="utf-8")
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(script), str(SOURCE)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 16
