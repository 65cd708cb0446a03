"""Settings of the test run: one thread per worker, hypothesis profiles."""

from __future__ import annotations

import os

# Before NumPy is imported: the workers of pytest-xdist already use every core, and threads of a BLAS cost
# more than they gain on matrices this small.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import HealthCheck, settings

# The suite is the same at every run; "thorough" looks further, at random (HYPOTHESIS_PROFILE=thorough).
_COMMON = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=40, derandomize=True, **_COMMON)
settings.register_profile("thorough", max_examples=1000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
