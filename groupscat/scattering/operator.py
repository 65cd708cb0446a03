"""What every operator does: check its input, run its plan on the input's backend, hand out the result."""

from __future__ import annotations

import operator
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from groupscat.backend import Array, Backend, backend_of
from groupscat.checks import choice
from groupscat.errors import ArgumentError, DtypeError, NotFiniteError, ShapeError
from groupscat.execute import COMPLEX, constant, run_batched
from groupscat.plan.constants import Recipe
from groupscat.plan.paths import Path, Paths
from groupscat.plan.plan import Plan
from groupscat.scattering.arguments import KYMATIO_ATTRIBUTES
from groupscat.wavelets.atom import Atom

OUT_TYPES = ("array", "list", "dict")

#: Element type to compute in. Integers are converted: up to 16 bits exactly to float32, above to float64.
#: Half precision is computed in float32 and returned as it came: no CPU has half-precision FFTs.
SMALL_INTEGERS = ("bool", "int8", "int16", "uint8", "uint16")
COMPUTE = {
    "float32": "float32",
    "float64": "float64",
    "complex64": "float32",
    "complex128": "float64",
    "float16": "float32",
    "bfloat16": "float32",
    **dict.fromkeys(SMALL_INTEGERS, "float32"),
    **{f"{u}int{bits}": "float64" for u in ("", "u") for bits in (32, 64)},
}
HALF = ("float16", "bfloat16")


class Operator(ABC):
    """A fixed transform of signals of one shape. Calling it follows the array: same framework and device.

    Attributes
    ----------
    shape : the trailing shape of its input. paths : the table of its coefficients.
    plan : the operations it runs. config : the arguments it was built with.
    """

    shape: tuple[int, ...]
    out_type: str
    check_finite: bool
    complex_input: bool
    config: dict[str, Any]
    _hint: ClassVar[str] = "x.shape == (..., {shape})"

    def __init__(
        self, config: dict[str, Any], out_type: str, check_finite: bool, complex_input: bool
    ) -> None:
        self.config = config
        self.out_type = choice("out_type", out_type, OUT_TYPES)
        self.check_finite = check_finite
        self.complex_input = complex_input
        self._constants: dict[Any, dict[str, Array]] = {}
        self._lock = threading.Lock()
        if out_type == "array" and len(self.plan.outputs) > 1:
            raise ArgumentError(
                "Without averaging (T=0) the paths are sampled at different rates and do not fit in one "
                'array: pass out_type="list" or "dict", or a common stride, for example stride=1.'
            )

    @cached_property
    @abstractmethod
    def plan(self) -> Plan:
        """The operations and the table of paths."""

    @property
    def paths(self) -> Paths:
        """One row per coefficient, in the order of the path axis: order, j, theta, xi, parent …"""
        return self.plan.paths

    @property
    def keys(self) -> tuple[tuple[Any, ...], ...]:
        """The keys of the paths in the output of ``out_type="dict"``, in the order of the path axis."""
        return tuple(path.address for path in self.paths)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Trailing shape of the array that a call returns (out_type "array")."""
        return self._register_shape

    @property
    def _recipes(self) -> tuple[tuple[str, Recipe], ...]:
        """The constants this operator keeps."""
        return self.plan.constants

    @property
    def _grid(self) -> tuple[int, ...]:
        """Trailing shape of one coefficient."""
        return self._register_shape[1:]

    @property
    def _register_shape(self) -> tuple[int, ...]:
        """Trailing shape of the plan's first output: paths, then the grid."""
        return self.plan.register[self.plan.outputs[0][0]].space.shape

    if not TYPE_CHECKING:  # a type checker should go on finding wrong names

        def __getattr__(self, name: str) -> Any:
            """Reached where there is no such attribute: show the way out for those of Kymatio."""
            if name in KYMATIO_ATTRIBUTES:
                message = f"{type(self).__name__} has no {name!r}: {KYMATIO_ATTRIBUTES[name]}."
                raise AttributeError(message, name=name, obj=self)
            return object.__getattribute__(self, name)  # raises the error that it was

    # ------------------------------------------------------------------------------------- calling

    def __call__(self, x: Array, paths: Sequence[int] | None = None) -> Any:
        """Transform x, shape (..., *self.shape), of any framework.

        Parameters
        ----------
        paths : rows of the table of paths; what only others need is not computed. See :meth:`restrict`.

        Returns
        -------
        ``out_type="array"``: an array (..., *self.output_shape), same framework, device and precision;
        ``"list"``: one dict per path, its coefficients under ``"coef"``;
        ``"dict"``: coefficients by path, keyed by the tuple of wavelet indices.

        Raises
        ------
        ShapeError, DtypeError, NotFiniteError (with ``check_finite=True``).
        """
        if paths is not None:
            return self.restrict(paths)(x)
        backend = backend_of(x)
        with backend.scope(x):
            data, kept = self.ingest(x, backend)
            constants = self.constants(backend, COMPUTE[backend.dtype(data)], data)
            return self.compute(data, kept, backend, constants)

    def ingest(self, x: Array, backend: Backend, wanted: str | None = None) -> tuple[Array, str]:
        """Check x and convert it to the type the plan computes in; also the type to return.

        ``wanted``: the precision for small integers, which are exact in either.
        """
        shape, dtype = backend.shape(x), backend.dtype(x)
        d = len(self.shape)
        if not all(isinstance(n, int) for n in shape[-d:]):
            raise ShapeError(
                f"The lengths of x are not known while its framework traces; {type(self).__name__} needs the "
                f"trailing ones to be {self.shape}. Fix them there (in TensorFlow by tf.ensure_shape; in "
                "Torch by torch.export in place of torch.jit.trace)."
            )
        if tuple(shape[-d:]) != self.shape:
            raise ShapeError(self.shape_message(tuple(shape)))
        if dtype not in COMPUTE:
            raise DtypeError(f"x has dtype {dtype}; expected one of {', '.join(COMPUTE)}. Convert x first.")
        if dtype.startswith("complex") and not self.complex_input:
            raise DtypeError(
                f"x is {dtype}, but this {type(self).__name__} was built for real input, whose negative "
                "frequencies are redundant. Build it with complex_input=True, or pass x.real."
            )
        precision = COMPUTE[dtype]
        if wanted is not None and dtype in SMALL_INTEGERS:
            precision = wanted
        x = backend.cast(x, COMPLEX[precision] if self.complex_input else precision)
        if self.check_finite and not backend.is_tracing(x) and not backend.all_finite(x):
            raise NotFiniteError(
                "x holds NaN or infinity; clean it, or pass check_finite=False to let them through."
            )
        return x, dtype if dtype in HALF else precision

    def constants(self, backend: Backend, precision: str, like: Array) -> dict[str, Array]:
        """The plan's constants on the device of ``like``, built once per (backend, device, precision)."""
        key = (type(backend), backend.device(like), precision)
        found = self._constants.get(key)
        if found is None:
            with self._lock:
                found = self._constants.get(key)
                if found is None:
                    found = {
                        name: constant(backend, recipe, precision, like) for name, recipe in self._recipes
                    }
                    self._constants[key] = found
        return found

    def compute(self, x: Array, kept: str, backend: Backend, constants: dict[str, Array]) -> Any:
        """Run the plan on checked data; ``kept``: the element type to return real results in."""
        leading = tuple(backend.shape(x)[: -len(self.shape)])
        empty = not backend.is_tracing(x) and 0 in leading
        flat = backend.reshape(x, (0 if empty else -1, 1, *self.shape))
        itemsize = 8 if COMPUTE[backend.dtype(x)] == "float64" else 4
        with backend.exact(flat):
            outputs = run_batched(self.plan, flat, constants, backend, itemsize, recompute=True)
        if kept in HALF:
            outputs = tuple(y if backend.is_complex(y) else backend.cast(y, kept) for y in outputs)
        return self.package(outputs, leading, backend)

    def package(self, outputs: tuple[Array, ...], leading: tuple[int, ...], backend: Backend) -> Any:
        """The plan's outputs, (B, paths, *grid) each, as ``out_type`` asks."""
        outputs = tuple(backend.reshape(y, (*leading, *backend.shape(y)[1:])) for y in outputs)
        if self.out_type == "array":
            return self.arrange(outputs[0], leading, backend)
        axis = len(leading)
        coefs: dict[int, Array] = {}
        for y, (_, rows) in zip(outputs, self.plan.outputs, strict=True):
            for k, row in enumerate(rows):
                coefs[row] = y[(*(slice(None),) * axis, k, ...)]
        if self.out_type == "dict":
            return {key: coefs[row] for row, key in enumerate(self.keys)}
        return [{"coef": coefs[row], **self.paths[row].row()} for row in range(len(self.paths))]

    def arrange(self, y: Array, leading: tuple[int, ...], backend: Backend) -> Array:
        """The final layout of the array output."""
        return y

    # -------------------------------------------------------------------------------------- parts of it

    def restrict(self, rows: Sequence[int]) -> Operator:
        """The operator that gives some coefficients only, at what these cost.

        Parameters
        ----------
        rows : of ``paths``; the coefficients come in this order.

        It shares the constants of this one, so that subsets may be drawn anew in each step of a descent.

        Raises
        ------
        ArgumentError : rows that do not exist, twice the same, or none.

        >>> import numpy as np, groupscat as gs
        >>> S = gs.Scattering2D(J=3, shape=(32, 32))
        >>> x = np.ones((32, 32))
        >>> some = S.restrict(S.paths.select(order=1, j=(2,)))
        >>> some(x).shape, len(some.plan.ops) < len(S.plan.ops)
        ((8, 4, 4), True)
        """
        from groupscat.scattering.restricted import Restricted

        try:
            chosen = tuple(rows)
        except TypeError:
            raise ArgumentError(f"rows={rows!r}: expected a sequence of rows of paths, as [0, 3].") from None
        return Restricted(self, chosen)

    def wavelet(self, row: int) -> tuple[Atom, ...]:
        """The wavelets that coefficient ``row`` goes through, in order: closed form, spectrum and samples.

        >>> import groupscat as gs
        >>> S = gs.Scattering1D(J=4, shape=64)
        >>> [(psi.name, psi.wavelet.xi, psi.samples.shape) for psi in S.wavelet(6)]
        [('order 1', (0.35,), (128,)), ('order 2', (0.04375,), (128,))]
        """
        return self._atoms(self.paths[self._row(row)])

    def _atoms(self, path: Path) -> tuple[Atom, ...]:
        raise ArgumentError(
            f"The wavelets of {type(self).__name__} have no samples; paths[row] describes them."
        )

    def _row(self, row: Any) -> int:
        """A row of the table of paths, counted from its end if negative."""
        count = len(self.paths)
        try:
            if isinstance(row, bool):
                raise TypeError
            number = operator.index(row)
        except TypeError:
            raise ArgumentError(
                f"row {row!r}: expected an integer, 0 … {count - 1}. The rows of a mask are "
                "numpy.flatnonzero(mask), those with some wavelets paths.select(…)."
            ) from None
        if not -count <= number < count:
            raise ArgumentError(
                f"There is no path {number}: the rows of {type(self).__name__}.paths are 0 … {count - 1}."
            )
        return number % count

    # ----------------------------------------------------------------------------------- describing

    def shape_message(self, got: tuple[Any, ...]) -> str:
        """What is wrong with an input of shape ``got``, and the way out."""
        name, d = type(self).__name__, len(self.shape)
        message = f"{name} was built for shape {self.shape} but x has "
        message += f"trailing shape {got[-d:]}." if len(got) >= d else f"shape {got}, fewer than {d} axes."
        sizes = ", ".join(map(str, self.shape))
        message += f"\nPass batch and channels first: x.shape == (..., {sizes})"
        if len(got) >= d and min(got[-d:], default=0) > 0:
            new = got[-d:] if d > 1 else f"{got[-1]}"
            message += f"; or build {name}(shape={new})"
        return message + "."

    @property
    def constant_bytes(self) -> int:
        """Memory of the filters and matrices in float32."""
        return 4 * sum(
            recipe.size * (2 if recipe.kind in ("index", "filter") else 1)
            for _, recipe in self.plan.constants
        )

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.config.items())
        return f"{type(self).__name__}({arguments})"

    def __str__(self) -> str:
        paths = self.paths
        orders: list[int] = paths.column("order")
        counts = ", ".join(f"{orders.count(m)} of order {m}" for m in sorted(set(orders)))
        if len(self.plan.outputs) == 1:
            out = f"(..., {', '.join(map(str, self.output_shape))})"
        else:
            out = f"{len(paths)} arrays, each at its own sampling"
        per_signal = 4 * self.plan.peak_floats
        return (
            f"{self!r}\n"
            f"  input   (..., {', '.join(map(str, self.shape))})\n"
            f"  output  {out}\n"
            f"  paths   {len(paths)}: {counts}\n"
            f"  memory  {_bytes(self.constant_bytes)} of constants, up to {_bytes(per_signal)} per signal "
            "while computing (float32)"
        )

    # --------------------------------------------------------------------------- copying and saving

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _rebuild, (type(self), self.config)

    def replace(self, **changes: Any) -> Self:
        """The same operator with some constructor arguments changed."""
        return type(self)(**{**self.config, **changes})

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Operator) and self.config == other.config

    def __hash__(self) -> int:
        return hash((type(self), self.plan))


def _rebuild(cls: type[Operator], config: dict[str, Any]) -> Operator:
    return cls(**config)


def _bytes(n: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} GB"
