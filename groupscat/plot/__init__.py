"""Pictures of filters and coefficients. Each function returns a matplotlib Figure; no display is needed.

>>> import groupscat as gs
>>> from groupscat import plot
>>> S = gs.Scattering2D(J=2, shape=(32, 32))
>>> plot.filters(S).savefig("filters.png")  # doctest: +SKIP

Needs matplotlib: ``pip install "groupscat[plot]"``.
"""

from groupscat.plot.angular import angular_response
from groupscat.plot.bank import filters
from groupscat.plot.bars import coefficients
from groupscat.plot.coverage import littlewood_paley
from groupscat.plot.disk import scattering_disk
from groupscat.plot.maps import maps
from groupscat.plot.reconstruction import reconstructions
from groupscat.plot.rose import rose
from groupscat.plot.symmetries import symmetries
from groupscat.plot.time_frequency import modulations, scalogram

__all__ = [
    "angular_response",
    "coefficients",
    "filters",
    "littlewood_paley",
    "maps",
    "modulations",
    "reconstructions",
    "rose",
    "scalogram",
    "scattering_disk",
    "symmetries",
]
