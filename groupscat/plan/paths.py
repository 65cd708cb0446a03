"""The table of paths: which wavelets each coefficient went through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, overload

from groupscat.errors import ArgumentError

if TYPE_CHECKING:
    import pandas


class Wavelet(Protocol):
    """What a path needs to know of a wavelet."""

    @property
    def j(self) -> int: ...

    @property
    def n(self) -> int: ...

    @property
    def theta(self) -> int | None: ...

    @property
    def xi(self) -> tuple[float, ...]: ...

    @property
    def sigma(self) -> tuple[float, ...]: ...


@dataclass(frozen=True, repr=False)
class Path:
    """One coefficient: ρ(…ρ(x ⋆ ψ_1) ⋆ ψ_2 …) ⋆ φ.

    Parameters
    ----------
    wavelets : ψ_1 … ψ_m, in the order they are applied; empty for order 0.
    phases : phase index of ρ after each wavelet (all 0 for the modulus).
    parent : row of the path without its last wavelet; −1 for order 0, or where it is not in the table.
    rate : sampling rate in Hz, if given.
    power : exponent q of ∫U^q, solid harmonic scattering only.
    """

    wavelets: tuple[Wavelet, ...] = ()
    phases: tuple[int, ...] = ()
    parent: int = -1
    rate: float | None = None
    power: float | None = None

    @property
    def order(self) -> int:
        return len(self.wavelets)

    @property
    def n(self) -> tuple[int, ...]:
        """Index of each wavelet in its bank."""
        return tuple(w.n for w in self.wavelets)

    @property
    def j(self) -> tuple[int, ...]:
        """Scale index of each wavelet: its response may be subsampled by 2^j."""
        return tuple(w.j for w in self.wavelets)

    @property
    def theta(self) -> tuple[int | None, ...]:
        """Orientation index of each wavelet."""
        return tuple(w.theta for w in self.wavelets)

    @property
    def xi(self) -> tuple[float | tuple[float, ...], ...]:
        """Centre frequency of each wavelet, cycles/sample; a vector in more than one dimension."""
        return tuple(w.xi[0] if len(w.xi) == 1 else w.xi for w in self.wavelets)

    @property
    def sigma(self) -> tuple[float | tuple[float, ...], ...]:
        """Bandwidth of each wavelet (standard deviation), cycles/sample, along its principal axes."""
        return tuple(w.sigma[0] if len(w.sigma) == 1 else w.sigma for w in self.wavelets)

    @property
    def hz(self) -> tuple[float | tuple[float, ...], ...]:
        """Centre frequencies in Hz. Raises ArgumentError where no sampling rate was given."""
        if self.rate is None:
            raise ArgumentError(
                "Frequencies in Hz need a sampling rate: build the operator with sampling_rate=…."
            )
        rate = self.rate
        return tuple(x * rate if isinstance(x, float) else tuple(v * rate for v in x) for x in self.xi)

    @property
    def l(self) -> int | None:
        """Degree of the solid harmonics, for paths that have one."""
        return getattr(self.wavelets[0], "l", None) if self.wavelets else None

    @cached_property
    def key(self) -> tuple[tuple[int, int], ...]:
        """Index and phase of each wavelet."""
        return tuple(zip(self.n, self.phases, strict=True))

    @property
    def address(self) -> tuple[Any, ...]:
        """The key of the path in the output of ``out_type="dict"``."""
        key: tuple[Any, ...] = self.key if any(self.phases) else self.n
        return key if self.power is None else (*key, self.power)

    def extended(self, wavelet: Wavelet, phase: int = 0) -> Path:
        """This path followed by one more wavelet."""
        wavelets, phases = (*self.wavelets, wavelet), (*self.phases, phase)
        return Path(wavelets, phases, self.parent, self.rate, self.power)  # a table has hundreds

    @property
    def identity(self) -> tuple[Any, ...]:
        """What tells this path from every other one of the same operator."""
        return (self.key, self.l, self.power)

    @property
    def rank(self) -> tuple[Any, ...]:
        """Sorts the paths of an operator into their published order."""
        return (self.order, self.key, self.l or 0)

    def located(self, rows: Mapping[tuple[Any, ...], int], rate: float | None) -> Path:
        """The path with the row of its parent, looked up by identity, and the sampling rate."""
        above = (self.key[:-1], self.l if self.order > 1 else None, self.power)
        parent = rows.get(above, -1) if self.order else -1
        return Path(self.wavelets, self.phases, parent, rate, self.power)

    def row(self) -> dict[str, Any]:
        """The path as plain values, one per column of the table."""
        row: dict[str, Any] = {"order": self.order, "n": self.n, "j": self.j}
        if any(t is not None for t in self.theta):
            row["theta"] = self.theta
        row |= {"xi": self.xi, "sigma": self.sigma}
        if self.rate is not None:
            row["hz"] = self.hz
        if any(self.phases):
            row["phase"] = self.phases
        if self.power is not None:
            row |= {"l": self.l, "q": self.power}
        return row | {"parent": self.parent}

    def __repr__(self) -> str:
        return f"Path({', '.join(f'{k}={_short(v)}' for k, v in self.row().items())})"


@dataclass(frozen=True)
class Paths:
    """The coefficients of an operator, in the order of its path axis.

    >>> from groupscat.plan.paths import Path, Paths
    >>> paths = Paths((Path(),))
    >>> len(paths), paths[0].order
    (1, 0)
    """

    rows: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Path]:
        return iter(self.rows)

    @overload
    def __getitem__(self, k: int) -> Path: ...
    @overload
    def __getitem__(self, k: slice) -> Paths: ...
    def __getitem__(self, k: int | slice) -> Path | Paths:
        return Paths(self.rows[k]) if isinstance(k, slice) else self.rows[k]

    def column(self, name: str) -> list[Any]:
        """One attribute of every path, for example ``"order"``, ``"j"``, ``"xi"`` or ``"hz"``."""
        if not all(hasattr(kind, name) for kind in {type(path) for path in self.rows} or {Path}):
            known = dict.fromkeys(c for path in self.rows for c in path.row())
            raise ArgumentError(f"Paths have no column {name!r}; try {', '.join({**known, 'hz': None})}.")
        return [getattr(path, name) for path in self.rows]

    def where(self, condition: Callable[[Path], bool]) -> list[int]:
        """Rows of the paths for which ``condition(path)`` holds."""
        return [k for k, path in enumerate(self.rows) if condition(path)]

    def select(self, **values: Any) -> list[int]:
        """Rows whose attributes equal the given values, for example ``select(order=2, j=(0, 1))``."""
        columns = {name: self.column(name) for name in values}
        return [k for k in range(len(self)) if all(columns[name][k] == v for name, v in values.items())]

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a pandas data frame, one column per wavelet and attribute."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError('paths.to_pandas() needs pandas: pip install "groupscat[pandas]"') from error
        return pandas.DataFrame([_flat(path) for path in self.rows])

    def __str__(self) -> str:
        """The first and last rows as a table."""
        shown = self.rows if len(self) <= 24 else (*self.rows[:16], *self.rows[-4:])
        rows = [{k: _short(v) for k, v in path.row().items()} for path in shown]
        names = list(dict.fromkeys(name for row in rows for name in row))
        width = {n: max(len(n), *(len(row.get(n, "")) for row in rows)) for n in names}
        numbers = [k for k in range(len(self)) if len(shown) == len(self) or k < 16 or k >= len(self) - 4]
        lines = ["row   " + "  ".join(n.ljust(width[n]) for n in names)]
        for k, row in zip(numbers, rows, strict=True):
            if lines and k == len(self) - 4 and len(shown) < len(self):
                lines.append(f"…     ({len(self) - len(shown)} more)")
            lines.append(f"{k:<6}" + "  ".join(row.get(n, "").ljust(width[n]) for n in names))
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        return str(self)


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(_short(v) for v in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _flat(path: Path) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in path.row().items():
        if not isinstance(value, tuple):
            flat[name] = value
            continue
        for m, v in enumerate(value, start=1):
            if isinstance(v, tuple):
                flat |= {f"{name}{m}_{axis}": c for axis, c in enumerate(v, start=1)}
            else:
                flat[f"{name}{m}"] = v
    return flat
