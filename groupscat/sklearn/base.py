"""What the scattering transformers share: shapes in, batches through an operator, features out."""

from __future__ import annotations

import math
import numbers
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

import groupscat as gs
from groupscat.classify.rows import flat_features, leading_axes
from groupscat.features import defaults
from groupscat.scattering.operator import Operator
from groupscat.sklearn.names import feature_names

#: Input and output of one batch, bytes, unless a batch size is given.
BATCH_BYTES = 64 << 20
#: Parameters of a transformer that are not arguments of its operator.
OWN = ("pool", "log", "backend", "device", "batch_size")


class ScatteringTransformer(TransformerMixin, BaseEstimator):
    """Signals (n, …) to features (n, channels · paths · grid). Subclasses name the operator.

    Attributes
    ----------
    operator_ : built by ``fit`` for the shape of the signals. channels_ : axes before the signal's, if any.
    n_features_in_ : numbers in one signal, channels included.
    """

    _operator: ClassVar[type[Operator]]
    _transform: ClassVar[str]
    _ndim: ClassVar[int]

    J: int | None
    shape: Any
    pool: bool
    log: bool
    backend: str | None
    device: str | None
    batch_size: int | None

    def fit(self, X: Any, y: Any = None) -> Self:
        """Build the operator for signals like X; nothing is learned from their values.

        Parameters
        ----------
        X : (n, *shape), or with channels (n, ..., *shape), or flat (n, prod(shape)) with ``shape`` given.

        Raises
        ------
        ArgumentError (a ValueError) : an argument that cannot be used, or a shape that X does not have.
        """
        X = self._validated(X, reset=True)
        self.channels_, shape = self._split(X.shape)
        arguments = {k: v for k, v in self.get_params(deep=False).items() if k not in OWN and v is not None}
        self.operator_ = self._operator(**defaults(self._transform, shape, arguments | {"shape": shape}))
        self._place()
        size = self.batch_size
        if size is not None and not (isinstance(size, numbers.Integral) and size >= 1):
            raise gs.ArgumentError(f"batch_size={self.batch_size!r}: expected an int >= 1, or None.")
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """Coefficients of each signal, (n, features): float32 for float32 input, float64 for float64."""
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        if X.ndim > 2 and X.shape[1:] != (*self.channels_, *self.operator_.shape):
            raise gs.ShapeError(self.operator_.shape_message(X.shape))
        X = X.reshape(len(X), *self.channels_, *self.operator_.shape)
        backend = self._place()
        size = self.batch_size or self._default_batch(X)
        parts = []
        for first in range(0, len(X), size):
            batch = np.ascontiguousarray(X[first : first + size])
            y = self.operator_(backend.put(batch, batch.dtype.name, self.device))
            parts.append(self._pooled(np.asarray(backend.to_numpy(y))))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names as ``order2_j0-1_theta3-5_at0-2``; see :func:`groupscat.sklearn.names.feature_names`."""
        check_is_fitted(self)
        names = feature_names(self.operator_.paths, self.channels_, () if self.pool else self._grid)
        return np.asarray(names, dtype=object)

    @property
    def _grid(self) -> tuple[int, ...]:
        shape = self.operator_.output_shape
        return tuple(shape[leading_axes(shape, 0, len(self.operator_.paths)) :])

    @property
    def _n_features_out(self) -> int:
        grid = 1 if self.pool else math.prod(self._grid)
        return math.prod(self.channels_) * len(self.operator_.paths) * grid

    def _validated(self, X: Any, reset: bool) -> NDArray[Any]:
        """X as an array of finite real numbers; the number of features of one signal noted or compared."""
        if isinstance(X, list | tuple):  # nested lists have as many axes as arrays
            X = np.asarray(X)
        if getattr(X, "ndim", 0) <= 2:
            return validate_data(self, X, reset=reset, dtype="numeric")
        X = check_array(X, allow_nd=True, dtype="numeric", estimator=self)
        validate_data(self, X.reshape(len(X), -1), reset=reset, skip_check_array=True)
        return X

    def _split(self, got: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Channels and shape of the signals in an array of shape ``got``."""
        d, name = self._ndim, type(self).__name__
        given = None if self.shape is None else tuple(np.atleast_1d(self.shape).tolist())
        if len(got) == 2 and (d > 1 or given is not None):
            if given is None:
                raise gs.ArgumentError(
                    f"X has shape {got}: its signals are flat. Pass {name}(shape=...) with their {d} sides, "
                    f"or X of shape (n, {'H, W' if d == 2 else 'M, N, O'})."
                )
            if math.prod(given) != got[1]:
                raise gs.ArgumentError(
                    f"shape={self.shape!r} is {math.prod(given)} numbers, but X has {got[1]} features. "
                    "Give the sides of one signal, or pass channels unflattened: (n, channels, ...)."
                )
            return (), given
        if len(got) < d + 1:
            raise gs.ArgumentError(f"X has shape {got}; {name} needs signals of {d} axes: (n, ..., *shape).")
        shape = tuple(got[-d:])
        if shape == (1,):
            raise gs.ArgumentError(f"X has shape {got}: 1 feature(s) is no signal; {name} needs 2 samples.")
        if given is not None and given != shape:
            raise gs.ArgumentError(
                f"shape={self.shape!r}, but X has shape {got}, whose signals are {shape}. Leave shape out "
                "to take it from X."
            )
        return tuple(got[1:-d]), shape

    def _place(self) -> gs.Backend:
        return gs.default_backend() if self.backend is None else gs.get_backend(self.backend)

    def _default_batch(self, X: NDArray[Any]) -> int:
        count = math.prod(X.shape[1:]) + math.prod(self.channels_) * math.prod(self.operator_.output_shape)
        return max(1, BATCH_BYTES // (8 * count))

    def _pooled(self, y: NDArray[Any]) -> NDArray[Any]:
        return flat_features(
            y.reshape(len(y), math.prod(self.channels_), len(self.operator_.paths), *self._grid),
            grid=len(self._grid),
            log=self.log,
            pool=self.pool,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
