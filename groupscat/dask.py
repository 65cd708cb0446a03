"""groupscat over Dask: the same operators on arrays in blocks, lazily, on threads, processes or a cluster.

>>> import dask.array as da
>>> import groupscat.dask as gs
>>> S = gs.Scattering2D(J=2, shape=(32, 32))
>>> y = S(da.zeros((1000, 32, 32), chunks=(100, 32, 32)))      # nothing is computed yet
>>> y.shape, y.numblocks, y[:2].compute().shape
((1000, 81, 8, 8), (10, 1, 1, 1), (2, 81, 8, 8))

A task holds the arguments of its operator, no filters: each process builds these once and keeps them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as _np

import groupscat as _neutral
from groupscat import *  # noqa: F403
from groupscat.backend import Backend, backend_of, get_backend
from groupscat.bound import Bound
from groupscat.errors import ArgumentError, BackendError, DtypeError, ShapeError
from groupscat.scattering import Operator
from groupscat.scattering.restricted import Restricted as _Restricted

try:
    import cloudpickle as _cloudpickle
    import dask.array as _da
    from dask.array.utils import meta_from_array as _meta_from_array
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("dask", "cloudpickle"):
        raise
    raise BackendError('groupscat.dask needs Dask: pip install "groupscat[dask]"') from error

#: Operators that a process keeps, with their filters.
KEPT = 16


def apply(operator: Any, x: Any, *, backend: str | None = None, device: str | None = None) -> Any:
    """Any operator over a Dask array, lazily, a block at a time.

    Parameters
    ----------
    operator : of any front door. x : Dask array (..., *operator.shape), in blocks along the leading axes.
    backend, device : what computes a block, by name, as "torch" and "cuda"; results are NumPy blocks again.
        By default a block stays what it is, an array of NumPy or CuPy.

    Returns
    -------
    Dask array (..., *operator.output_shape) in as many blocks, of the element type of ``operator``.

    Raises
    ------
    ShapeError : signals have another shape, or are themselves in several blocks.
    DtypeError : not a Dask array, or its element type does not fit. BackendError : there is no such backend.
    ArgumentError : an operator whose coefficients are not one array.

    >>> import dask.array as da, groupscat
    >>> S = groupscat.Scattering1D(J=3, shape=64).restrict([0, 1])
    >>> apply(S, da.ones((6, 64), chunks=(2, 64), dtype="float32"))
    dask.array<apply, shape=(6, 2, 8), dtype=float32, chunksize=(2, 2, 8), chunktype=numpy.ndarray>
    """
    operator = getattr(operator, "operator", operator) if not isinstance(operator, Operator) else operator
    if not isinstance(operator, Operator):
        raise ArgumentError(f"operator={operator!r}: expected an operator, such as Scattering2D(J, shape).")
    if operator.out_type != "array":
        raise ArgumentError(
            f'out_type={operator.out_type!r}: over blocks an operator needs out_type="array".'
        )
    _check(operator, x)
    lead = x.ndim - len(operator.shape)
    ndim = lead + len(operator.output_shape)
    like = backend_of(_meta_from_array(x)) if backend is None else get_backend("numpy")
    if backend is not None:
        get_backend(backend)  # one that is missing is told now
    meta = _meta(operator, like, x.dtype, ndim)
    return _da.map_blocks(
        _Block(_cloudpickle.dumps(operator), backend, device, meta.dtype.name),
        x,
        token="apply",
        dtype=meta.dtype,
        meta=meta,
        chunks=x.chunks[:lead] + tuple((n,) for n in operator.output_shape),
        drop_axis=list(range(lead, x.ndim)),
        new_axis=list(range(lead, ndim)),
    )


def _check(operator: Operator, x: Any) -> None:
    if not isinstance(x, _da.Array):
        raise DtypeError(
            f"Expected a Dask array, got {type(x).__module__}.{type(x).__qualname__}. Cut it into blocks, "
            f"dask.array.from_array(x, chunks=(…, {', '.join(map(str, operator.shape))})); or use the "
            "operators of groupscat, which follow the array they are given."
        )
    d = len(operator.shape)
    if tuple(x.shape[-d:]) != operator.shape:
        raise ShapeError(operator.shape_message(tuple(x.shape)))
    if any(count > 1 for count in x.numblocks[-d:]):
        whole = ", ".join(f"{axis}: -1" for axis in range(-d, 0))
        raise ShapeError(
            f"Signals of shape {operator.shape} are in blocks of {x.chunksize[-d:]}, but a transform needs "
            f"them whole: call x.rechunk({{{whole}}}) first, or make such blocks where x comes from."
        )


def _meta(operator: Operator, like: Backend, dtype: Any, ndim: int) -> Any:
    """An empty result, of the right framework and type: every check and conversion, without any filter."""
    data, kept = operator.ingest(like.asarray(_np.empty((0, *operator.shape), dtype)), like)
    y = operator.compute(data, kept, like, {})
    return like.zeros((0,) * ndim, str(like.dtype(y)), y)


@dataclass(frozen=True)
class _Block:
    """What a task does to its block."""

    recipe: bytes
    backend: str | None
    device: str | None
    dtype: str

    def __call__(self, values: Any) -> Any:
        operator = _operator(self.recipe)
        if self.backend is None:
            y = Operator.__call__(operator, values)
        else:
            backend = get_backend(self.backend)
            x = backend.put(backend_of(values).to_numpy(values), values.dtype.name, self.device)
            y = backend.to_numpy(Operator.__call__(operator, x))
        return y.astype(self.dtype, copy=False)


_lock = Lock()


def _operator(recipe: bytes) -> Operator:
    with _lock:  # or several threads would build one each
        return _kept(recipe)


@lru_cache(maxsize=KEPT)
def _kept(recipe: bytes) -> Operator:
    operator: Operator = _cloudpickle.loads(recipe)
    return operator


class _OnDask(Bound):
    """An operator that takes Dask arrays only."""

    backend_name = "dask"

    def __call__(
        self,
        x: Any,
        paths: Sequence[int] | None = None,
        *,
        backend: str | None = None,
        device: str | None = None,
    ) -> Any:
        """See :func:`apply`; ``paths``: rows of the table of paths."""
        operator = self if paths is None else self.restrict(paths)
        return apply(operator, x, backend=backend, device=device)

    def restrict(self, rows: Sequence[int]) -> Operator:
        return Restricted(**super().restrict(rows).config)


class Restricted(_OnDask, _Restricted): ...


class Scattering(_OnDask, _neutral.Scattering): ...  # type: ignore[no-redef]


class Scattering1D(_OnDask, _neutral.Scattering1D): ...  # type: ignore[no-redef]


class Scattering2D(_OnDask, _neutral.Scattering2D): ...  # type: ignore[no-redef]


class Scattering3D(_OnDask, _neutral.Scattering3D): ...  # type: ignore[no-redef]


class HarmonicScattering3D(_OnDask, _neutral.HarmonicScattering3D): ...  # type: ignore[no-redef]


class ScaleRotationTranslationScattering2D(_OnDask, _neutral.ScaleRotationTranslationScattering2D): ...  # type: ignore[no-redef]


class RotoTranslationScattering2D(_OnDask, _neutral.RotoTranslationScattering2D): ...  # type: ignore[no-redef]


class TimeFrequencyScattering(_OnDask, _neutral.TimeFrequencyScattering): ...  # type: ignore[no-redef]


__all__ = [*_neutral.__all__, "apply"]
