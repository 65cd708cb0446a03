"""The main branch of Kymatio as a peer: found, kept apart from a release, and compared in the right order."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

import groupscat as gs
from benchmarks import main_branch
from benchmarks.joint_cases import JOINT_CASES, JointCase
from benchmarks.main_branch import JOINT, PACKAGE, VARIABLE

SMALL = JointCase("small", 2, 256, 4, 2, 2)
#: Without the memory of what it found before.
kymatio_main = main_branch.kymatio_main.__wrapped__

FRONT = """
from .base_frontend import describe

class ScatteringNumPy1D:
    def __init__(self, J, shape, Q=1, *, backend="numpy"):
        self.made = describe(J, shape, Q, backend)

class TimeFrequencyScatteringNumPy(ScatteringNumPy1D):
    def __init__(self, J, J_fr, Q, shape, *, backend="numpy"):
        super().__init__((J, J_fr), shape, Q, backend=backend)
"""
FILES = {
    "__init__.py": '__version__ = "9.9"\n',
    "scattering1d/__init__.py": "",
    "scattering1d/core/__init__.py": "",
    "scattering1d/core/timefrequency_scattering.py": "",
    "scattering1d/frontend/__init__.py": "",
    "scattering1d/frontend/base_frontend.py": "def describe(*given):\n    return given\n",
    "scattering1d/frontend/numpy_frontend.py": FRONT,
    "scattering1d/backend/__init__.py": "",
    "scattering1d/backend/numpy_backend.py": "class Main:\n    name = 'numpy'\n\nbackend = Main\n",
}


def forget():
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A stand-in of the main branch: its files, with classes that only keep what they are given."""
    for name, text in FILES.items():
        path = tmp_path / "kymatio" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == PACKAGE}
    forget()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    yield tmp_path
    forget()
    sys.modules.update(kept)


def test_the_main_branch_is_kept_apart_from_a_release(checkout, monkeypatch):
    release = object()
    monkeypatch.setitem(sys.modules, "kymatio", release)
    before = list(sys.path)
    peer = kymatio_main("numpy")
    assert peer.name == "Kymatio main (9.9, NumPy)"
    made = SMALL.build_peer(peer.module).made
    assert made[:3] == ((4, 2), 256, 2)
    assert made[3].__module__ == f"{PACKAGE}.scattering1d.backend.numpy_backend"
    assert peer.module.Scattering1D(4, 256, Q=2).made[3] is made[3]
    assert sys.modules["kymatio"] is release
    assert not [name for name in sys.modules if name.startswith("kymatio.scattering1d.core.timefreq")]
    assert sys.path == before


def test_a_checkout_that_fails_to_load_is_not_remembered(checkout):
    broken = checkout / "kymatio" / "__init__.py"
    broken.write_text("raise RuntimeError('broken')\n")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken"):
            kymatio_main("numpy")
    assert PACKAGE not in sys.modules


@pytest.mark.parametrize(
    ("given", "reason"),
    [(None, f"{VARIABLE} names no checkout"), ("nowhere", f"{VARIABLE}=nowhere has no {JOINT.as_posix()}")],
)
def test_why_there_is_no_main_branch(given, reason, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    if given:
        monkeypatch.setenv(VARIABLE, given)
    peer = kymatio_main("numpy")
    assert not peer
    assert reason in peer.reason


def test_a_release_is_not_taken_for_the_main_branch(checkout):
    (checkout / JOINT).unlink()
    assert "has no" in kymatio_main("numpy").reason


def test_cases_are_those_of_their_names():
    for case in JOINT_CASES:
        sizes = f"{case.batch}×{case.length} J={case.J} Q={case.Q} J_fr={case.J_fr}"
        assert case.name == f"JTFS {sizes}"
        assert case.input().shape == (case.batch, case.length)
        np.testing.assert_array_equal(case.input(), case.input())


def test_the_error_of_a_case_finds_faults():
    x = SMALL.input().astype(np.float64)
    S = SMALL.build(gs)
    y, orders = S(x), S.paths.column("order")
    np.testing.assert_array_equal(y, gs.TimeFrequencyScattering(4, 2, 256, 2)(x))
    assert SMALL.error(y, y, orders) == 0
    for wrong in (y[:, ::-1], np.roll(y, 1, -1), y * (1 + 1e-3)):
        assert SMALL.error(wrong, y, orders) > 9e-4


@pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} is not set to a checkout")
@pytest.mark.parametrize("format", ["time", "joint"])
def test_the_main_branch_agrees(format):
    """In float64, each kind of coefficients against its own largest one."""
    peer = main_branch.kymatio_main("numpy")
    assert peer, peer.reason
    case = JointCase("", 2, 2048, 7, 3, 8)
    S, x = case.build(gs).replace(format=format), case.input().astype(np.float64)
    theirs = peer.module.TimeFrequencyScattering(J=7, J_fr=3, shape=2048, Q=8, format=format)
    y, expected = S(x), theirs(x)
    assert y.shape == expected.shape
    kinds = np.array([path.kind for path in S.paths])
    truncated = np.array([path.spin == -1 and path.n_fr == 5 for path in S.paths])
    assert truncated.any()
    for kind in sorted(set(kinds)):
        for left_out, limit in ((False, 1e-8), (True, 3e-5)):  # the tail that JointCase.error names
            rows = (kinds == kind) & (truncated == left_out)
            if rows.any():
                error = np.abs(y[:, rows] - expected[:, rows]).max() / np.abs(expected[:, rows]).max()
                assert error < limit, (kind, left_out)
                assert not left_out or error > 1e-7
