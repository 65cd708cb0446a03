"""Translation scattering in one, two and three dimensions: one class, thin names."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, TypedDict, Unpack

from groupscat.checks import choice, integer
from groupscat.errors import ArgumentError
from groupscat.plan.cascade import cascade_plan
from groupscat.plan.geometry import (
    PADDINGS,
    AxisGeometry,
    Padding,
    audio_axis,
    gaussian_tail,
    image_axis,
    periodic_axis,
)
from groupscat.plan.paths import Path
from groupscat.plan.plan import Plan
from groupscat.plan.rho import make_rho
from groupscat.plan.translation import translation_plan
from groupscat.scattering.arguments import (
    averaging_scale,
    check_options,
    output_of,
    sampling_rate,
    scale,
    shape_of,
    wavelets_per_octave,
)
from groupscat.scattering.operator import Operator
from groupscat.wavelets.atom import Atom, atoms
from groupscat.wavelets.audio import audio_bank
from groupscat.wavelets.bank import Bank, SampledBank
from groupscat.wavelets.cascade import CascadeBank
from groupscat.wavelets.littlewood_paley import LittlewoodPaley, littlewood_paley, normalised
from groupscat.wavelets.oriented import oriented_bank

#: Orientations by default: as Kymatio in the plane, the axes of the icosahedron in space.
DEFAULT_L = {2: 8, 3: 6}


class Options(TypedDict, total=False):
    """Keyword-only arguments of every translation scattering; see :class:`Scattering`."""

    oversampling: int
    padding: Padding
    exact_padding: bool
    rho: str | Callable[[Any], Any]
    phases: int
    normalize: Literal["littlewood-paley"] | None
    complex_input: bool
    sampling_rate: float | None
    method: Literal["fourier", "cascade"]
    check_finite: bool


DEFAULTS: Options = {
    "oversampling": 0,
    "padding": "reflect",
    "exact_padding": False,
    "rho": "modulus",
    "phases": 4,
    "normalize": None,
    "complex_input": False,
    "sampling_rate": None,
    "method": "fourier",
    "check_finite": False,
}


class Scattering(Operator):
    """Scattering transform of signals on R, R² or R³: S_m = ρ(…ρ(x ⋆ ψ_1)… ⋆ ψ_m) ⋆ φ_J.

    Parameters
    ----------
    J : log2 of the largest wavelet scale; 2^J may be as large as the shortest side.
    shape : size of one signal, an int or a tuple of 1 to 3 ints.
    Q : wavelets per octave in one dimension; a pair gives orders 1 and ≥ 2 (an int q means (q, 1)).
    L : orientations in two and three dimensions (default 8 and 6).
    T : averaging scale in samples (default 2^J); 0 for no average, "global" for the mean over the signal.
    stride : samples between outputs, a power of two (default: T rounded down to one, over 2^oversampling).
    max_order : number of wavelet layers m ≥ 0; each order includes all lower ones.
    out_type : "array", "list" or "dict"; see :meth:`__call__`.
    oversampling : log2 of how much more finely than necessary layers and outputs are sampled.
    padding : "reflect" (without repeating the border), "zero", "circular" or "edge".
    exact_padding : pad 1-D signals to Kymatio's power of two even where less gives the same numbers
        (images and volumes always have its padding).
    rho : "modulus", "rectifier" (``phases`` channels max(0, Re e^{iα}z)), or a pointwise function of
        complex arrays of whichever framework is used.
    normalize : "littlewood-paley" scales all filters so that the frame bound is at most 1: then the
        transform is contracting, ‖Sx − Sy‖ ≤ ‖x − y‖ (circular padding, real input).
    complex_input : accept complex signals, with wavelets for both halves of the frequencies at order 1.
    sampling_rate : in Hz; adds frequencies in Hz to ``paths``.
    method : "fourier", or "cascade" for the fast filter bank of small filters (Mallat 2016, eq. 11-12).
    check_finite : refuse NaN and infinity.

    Input of shape (..., *shape) gives (..., paths, *grid). Coefficients, their order and the names of the
    arguments are Kymatio's. Integers are converted to float32 (8, 16 bits) or float64; half precision is
    computed in float32 and returned as half.

    Raises
    ------
    ArgumentError : a value that cannot be used, with the range that can.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.Scattering(J=2, shape=(32, 32), L=4)
    >>> S(np.zeros((10, 3, 32, 32), np.float32)).shape
    (10, 3, 25, 8, 8)

    Source: Bruna & Mallat 2013; Andén & Mallat 2014; Mallat 2016, section 4.
    """

    _ndim: int | None = None

    def __init__(
        self,
        J: int,
        shape: int | tuple[int, ...],
        *,
        Q: int | tuple[int, int] = 1,
        L: int | None = None,
        T: int | Literal["global"] | None = None,
        stride: int | None = None,
        max_order: int = 2,
        out_type: str = "array",
        **options: Unpack[Options],
    ) -> None:
        known = {"Q", "L", "T", "stride", "max_order", "out_type"}
        check_options(type(self).__name__, options, DEFAULTS, known)
        chosen: dict[str, Any] = {**DEFAULTS, **options}
        self.shape = shape_of(shape, self._ndim)
        self.J = scale(J, self.shape)
        self.max_order = integer("max_order", max_order, 0)
        self.Q = wavelets_per_octave(Q)
        d = len(self.shape)
        if d > 1 and Q != 1:
            raise ArgumentError(
                f"Q={Q!r} belongs to 1-D signals; in {d}-D choose L, the number of orientations."
            )
        if d == 1 and L is not None:
            raise ArgumentError(
                f"L={L!r} belongs to images and volumes; in 1-D choose Q, wavelets per octave."
            )
        self.L = 0 if d == 1 else integer("L", DEFAULT_L[d] if L is None else L, 1)
        self.T = averaging_scale(T, self.J, self.shape)
        self.oversampling = integer("oversampling", chosen["oversampling"], 0)
        self.padding: Padding = choice("padding", chosen["padding"], PADDINGS)
        self.rho = make_rho(chosen["rho"], chosen["phases"])
        self.normalize = choice("normalize", chosen["normalize"], (None, "littlewood-paley"))
        self.method = choice("method", chosen["method"], ("fourier", "cascade"))
        self.exact_padding = bool(chosen["exact_padding"])
        self.sampling_rate = sampling_rate(chosen["sampling_rate"])
        self.complex_input = bool(chosen["complex_input"])
        self.output = output_of(self.T, stride, self.oversampling, self.shape)
        config: dict[str, Any] = {"J": self.J, "shape": self.shape}
        if d > 1:
            config["L"] = self.L
        given = {"Q": Q, "T": T, "stride": stride, "max_order": max_order, "out_type": out_type, **options}
        default = {"Q": 1, "T": None, "stride": None, "max_order": 2, "out_type": "array", **DEFAULTS}
        config |= {name: value for name, value in given.items() if value != default[name]}
        super().__init__(config, out_type, bool(chosen["check_finite"]), self.complex_input)

    @cached_property
    def bank(self) -> Bank:
        """The wavelets of every order and the low-pass, as numbers in closed form."""
        width = self.T if isinstance(self.T, int) and self.T else 2**self.J
        if len(self.shape) == 1:
            bank = audio_bank(self.J, self.Q, width, negative=self.complex_input)
        else:
            bank = oriented_bank(len(self.shape), self.J, self.L, width, negative=self.complex_input)
        if self.normalize is None:
            return bank
        return normalised(bank, tuple(a.padded for a in self._axes(bank)))

    @cached_property
    def cascade(self) -> CascadeBank:
        """The small filters of ``method="cascade"``."""
        if self.method != "cascade":
            raise ArgumentError('Only an operator with method="cascade" has cascade filters.')
        voices = self.Q[0] if len(self.shape) == 1 else self.L
        return CascadeBank(len(self.shape), voices, normalised=self.normalize is not None)

    @cached_property
    def axes(self) -> tuple[AxisGeometry, ...]:
        """How each axis is padded and subsampled."""
        return self._axes(self.bank)

    def _axes(self, bank: Bank) -> tuple[AxisGeometry, ...]:
        one_d = len(self.shape) == 1
        if self.padding == "circular":
            return tuple(periodic_axis(n, partial=one_d) for n in self.shape)
        cap = self.output.log2_cap
        coarsest = max(self.J, cap or 0)
        if not one_d:
            return tuple(image_axis(n, coarsest) for n in self.shape)
        widest = min(psi.sigma[0] for m in (1, 2) for psi in bank.wavelets(m))
        phi = bank.phi.sigma[0]
        return (
            audio_axis(
                self.shape[0],
                self.J,
                coarsest,
                reach=gaussian_tail(phi),
                widest=gaussian_tail(min(phi, widest)),
                exact=self.exact_padding,
            ),
        )

    @cached_property
    def plan(self) -> Plan:
        if self.method == "cascade":
            return self._cascade_plan()
        return translation_plan(
            self.bank,
            self.axes,
            padding=self.padding,
            max_order=self.max_order,
            rho=self.rho,
            output=self.output,
            oversampling=self.oversampling,
            complex_input=self.complex_input,
            rate=self.sampling_rate,
        )

    def _cascade_plan(self) -> Plan:
        if self.complex_input:
            raise ArgumentError(
                'method="cascade" filters real signals; use method="fourier" for complex_input=True.'
            )
        if self.oversampling or self.output.stride not in (None, 2**self.J):
            raise ArgumentError(
                f'method="cascade" subsamples by 2 at each of its J={self.J} scales, so its outputs are '
                f'2^J = {2**self.J} apart; drop stride and oversampling, or use method="fourier".'
            )
        if self.output.mode == "local" and self.T != 2**self.J:
            raise ArgumentError(f'method="cascade" averages over T = 2^J = {2**self.J}, got T={self.T}.')
        odd = [n for n in self.shape if n % 2**self.J]
        if self.padding == "circular" and odd:
            raise ArgumentError(
                f"A circular cascade needs sides divisible by 2^J = {2**self.J}, got {odd[0]}; "
                "choose another padding."
            )
        return cascade_plan(
            self.cascade,
            self.axes,
            J=self.J,
            padding=self.padding,
            max_order=self.max_order,
            rho=self.rho,
            output=self.output,
            rate=self.sampling_rate,
        )

    @cached_property
    def filters(self) -> SampledBank:
        """The bank's spectra on the padded grid: ``filters.phi``, ``filters.psi(order)``, in space too."""
        if self.method == "cascade":
            raise ArgumentError(
                'method="cascade" does not use this bank: its filters are cascade.low, cascade.band and '
                "cascade.equivalent(level)."
            )
        return SampledBank(self.bank, tuple(a.padded for a in self.axes))

    def _atoms(self, path: Path) -> tuple[Atom, ...]:
        if self.method == "cascade":
            return super()._atoms(path)
        grid = tuple(axis.padded for axis in self.axes)
        return atoms(path.wavelets, grid)

    def littlewood_paley(self, order: int = 1) -> LittlewoodPaley:
        """Σ|ψ̂|² + |φ̂|² of one order's bank on the padded grid, with its bounds (frame constants)."""
        if self.method == "cascade":
            return self.cascade.littlewood_paley(self.J, tuple(a.padded for a in self.axes))
        sizes = tuple(a.padded for a in self.axes)
        return littlewood_paley(self.bank, sizes, order, real_input=not (self.complex_input and order == 1))


class Scattering1D(Scattering):
    """Scattering of time series: constant-Q wavelets, Kymatio's arguments, order and coefficients.

    Parameters are those of :class:`Scattering`; everything after ``out_type`` by keyword only.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.Scattering1D(J=6, shape=1024, Q=8)
    >>> S(np.ones((5, 1024))).shape
    (5, 126, 16)
    """

    _ndim = 1

    def __init__(
        self,
        J: int,
        shape: int | tuple[int],
        Q: int | tuple[int, int] = 1,
        T: int | Literal["global"] | None = None,
        stride: int | None = None,
        max_order: int = 2,
        out_type: str = "array",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(J, shape, Q=Q, T=T, stride=stride, max_order=max_order, out_type=out_type, **options)


class Scattering2D(Scattering):
    """Scattering of images: L orientations per scale, Kymatio's arguments, order and coefficients.

    Parameters are those of :class:`Scattering`, with ``T`` and ``stride`` among the keywords.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.Scattering2D(J=2, shape=(32, 32))
    >>> S(np.ones((5, 3, 32, 32))).shape
    (5, 3, 81, 8, 8)
    """

    _ndim = 2

    def __init__(
        self,
        J: int,
        shape: tuple[int, int],
        L: int = 8,
        max_order: int = 2,
        out_type: str = "array",
        *,
        T: int | Literal["global"] | None = None,
        stride: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(J, shape, L=L, T=T, stride=stride, max_order=max_order, out_type=out_type, **options)


class Scattering3D(Scattering):
    """Scattering of volumes with oriented Morlet wavelets, L axes per scale spread over the half sphere.

    Parameters are those of :class:`Scattering`. For molecules, whose energy no rotation changes, see
    :class:`HarmonicScattering3D`.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.Scattering3D(J=1, shape=(8, 8, 8), L=3)
    >>> S(np.ones((2, 8, 8, 8))).shape
    (2, 4, 4, 4, 4)
    """

    _ndim = 3

    def __init__(
        self,
        J: int,
        shape: tuple[int, int, int],
        L: int = DEFAULT_L[3],
        max_order: int = 2,
        out_type: str = "array",
        *,
        T: int | Literal["global"] | None = None,
        stride: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(J, shape, L=L, T=T, stride=stride, max_order=max_order, out_type=out_type, **options)
