"""The contract of a backend, whole."""

from __future__ import annotations

from groupscat.testing.convolutions import ConvolutionContract
from groupscat.testing.operators import InterchangeContract, OperatorContract
from groupscat.testing.primitives import PrimitiveContract


class BackendContract(PrimitiveContract, ConvolutionContract, OperatorContract, InterchangeContract):
    """Everything that holds every backend to the same numbers.

    Subclass it in a test module, set ``name`` to the registered backend, and run pytest::

        class TestMine(BackendContract):
            name = "mine"

    A framework that differentiates also overrides :meth:`gradient`. ``examples`` is the number of cases that
    Hypothesis draws per property. Outside pytest: ``python -m groupscat.testing mine``.
    """
