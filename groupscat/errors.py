"""The exceptions of groupscat: each message names the value, what was expected and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING


class GroupscatError(Exception):
    """Base of every error that groupscat raises on purpose."""

    # Not that of ValueError …: frameworks that compile Python code (TensorFlow's AutoGraph) raise an error
    # anew, with the place in the user's code, only if it is made like any other.
    if not TYPE_CHECKING:
        __init__ = Exception.__init__


class ArgumentError(GroupscatError, ValueError):
    """A parameter of an operator has a value that it cannot have."""


class ShapeError(GroupscatError, ValueError):
    """An array's shape does not fit the operator it was given to."""


class DtypeError(GroupscatError, TypeError):
    """An array's element type is not one the operator can compute with."""


class DeviceError(GroupscatError, RuntimeError):
    """An array lives on another device than the operator's constants, or there is no such device."""


class BackendError(GroupscatError, ImportError):
    """A backend is unknown, not installed, or fails to import."""


class NotFiniteError(GroupscatError, ValueError):
    """The input holds NaN or infinity and ``check_finite=True`` asked to refuse it."""


class DataError(GroupscatError, ValueError):
    """A file or array given to the command line cannot be used."""


class TrainingError(GroupscatError, ArithmeticError):
    """Training went where numbers are no longer finite."""


class ApproximationWarning(UserWarning):
    """A group does not map the sampling grid to itself: what is exact in theory is approximated."""
