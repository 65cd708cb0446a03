"""Checks of single arguments: each error names the value and what was expected."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from groupscat.errors import ArgumentError


def integer(name: str, value: Any, least: int) -> int:
    """``value`` as an int ≥ ``least``."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(f"{name}={value!r}: expected an integer ≥ {least}.") from None
    if number < least:
        raise ArgumentError(f"{name}={number}: expected an integer ≥ {least}.")
    return int(number)


def choice(name: str, value: Any, options: Sequence[str | None]) -> Any:
    """``value`` if it is one of ``options``."""
    if (value is not None and not isinstance(value, str)) or value not in options:
        raise ArgumentError(f"{name}={value!r}: expected one of {', '.join(map(repr, options))}.")
    return value


def share(name: str, value: Any) -> float:
    """``value`` as a float from 0 to below 1."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < 1:
        raise ArgumentError(f"{name}={value!r}: expected a number from 0 to below 1, such as 0.9.")
    return number


def positive(name: str, value: Any, unit: str = "") -> float:
    """``value`` as a finite float > 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (number > 0 and math.isfinite(number)):
        raise ArgumentError(f"{name}={value!r}: expected a positive number{unit}.")
    return number
