"""Random numbers by counter: each is a function of its own place, of no other that was drawn before."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 10
MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
WEYL = (0x9E3779B9, 0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
BITS = np.uint64(32)


def philox(counter: ArrayLike, key: tuple[int, int]) -> NDArray[np.uint64]:
    """Four random words of 32 bits for every counter: Philox-4×32 of ten rounds.

    Parameters
    ----------
    counter : (..., 4), words of 32 bits. key : two words.

    Returns
    -------
    (..., 4), words of 32 bits, in uint64.

    Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3.

    >>> [hex(word) for word in philox((0, 0, 0, 0), (0, 0)).tolist()]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    words = np.array(counter, dtype=np.uint64)
    a, b, c, d = (words[..., k] for k in range(4))
    for k in range(ROUNDS):
        round_key = [np.uint64((key[i] + k * WEYL[i]) & 0xFFFFFFFF) for i in range(2)]
        first, second = MULTIPLIERS[0] * a, MULTIPLIERS[1] * c
        a, b, c, d = (
            (second >> BITS) ^ b ^ round_key[0],
            second & LOW,
            (first >> BITS) ^ d ^ round_key[1],
            first & LOW,
        )
    return np.stack([a, b, c, d], axis=-1)
