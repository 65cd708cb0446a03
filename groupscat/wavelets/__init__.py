"""Filters in closed form on a group's axes."""

from groupscat.wavelets.audio import audio_bank
from groupscat.wavelets.bank import Bank
from groupscat.wavelets.littlewood_paley import LittlewoodPaley, littlewood_paley
from groupscat.wavelets.morlet import Gabor, Morlet
from groupscat.wavelets.oriented import oriented_bank

__all__ = [
    "Bank",
    "Gabor",
    "LittlewoodPaley",
    "Morlet",
    "audio_bank",
    "littlewood_paley",
    "oriented_bank",
]
