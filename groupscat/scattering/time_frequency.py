"""Joint time-frequency scattering: wavelets in time and along log-frequency, spins that follow chirps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, TypedDict, Unpack

import numpy as np

from groupscat.backend import Array, backend_of
from groupscat.checks import choice, integer
from groupscat.errors import ArgumentError, ShapeError
from groupscat.plan.geometry import AxisGeometry, Padding
from groupscat.plan.joint_paths import KINDS, JointPath
from groupscat.plan.paths import Path
from groupscat.plan.plan import Plan
from groupscat.plan.restrict import restrict
from groupscat.plan.time_frequency import RowAxis, time_frequency_plan
from groupscat.plan.translation import Output
from groupscat.scattering.arguments import check_options, power_of_two
from groupscat.scattering.operator import Operator
from groupscat.scattering.translation import Scattering1D
from groupscat.wavelets.atom import Atom, atoms
from groupscat.wavelets.bank import Bank
from groupscat.wavelets.frequential import FrequentialBank, frequential_bank


class Options(TypedDict, total=False):
    """Keyword-only arguments; see :class:`TimeFrequencyScattering`."""

    rows: Literal["padded", "valid"] | None
    exclude: str | tuple[str, ...]
    separable: bool
    oversampling: int
    padding: Padding
    exact_padding: bool
    sampling_rate: float | None
    check_finite: bool


DEFAULTS: Options = {
    "rows": None,
    "exclude": (),
    "separable": False,
    "oversampling": 0,
    "padding": "reflect",
    "exact_padding": False,
    "sampling_rate": None,
    "check_finite": False,
}
#: Options of the time scattering inside.
IN_TIME = ("oversampling", "padding", "exact_padding", "sampling_rate")
ARGUMENTS = {"T": None, "F": None, "stride": None, "stride_fr": None, "Q_fr": 1}
FORMATS = ("time", "joint")
#: The axes of each part that :meth:`TimeFrequencyScattering.pack` gives, before those of rows and time.
PACKED = {
    "phi_t phi_f": (),
    "phi_t psi_f": ("l",),
    "psi_t phi_f": ("mu",),
    "psi_t psi_f": ("spin", "mu", "l"),
}


class TimeFrequencyScattering(Operator):
    """Scattering of a scalogram U(t, λ) = |x ⋆ ψ_λ|(t) in time and along log-frequency: |U ⋆ Ψ| ⋆ φ.

    Ψ is ψ_μ(t)ψ_ℓ(±λ) with the spin ±, ψ_μ(t)φ(λ), or φ_T(t)ψ_ℓ(λ); what Ψ has averaged φ does not average
    again. λ counts first-order wavelets from high to low frequency. Spin +1 responds to rising chirps, −1 to
    falling ones.

    Parameters
    ----------
    J, J_fr : log2 of the largest scales, in samples and in rows λ.
    shape : length of one signal.
    Q : wavelets per octave in time; a pair gives the first and the second order. Q_fr : the same along λ.
    T, F : averaging scales in samples and in rows (default 2^J, 2^J_fr); 0 for no average, "global" for the
        mean over the signal, over all (padded) rows.
    stride, stride_fr : samples and rows between outputs, powers of two (default T, F, rounded down to one).
    format : "time", paths (n1, n2, n_fr) with one row λ each: output (..., paths, time); or "joint", paths
        (n2, n_fr) with all their rows and no order 0: output (..., paths, rows, time).
    out_type : "array", "list" or "dict"; in the last two, "joint" has the order 0 too, and of each path the
        rows that it sees.
    rows : "padded" gives all rows of the padded axis in a "joint" array, Kymatio's default; "valid" those
        of the first-order wavelets only.
    exclude : kinds of coefficients to leave out, of "order 0", "phi_t phi_f", "phi_t psi_f" (order 1), "psi_t
        phi_f", "psi_t psi_f+", "psi_t psi_f-" (order 2).
    separable : scattering in time first, then along λ: |(|U ⋆ ψ_μ| ⋆ φ_T) ⋆ ψ_ℓ| ⋆ φ_F, without spins.
    oversampling, padding, exact_padding, sampling_rate, check_finite : as for :class:`Scattering`.

    Numbers, their order and the names of the arguments are Kymatio's (main branch).

    Raises
    ------
    ArgumentError : a value that cannot be used, with the range that can.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.TimeFrequencyScattering(J=6, J_fr=3, shape=1024, Q=8)
    >>> S(np.ones((5, 1024))).shape, S.replace(format="joint")(np.ones((5, 1024))).shape
    ((5, 152, 16), (5, 41, 15, 16))
    >>> S.paths.select(order=2, n2=3, n_fr=2)
    [30, 31]

    Source: Andén, Lostanlen & Mallat 2019.
    """

    def __init__(
        self,
        J: int,
        J_fr: int,
        shape: int | tuple[int],
        Q: int | tuple[int, int],
        T: int | Literal["global"] | None = None,
        F: int | Literal["global"] | None = None,
        stride: int | None = None,
        stride_fr: int | None = None,
        Q_fr: int = 1,
        format: Literal["time", "joint"] = "time",
        out_type: str = "array",
        **options: Unpack[Options],
    ) -> None:
        known = {"J_fr", "Q", *ARGUMENTS, "format", "out_type"}
        check_options(type(self).__name__, options, DEFAULTS, known)
        chosen: dict[str, Any] = {**DEFAULTS, **options}
        in_time = {name: chosen[name] for name in IN_TIME}
        #: The time scattering that this one extends along log-frequency.
        self.time = Scattering1D(J, shape, Q, T, stride, out_type="list", **in_time)
        self.shape, self.J, self.Q, self.T = self.time.shape, self.time.J, self.time.Q, self.time.T
        self.sampling_rate = self.time.sampling_rate
        self.format = choice("format", format, FORMATS)
        self.rows = choice("rows", chosen["rows"], (None, "padded", "valid"))
        self.separable = bool(chosen["separable"])
        self.Q_fr = integer("Q_fr", Q_fr, 1)
        self.J_fr = self._scale(J_fr)
        self.F = self._width(F)
        self.stride_fr = self._stride(stride_fr)
        self.exclude = _kinds(chosen["exclude"])
        self._check_layout(out_type)
        config: dict[str, Any] = {"J": self.J, "J_fr": self.J_fr, "shape": self.shape, "Q": Q}
        given: dict[str, Any] = {"T": T, "F": F, "stride": stride, "stride_fr": stride_fr, "Q_fr": Q_fr}
        given |= {"format": format, "out_type": out_type, **options, "exclude": self.exclude}
        default = {**ARGUMENTS, "format": "time", "out_type": "array", **DEFAULTS}
        config |= {name: value for name, value in given.items() if value != default[name]}
        self.out_type = out_type
        super().__init__(config, out_type, bool(chosen["check_finite"]), complex_input=False)

    # ------------------------------------------------------------------------------------ arguments

    @property
    def _nominal_rows(self) -> int:
        """Rows that scales may span: Q for each of J + 1 octaves."""
        return max((self.J + 1) * self.Q[0], len(self.bank.wavelets(1)))

    def _scale(self, J_fr: Any) -> int:
        log2, rows = integer("J_fr", J_fr, 1), self._nominal_rows
        if len(self.bank.wavelets(1)) < 2:
            raise ArgumentError(
                f"J={self.J}, Q={self.Q[0]} leave one first-order wavelet, and an axis of one row has no "
                "frequencies along it; use a larger J or Q, or Scattering1D."
            )
        if 2**log2 > rows:
            raise ArgumentError(
                f"J_fr={log2}: the largest scale 2^J_fr = {2**log2} exceeds the (J+1)·Q = {rows} rows of "
                f"log-frequency; use J_fr ≤ {rows.bit_length() - 1}, or a larger J or Q."
            )
        return log2

    def _width(self, F: Any) -> int | Literal["global"]:
        if F is None:
            return 1 << self.J_fr
        if isinstance(F, str):
            choice("F", F, ("global",))
            return "global"
        width, rows = integer("F", F, 0), self._nominal_rows
        if width > rows:
            raise ArgumentError(
                f"F={width} exceeds the (J+1)·Q = {rows} rows of log-frequency; use F ≤ {rows}, or "
                'F="global" for the mean over all of them.'
            )
        return width

    def _stride(self, given: Any) -> int | None:
        if self.F == "global":
            if given is not None:
                raise ArgumentError(
                    f'stride_fr={given} has no meaning with F="global", which leaves one row per path.'
                )
            return None
        if given is None:
            return 1 << (self.F.bit_length() - 1) if self.F else None
        stride, most = power_of_two("stride_fr", given), self.F or self._nominal_rows
        if stride > most:
            raise ArgumentError(
                f"stride_fr={stride} exceeds {f'F={self.F}' if self.F else f'the {most} rows'}: rows between "
                "the outputs would be lost."
            )
        return stride

    def _check_layout(self, out_type: str) -> None:
        if self.rows == "padded" and self._keep(out_type) != "period":
            raise ArgumentError(
                'rows="padded" belongs to format="joint" with out_type="array"; other outputs have only rows '
                "of wavelets that exist. Drop rows."
            )
        if out_type != "array":
            return
        if self.T == 0 and self.time.output.stride is None:
            raise ArgumentError(
                "Without averaging in time (T=0) the paths are sampled at different rates and do not fit in "
                'one array: pass out_type="list" or "dict", or a common stride, for example stride=1.'
            )
        if self.format == "joint" and self.F == 0 and self.stride_fr is None:
            raise ArgumentError(
                "Without averaging along log-frequency (F=0) the paths have different numbers of rows and do "
                'not fit in one "joint" array: pass format="time", out_type="list" or "dict", or a common '
                "stride_fr, for example stride_fr=1."
            )

    def _keep(self, out_type: str) -> Literal["period", "all", "own"]:
        if self.format == "time" or out_type != "array":
            return "own"
        return "all" if self.rows == "valid" else "period"

    # --------------------------------------------------------------------------------- what it is made of

    @property
    def bank(self) -> Bank:
        """The wavelets in time and φ_T."""
        return self.time.bank

    @property
    def axes(self) -> tuple[AxisGeometry, ...]:
        """How time is padded and subsampled."""
        return self.time.axes

    @cached_property
    def frequential(self) -> FrequentialBank:
        """The wavelets along log-frequency and φ_F."""
        return frequential_bank(
            self.J_fr, self.Q_fr, self.F if isinstance(self.F, int) and self.F else 2**self.J_fr
        )

    @cached_property
    def row_axis(self) -> RowAxis:
        """How log-frequency is padded and subsampled."""
        count = len(self.bank.wavelets(1))
        coarsest = max(2**self.J_fr, self.stride_fr or 1)
        width = self.F if isinstance(self.F, int) and self.F else 2**self.J_fr
        period = (self.J + 1) * self.Q[0] + 8 * min(width, 2**self.J_fr)
        period = max(period // coarsest, -(-count // coarsest)) * coarsest
        mode: Literal["local", "mean", "none"] = (
            "mean" if self.F == "global" else "local" if self.F else "none"
        )
        return RowAxis(count, period, mode, self.stride_fr, self._keep(self.out_type))

    @cached_property
    def plan(self) -> Plan:
        output, spread = self.time.output, self.format == "joint"
        smooth = output if output.mode != "none" else Output("local", output.stride or 2**self.J)
        plan = time_frequency_plan(
            self.bank,
            self.frequential,
            self.axes[0],
            self.row_axis,
            padding=self.time.padding,
            output=output,
            smooth=smooth,
            spread=spread,
            order_0=not (spread and self.out_type == "array"),
            separable=self.separable,
            oversampling=self.time.oversampling,
            rate=self.time.sampling_rate,
        )
        if not self.exclude:
            return plan
        rows = [row for row, kind in enumerate(plan.paths.column("kind")) if kind not in self.exclude]
        if not rows:
            raise ArgumentError(f"exclude={self.exclude!r} leaves no coefficients; exclude fewer kinds.")
        return restrict(plan, rows)

    # -------------------------------------------------------------------------------------- layouts

    def pack(self, y: Array) -> dict[str, Array]:
        """A "joint" array (..., paths, rows, time) by kind, with an axis for each index of its wavelets.

        Returns
        -------
        dict, as far as not excluded: "phi_t phi_f" (..., rows, time); "phi_t psi_f" (..., ℓ, rows, time);
        "psi_t phi_f" (..., μ, rows, time); "psi_t psi_f" (..., spin, μ, ℓ, rows, time), spins +1, −1.

        >>> import numpy as np, groupscat as gs
        >>> S = gs.TimeFrequencyScattering(J=6, J_fr=3, shape=1024, Q=8, format="joint")
        >>> {kind: z.shape for kind, z in S.pack(S(np.ones(1024))).items()}["psi_t psi_f"]
        (2, 4, 4, 15, 16)
        """
        if self.format != "joint" or self.out_type != "array":
            raise ArgumentError(
                f'pack takes the array of format="joint", but this operator has format={self.format!r}, '
                f'out_type={self.out_type!r}; build it with S.replace(format="joint", out_type="array").'
            )
        backend = backend_of(y)
        shape = tuple(backend.shape(y))
        if shape[-3:] != self.output_shape:
            raise ShapeError(
                f"y has trailing shape {shape[-3:]}, expected {self.output_shape}, the output of {self!r}."
            )
        groups: dict[str, list[tuple[int, int, int, int]]] = {}
        for row, path in enumerate(self.paths):
            assert isinstance(path, JointPath)
            place = (-(path.spin or 0), -1 if path.n2 is None else path.n2, path.n_fr or 0, row)
            groups.setdefault(path.kind.rstrip("+-"), []).append(place)
        packed = {}
        for kind, places in groups.items():
            places.sort()
            index = backend.asarray(np.array([row for *_, row in places]), dtype="int32", like=y)
            spins, scales = len({spin for spin, *_ in places}), len({n2 for _, n2, *_ in places})
            sizes = {"spin": spins, "mu": scales, "l": len(places) // (spins * scales)}
            axes = tuple(sizes[name] for name in PACKED[kind])
            packed[kind] = backend.reshape(backend.take(y, index, -3), (*shape[:-3], *axes, *shape[-2:]))
        return packed

    def _atoms(self, path: Path) -> tuple[Atom, ...]:
        assert isinstance(path, JointPath)
        time = tuple(axis.padded for axis in self.axes)
        in_time = atoms(path.wavelets, time, first=path.depth + 1 - len(path.wavelets))
        if path.along is None:
            return in_time
        return (*in_time, Atom("along", path.along, (self.row_axis.period,)))


def _kinds(exclude: str | Sequence[str]) -> tuple[str, ...]:
    try:
        names = (exclude,) if isinstance(exclude, str) else tuple(exclude)
    except TypeError:
        raise ArgumentError(
            f"exclude={exclude!r}: expected kinds out of {', '.join(map(repr, KINDS))}; () leaves none out."
        ) from None
    for name in names:
        choice("exclude", name, KINDS)
    return tuple(kind for kind in KINDS if kind in names)
