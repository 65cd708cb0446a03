"""Checks of constructor arguments: each error names the value, what was expected and the way out."""

from __future__ import annotations

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


def shape_of(shape: Any, ndim: int | None) -> tuple[int, ...]:
    """An int or a sequence of ints as a shape of ``ndim`` axes (any number from 1 to 3 for None)."""
    sizes: Sequence[Any]
    try:
        sizes = (operator.index(shape),)
    except TypeError:
        try:
            sizes = tuple(shape)
        except TypeError:
            raise ArgumentError(f"shape={shape!r}: expected an int or a tuple of ints.") from None
    if (ndim is not None and len(sizes) != ndim) or not 1 <= len(sizes) <= 3:
        wanted = f"{ndim} axes" if ndim else "1, 2 or 3 axes"
        raise ArgumentError(
            f"shape={shape!r} has {len(sizes)} axes, expected {wanted}: the size of one signal, "
            "without batch or channels (these may lead in any number)."
        )
    return tuple(integer(f"shape[{k}]", n, 1) for k, n in enumerate(sizes))


def scale(J: Any, shape: tuple[int, ...]) -> int:
    """J ≥ 1 with 2^J no larger than any side."""
    log2, side = integer("J", J, 1), min(shape)
    if 2**log2 > side:
        largest = side.bit_length() - 1
        way_out = f"use J ≤ {largest}" if largest >= 1 else "the signal is too small for any J"
        raise ArgumentError(
            f"J={log2}: the largest wavelet scale 2^J = {2**log2} exceeds the side {side} of "
            f"shape={shape}; {way_out}."
        )
    return log2


def choice(name: str, value: Any, options: Sequence[str | None]) -> Any:
    """``value`` if it is one of ``options``."""
    if value not in options:
        raise ArgumentError(f"{name}={value!r}: expected one of {', '.join(map(repr, options))}.")
    return value


def power_of_two(name: str, value: Any) -> int:
    number = integer(name, value, 1)
    if number & (number - 1):
        below = 1 << (number.bit_length() - 1)
        raise ArgumentError(f"{name}={number}: expected a power of two, for example {below} or {2 * below}.")
    return number
