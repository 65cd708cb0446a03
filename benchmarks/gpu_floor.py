"""What no implementation on a GPU can avoid: the bytes that a plan must move."""

from __future__ import annotations

import math

from groupscat.plan.harmonic import HarmonicModulus
from groupscat.plan.ops import Bandpass, Crop
from groupscat.plan.plan import Plan

FLOOR = (
    "The floor is the time to move, at the bandwidth of a copy, what must move while Fourier transforms are "
    "calls of their own: every operation of the plan reads its operands and writes its result once; a "
    "band-pass reads the window of the spectrum, writes the folded product, transforms it in one pass (read, "
    "written), and the modulus reads that and writes a real result. Filters and matrices are not counted."
)


def traffic(plan: Plan, batch: int, itemsize: int = 4) -> int:
    """Bytes that a plan must move; see ``FLOOR``.

    >>> import groupscat as gs
    >>> traffic(gs.Scattering1D(J=1, shape=16, padding="circular", max_order=0).plan, batch=1)
    96
    """
    constants = {name for name, _ in plan.constants}

    def size(name: str) -> int:
        register = plan.register[name]
        return int(register.space.size) * (2 if register.is_complex else 1)

    total = 0
    for op in plan.ops:
        if type(op).__name__ == "LowChannel" or (isinstance(op, Crop) and not op.copy):
            continue  # a view
        data = [name for name in op.srcs if name not in constants]
        read, written = sum(map(size, data)), size(op.dst)
        if isinstance(op, Bandpass):
            sizes = plan.register[op.srcs[0]].space.shape[-len(op.fold) :]
            kept = math.prod(
                n if parts is None else sum(hi - lo for lo, hi in parts)
                for n, parts in zip(sizes, op.segments, strict=True)
            )
            read = read * kept // math.prod(sizes)
            read += 4 * 2 * plan.register[op.dst].space.size // op.rho.phases
        elif isinstance(op, HarmonicModulus):
            recipe = dict(plan.constants)[op.srcs[1]]
            read += 4 * recipe.size
        total += read + written
    return batch * itemsize * total
