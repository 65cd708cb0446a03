"""Checks of constructor arguments: each error names the value, what was expected and the way out."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from groupscat.checks import choice, integer, positive
from groupscat.errors import ArgumentError
from groupscat.plan.translation import Output


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


def power_of_two(name: str, value: Any) -> int:
    number = integer(name, value, 1)
    if number & (number - 1):
        below = 1 << (number.bit_length() - 1)
        raise ArgumentError(f"{name}={number}: expected a power of two, for example {below} or {2 * below}.")
    return number


def wavelets_per_octave(Q: Any) -> tuple[int, int]:
    """Q as a pair: order 1, orders ≥ 2."""
    if isinstance(Q, tuple | list):
        if len(Q) != 2:
            raise ArgumentError(f"Q={Q!r}: expected an int or a pair (order 1, orders ≥ 2).")
        return integer("Q[0]", Q[0], 1), integer("Q[1]", Q[1], 1)
    return integer("Q", Q, 1), 1


def averaging_scale(T: Any, J: int, shape: tuple[int, ...]) -> int | Literal["global"]:
    """T as samples, 0 for none, or "global"; None means 2^J."""
    if T is None:
        return 1 << J
    if isinstance(T, str):
        choice("T", T, ("global",))
        return "global"
    samples = integer("T", T, 0)
    if samples > max(shape):
        raise ArgumentError(f'T={T} exceeds the signal ({max(shape)} samples); for its mean pass T="global".')
    return samples


def output_of(
    T: int | Literal["global"], stride: Any, oversampling: int, shape: tuple[int, ...], total: bool = False
) -> Output:
    """What T and stride ask for; ``total``: "global" means the integral, not the mean."""
    if T == "global":
        if stride is not None:
            raise ArgumentError(
                f'stride={stride} has no meaning with T="global", which leaves one value per path.'
            )
        return Output("integral" if total else "mean", None)
    if stride is not None:
        stride = power_of_two("stride", stride)
    if T == 0:
        if stride is not None and stride > min(shape):
            raise ArgumentError(
                f"stride={stride} exceeds the side {min(shape)} of shape={shape}: no sample would be left."
            )
        return Output("none", stride)
    if stride is None:
        stride = 2 ** max(0, int(math.log2(T)) - oversampling)
    elif stride > T:
        raise ArgumentError(f"stride={stride} exceeds T={T}: samples between the outputs would be lost.")
    return Output("local", stride)


def sampling_rate(rate: Any) -> float | None:
    """A positive number of Hz, or None."""
    return None if rate is None else positive("sampling_rate", rate, " of Hz")


#: Arguments of Kymatio that are called otherwise here; ``method`` is one of solid harmonics there.
KYMATIO = {
    "average": 'pass T=0 for no average, T="global" for one over the whole signal',
    "backend": "drop it: operators follow the array they are given; for modules import groupscat.torch",
    "frontend": "drop it: operators follow the array they are given; for modules import groupscat.torch",
    "method": 'drop method="integral", the only one of Kymatio; T chooses between integrals (T="global", the '
    "default), local averages and none",
    "points": "drop it: Kymatio takes it, but has no use for it",
    "pre_pad": 'pass unpadded signals and choose padding="reflect", "zero", "circular" or "edge"',
    "vectorize": 'pass out_type="array", "list" or "dict"',
}


#: Attributes and methods of Kymatio that are called otherwise here.
KYMATIO_ATTRIBUTES = {
    "meta": "S.paths is the table of paths: S.paths.column('xi'), S.paths.to_pandas()",
    "output_size": "len(S.paths) is the number of coefficients, S.output_shape their shape",
    "scattering": "call the operator: S(x)",
    "transform": "call the operator: S(x)",
    "predict": "call the operator: S(x)",
    "phi": "S.filters.phi is its spectrum, S.bank.phi the filter in closed form",
    "psi": "S.filters.psi(order) are the spectra, S.bank.wavelets(order) the wavelets in closed form",
    "phi_f": "S.filters.phi is its spectrum, S.bank.phi the filter in closed form",
    "psi1_f": "S.filters.psi(1) are the spectra, S.bank.wavelets(1) the wavelets in closed form",
    "psi2_f": "S.filters.psi(2) are the spectra, S.bank.wavelets(2) the wavelets in closed form",
    "pad_left": "S.axes[0] tells how the signal is padded",
    "pad_right": "S.axes[0] tells how the signal is padded",
    "M": "the size of a signal is S.shape",
    "N": "the size of a signal is S.shape",
    "O": "the size of a signal is S.shape",
}


def check_options(
    name: str, options: Mapping[str, Any], defaults: Mapping[str, Any], others: Collection[str]
) -> None:
    """Refuse arguments that an operator does not have, with the way out for those of Kymatio."""
    for option in options:
        if option in KYMATIO and option not in defaults:
            raise TypeError(f"{name} has no argument {option!r}: {KYMATIO[option]}.")
        if option not in defaults:
            known = ", ".join(sorted({*defaults, *others}))
            raise TypeError(f"{name} has no argument {option!r}; it takes J, shape, {known}.")
