"""Trainable layers of Keras 3: n-d and group convolutions, on whichever backend Keras runs.

Channels come first, (batch, channels, |H|, *axes), as everywhere in groupscat; ``keras.layers.Permute`` is
the way from channels last, ``Permute((3, 1, 2))`` for images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal, Self

import keras

from groupscat.backend import Array, backend_of
from groupscat.convolution.config import from_config, to_config
from groupscat.convolution.convnd import compute
from groupscat.convolution.group_layer import GroupConvSpec, GroupPoolSpec, LiftSpec
from groupscat.convolution.layer import PLAN_NAMES, ConvNdSpec, ConvSpec, LayerSpec
from groupscat.errors import DtypeError, ShapeError
from groupscat.groups import Group
from groupscat.space import Space
from groupscat.wavelets.basis import Basis
from groupscat_keras.export import exported
from groupscat_keras.layers import accepted


class Layer(keras.layers.Layer):
    """A layer that runs the plans of a framework-free one.

    It computes in float64 under the dtype policy "float64" and in float32 under all others; half-precision
    policies round the result only.

    Attributes
    ----------
    spec : what the layer is: frozen, hashable, without numbers.
    """

    spec: LayerSpec
    #: The function that does the same to arrays of any framework.
    function: str

    def __init__(self, spec: LayerSpec, **of_layer: Any) -> None:
        # Without autocast: Keras would round the input to half precision.
        super().__init__(autocast=False, **of_layer)
        self.spec = spec

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Any:
        """The layer on x: a tensor of Keras' backend, a symbolic one or a NumPy array.

        Raises
        ------
        DtypeError : x belongs to another framework, which Keras would convert silently, or is complex.
        ShapeError : the layer takes other shapes, or lengths of x are not known.
        """
        return super().__call__(accepted(x, self.function), *args, **kwargs)

    def call(self, x: Array) -> Array:
        backend = backend_of(x)
        if backend.is_complex(x):
            raise DtypeError(
                f"x is {backend.dtype(x)}; expected real numbers. groupscat.{self.function} takes complex "
                "ones."
            )
        y = self._compute(backend.cast(x, self.precision))
        return backend.cast(y, self.compute_dtype)

    def _compute(self, x: Array, **filters: Array) -> Array:
        backend = backend_of(x)
        parameters = {PLAN_NAMES[name]: w for name, w in filters.items()}
        return compute(self.spec.plan(tuple(backend.shape(x))), x, parameters, backend)

    @property
    def precision(self) -> str:
        """The element type the layer computes in."""
        return "float64" if self.compute_dtype == "float64" else "float32"

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return self.spec.output_shape(tuple(input_shape))

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor(self.compute_output_shape(x.shape), self.compute_dtype)

    def output_space(self, space: Space) -> Space:
        """Where the outputs lie, for an input that lies at ``space``: what ``equivariance_error`` asks."""
        return self.spec.output_space(space)

    def get_config(self) -> dict[str, Any]:
        """JSON: groups and bases by the names of their classes, see :mod:`groupscat.convolution.config`."""
        spec: Any = self.spec
        own: dict[str, Any] = {f.name: to_config(getattr(spec, f.name)) for f in fields(spec)}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer again. Classes of groups and bases that are one's own are registered first."""
        config = dict(config)
        for name in {"group", "basis"} & set(config):
            config[name] = from_config(config[name])
        return super().from_config(config)


class Convolution(Layer):
    """What the convolutions share: parameters, made when the layer is built.

    Attributes
    ----------
    weight, and mix for a separable filter : the coefficients of the filters.
    bias : one per output channel, shared by all elements of the group; None without.
    """

    spec: ConvSpec

    def __init__(self, spec: ConvSpec, kernel_initializer: Any, **of_layer: Any) -> None:
        super().__init__(spec, **of_layer)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias = None

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.spec.sizes(tuple(input_shape))
        deviations = self.spec.deviations
        for name, shape in self.spec.parameters.items():
            start: Any = "zeros"
            if name in deviations:
                # An initialiser draws the same numbers whenever it is asked: one each.
                own = self.kernel_initializer
                start = (
                    own.clone()
                    if own is not None
                    else keras.initializers.RandomNormal(stddev=deviations[name])
                )
            setattr(self, name, self.add_weight(shape=shape, initializer=start, name=name))
        self.built = True

    def tensors(self) -> dict[str, Array]:
        """The parameters by name, in the element type the layer computes in."""
        values = {
            name: keras.ops.convert_to_tensor(getattr(self, name).value) for name in self.spec.parameters
        }
        return {name: backend_of(w).cast(w, self.precision) for name, w in values.items()}

    def _compute(self, x: Array, **filters: Array) -> Array:
        given = self.tensors()
        bias = given.pop("bias", None)
        y = super()._compute(x, **given)
        if bias is None:
            return y
        backend = backend_of(x)
        return y + backend.reshape(bias, (-1,) + (1,) * (len(backend.shape(y)) - 2))

    def get_config(self) -> dict[str, Any]:
        own = self.kernel_initializer
        written = None if own is None else keras.initializers.serialize(own)
        return {**super().get_config(), "kernel_initializer": written}

    def export(self, shape: Sequence[int]) -> keras.Sequential:
        """The layer as ordinary layers of Keras, for x of base axes ``shape``: the same outputs.

        Parameters
        ----------
        shape : (N_1, …, N_d) of x.

        Returns
        -------
        ``keras.Sequential`` of ``Conv1D``, ``2D`` or ``3D`` (two of them for a separable filter), channels
        last inside, and what pads and reshapes around it; with weights of its own.

        Raises
        ------
        ArgumentError : more than three axes; a stride and a dilation, which Keras does not have together.
        """
        return exported(self, self.spec, shape)


@keras.saving.register_keras_serializable(package="groupscat")
class ConvNd(Convolution):
    """A convolution along any number of axes: :func:`groupscat.convnd` with weights of its own.

    Parameters
    ----------
    in_channels, out_channels : of x (batch, in_channels, N_1, …, N_d) and of the result.
    kernel_size : (k_1, …, k_d), taps; their number is d.
    stride, dilation, padding, groups, strategy : as for :func:`groupscat.convnd`.
    bias : whether there is one.
    kernel_initializer : of Keras; None: He normal.
    of_layer : name, dtype, trainable …, of every Keras layer.

    Raises
    ------
    ArgumentError : a value that no convolution can have.

    >>> layer = ConvNd(3, 8, (3, 3, 3, 3), stride=(1, 1, 2, 2))
    >>> layer(keras.Input((3, 6, 6, 6, 6))).shape
    (None, 8, 6, 6, 3, 3)
    """

    spec: ConvNdSpec
    function = "convnd"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        padding: str | Sequence[str] = "zero",
        groups: int = 1,
        bias: bool = True,
        strategy: str | None = None,
        kernel_initializer: Any = None,
        **of_layer: Any,
    ) -> None:
        spec = ConvNdSpec(
            in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size, stride=stride,
            dilation=dilation, padding=padding, groups=groups, bias=bias, strategy=strategy,
        )  # fmt: skip
        super().__init__(spec, kernel_initializer, **of_layer)


class _OnGroup(Convolution):
    """Lift and GroupConv, which differ in what they take."""

    spec: GroupConvSpec
    _spec_class: type[GroupConvSpec]

    def __init__(
        self,
        group: Group,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int] | None = None,
        *,
        basis: Basis | None = None,
        stride: int | Sequence[int] = 1,
        dilation: int | Sequence[int] = 1,
        padding: str | Sequence[str] = "zero",
        groups: int = 1,
        bias: bool = True,
        separable: bool = False,
        approximate: bool = False,
        strategy: str | None = None,
        kernel_initializer: Any = None,
        **of_layer: Any,
    ) -> None:
        spec = self._spec_class(
            group=group, in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size,
            basis=basis, stride=stride, dilation=dilation, padding=padding, groups=groups, bias=bias,
            strategy=strategy, separable=separable, approximate=approximate,
        )  # fmt: skip
        super().__init__(spec, kernel_initializer, **of_layer)


@keras.saving.register_keras_serializable(package="groupscat")
class Lift(_OnGroup):
    """From signals on the base to signals on the group: :func:`groupscat.lift` with weights of its own.

    Parameters
    ----------
    group : R^d ⋊ H, or H itself.
    in_channels, out_channels : of x (batch, in_channels, N_1, …, N_d) and of the result (batch, out_channels,
        |H|, M_1, …, M_d).
    kernel_size : taps of filters given by pixels, for all axes or one each; or
    basis : what filters are sums of, such as :class:`groupscat.wavelets.GaussianRings`: exactly one of both.
    stride, dilation, padding, groups, approximate, strategy : as for :func:`groupscat.group_conv`.
    bias : whether there is one.
    separable : channels are mixed first (``mix``), then each is convolved by a filter of its own.
    kernel_initializer : of Keras; None: He normal, ``GroupConvSpec.deviations``.
    of_layer : name, dtype, trainable …, of every Keras layer.

    Raises, warns
    -------------
    ArgumentError : a value that no layer can have; both or none of kernel_size and basis.
    ApproximationWarning : the group does not map the taps to themselves, without ``approximate``.

    >>> from groupscat.groups import SE2
    >>> Lift(SE2(4), 3, 8, 5)(keras.Input((3, 9, 9))).shape
    (None, 8, 4, 9, 9)
    """

    _spec_class = LiftSpec
    function = "lift"


@keras.saving.register_keras_serializable(package="groupscat")
class GroupConv(_OnGroup):
    """A convolution of signals on a group: :func:`groupscat.group_conv` with weights of its own.

    Parameters
    ----------
    group : R^d ⋊ H, or H itself.
    in_channels, out_channels : of x (batch, in_channels, |H|, N_1, …, N_d) and of the result.
    groups : as many as in_channels: depthwise.
    separable : channels and elements of the group are mixed first (``mix``), then each channel is convolved
        by a filter of its own.
    kernel_size, basis, stride, dilation, padding, bias, approximate, strategy, kernel_initializer, of_layer :
        as for :class:`Lift`, and so are errors and warnings.

    >>> from groupscat.groups import SE2
    >>> from groupscat.wavelets import GaussianRings
    >>> layer = GroupConv(SE2(8), 8, 16, basis=GaussianRings(5), approximate=True)
    >>> layer(keras.Input((8, 8, 9, 9))).shape
    (None, 16, 8, 9, 9)
    """

    _spec_class = GroupConvSpec
    function = "group_conv"


@keras.saving.register_keras_serializable(package="groupscat")
class GroupPool(Layer):
    """The most or the mean over the group, or over windows of the base: :func:`groupscat.group_pool`.

    >>> from groupscat.groups import SE2
    >>> x = keras.Input((3, 4, 8, 8))
    >>> GroupPool(SE2(4))(x).shape, GroupPool(SE2(4), window=2)(x).shape
    ((None, 3, 8, 8), (None, 3, 4, 4, 4))
    """

    spec: GroupPoolSpec
    function = "group_pool"

    def __init__(
        self,
        group: Group,
        reduce: Literal["max", "mean"] = "max",
        window: int | Sequence[int] | None = None,
        **of_layer: Any,
    ) -> None:
        super().__init__(GroupPoolSpec(group, reduce, window), **of_layer)


@keras.saving.register_keras_serializable(package="groupscat")
class FiberBatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation per channel, over the batch, the elements of a group and all base axes alike.

    What one scale and one shift per channel do commutes with the group. Arguments are those of
    ``keras.layers.BatchNormalization`` but ``axis``; x has shape (batch, channels, ...).

    Parameters
    ----------
    channels : of x; None: as many as the first x has.

    Raises
    ------
    ShapeError : x has other channels.

    >>> FiberBatchNorm(3)(keras.Input((3, 4, 9, 9))).shape
    (None, 3, 4, 9, 9)
    """

    def __init__(self, channels: int | None = None, **arguments: Any) -> None:
        super().__init__(axis=1, **arguments)
        self.channels = channels

    def build(self, input_shape: Sequence[int | None]) -> None:
        if self.channels not in (None, input_shape[1]):
            raise ShapeError(
                f"x has shape {tuple(input_shape)}; expected (batch, {self.channels}, ...): channels come "
                "first."
            )
        super().build(input_shape)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["axis"]
        return {**config, "channels": self.channels}


__all__ = ["ConvNd", "FiberBatchNorm", "GroupConv", "GroupPool", "Lift"]
