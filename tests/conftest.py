"""Settings of the test run: one thread per worker, hypothesis profiles."""

from __future__ import annotations

import os
from functools import cache

# Before NumPy is imported: the workers of pytest-xdist already use every core, and threads of a BLAS cost
# more than they gain on matrices this small.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

from groupscat.backend import registry

# The suite is the same at every run; "thorough" looks further, at random (HYPOTHESIS_PROFILE=thorough).
_COMMON = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=40, derandomize=True, **_COMMON)
settings.register_profile("thorough", max_examples=1000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def plain_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backends without compiled kernels, which would do the work of the methods that a test replaces."""
    monkeypatch.setattr("groupscat_native.backend.load", lambda: (None, "switched off by a test"))
    monkeypatch.setattr(registry, "_load", cache(registry._load.__wrapped__))
