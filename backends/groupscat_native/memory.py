"""Where the registers of a program lie: parts of one piece of memory, used again when nobody reads them."""

from __future__ import annotations

from collections.abc import Sequence

#: Every register begins at a multiple of so many numbers.
ALIGNED = 16


def places(sizes: Sequence[int], lives: Sequence[tuple[int, int] | None]) -> tuple[list[int], int]:
    """Where each of some registers begins, and the numbers of all.

    Parameters
    ----------
    sizes : numbers of each. lives : the first and the last step that touches it; None: no step does.

    Returns
    -------
    The largest come first, each at the lowest place that is free all its life.

    >>> places([32, 16, 32], [(0, 1), (0, 3), (2, 3)])
    ([0, 32, 0], 48)
    """
    begins, end = [0] * len(sizes), 0
    placed: list[int] = []
    for k in sorted(range(len(sizes)), key=lambda k: -sizes[k]):
        life = lives[k]
        if life is None:
            continue
        at = 0
        others = ((begins[j], sizes[j], lives[j]) for j in placed)
        for begin, size, other in sorted(o for o in others if o[2] is not None):
            assert other is not None
            if other[0] <= life[1] and life[0] <= other[1] and begin < at + sizes[k]:
                at = max(at, -(-(begin + size) // ALIGNED) * ALIGNED)
        begins[k] = at
        end = max(end, at + sizes[k])
        placed.append(k)
    return begins, end
