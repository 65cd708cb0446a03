"""Filters in closed form on a group's axes."""

from groupscat.wavelets.audio import audio_bank
from groupscat.wavelets.bank import Bank
from groupscat.wavelets.basis import Basis, Pixels, TensorProduct
from groupscat.wavelets.littlewood_paley import LittlewoodPaley, littlewood_paley
from groupscat.wavelets.morlet import Gabor, Morlet
from groupscat.wavelets.oriented import oriented_bank
from groupscat.wavelets.rings import GaussianRings
from groupscat.wavelets.steering import (
    approximation_error,
    preserves_taps,
    steering_table,
    steering_taps,
)

__all__ = [
    "Bank",
    "Basis",
    "Gabor",
    "GaussianRings",
    "LittlewoodPaley",
    "Morlet",
    "Pixels",
    "TensorProduct",
    "approximation_error",
    "audio_bank",
    "littlewood_paley",
    "oriented_bank",
    "preserves_taps",
    "steering_table",
    "steering_taps",
]
