"""The published contract of a backend, for the library's own tests and for those of third parties.

>>> from groupscat.testing import BackendContract
>>> class TestNumPy(BackendContract):
...     name = "numpy"

Needs pytest and Hypothesis: ``pip install "groupscat[testing]"``.
"""

import groupscat.testing.requirements  # noqa: F401

# isort: split
from groupscat.testing import strategies
from groupscat.testing.base import noise
from groupscat.testing.contract import BackendContract
from groupscat.testing.convolutions import CONVOLUTIONS
from groupscat.testing.layers import LayerContract
from groupscat.testing.operators import OPERATORS
from groupscat.testing.runner import Outcome, run_contract
from groupscat.testing.tolerances import TOLERANCE, assert_close, relative_error

__all__ = [
    "CONVOLUTIONS",
    "OPERATORS",
    "TOLERANCE",
    "BackendContract",
    "LayerContract",
    "Outcome",
    "assert_close",
    "noise",
    "relative_error",
    "run_contract",
    "strategies",
]
