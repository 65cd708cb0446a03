"""Trainable layers: n-d and group convolutions as ``torch.nn.Module``, plain tensors in and out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn

from groupscat.backend import get_backend
from groupscat.convolution.arguments import PRECISION, same_framework
from groupscat.convolution.convnd import CONSTANTS, compute
from groupscat.convolution.group_layer import GroupConvSpec, GroupPoolSpec, LiftSpec
from groupscat.convolution.layer import PLAN_NAMES, ConvNdSpec, ConvSpec, LayerSpec
from groupscat.errors import DtypeError
from groupscat.execute import run
from groupscat.groups import Group
from groupscat.plan.plan import Plan
from groupscat.space import Space
from groupscat.wavelets.basis import Basis
from groupscat_torch.export import exported

HALVES = (torch.float16, torch.bfloat16)
_BACKEND = get_backend("torch")
#: The plans that compiled graphs were made from, by layer, precision and shape; small, and kept.
_PLANS: dict[str, Plan] = {}


class Layer(nn.Module):
    """A module that runs the plans of a framework-free layer.

    ``torch.compile`` traces it whole (fullgraph), once per size of the base axes, and once more for a batch
    of any size.

    Attributes
    ----------
    spec : what the layer is: frozen, hashable, without numbers.
    """

    spec: LayerSpec

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__()
        self.spec = spec
        self._key = repr(spec)
        _tell_compilers()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        _tell_compilers()

    def _apply_plan(self, x: Tensor, filters: dict[str, Tensor]) -> Tensor:
        """The layer's plan on x, part by part where that is complex."""
        if x.is_complex():
            return torch.complex(self._apply_plan(x.real, filters), self._apply_plan(x.imag, filters))
        if not torch.compiler.is_compiling():
            parameters = {PLAN_NAMES[name]: w for name, w in filters.items()}
            y: Tensor = compute(self.spec.plan(tuple(x.shape)), x, parameters, _BACKEND)
            return y
        # Compilers are to know neither plans nor caches, whose every field they would guard: they call
        # _constants once per key and shape, and take _run as it is.
        shape = (None, *(len(range(n)) for n in x.shape[1:]))  # a range has no symbolic end
        precision = PRECISION[_BACKEND.dtype(x)]
        constants = self._constants(self._key, shape, precision, x.device)
        return _run(f"{self._key} {precision} {shape}", x, *filters.values(), *constants)

    def _constants(
        self, key: str, shape: tuple[int | None, ...], precision: str, device: torch.device
    ) -> tuple[Tensor, ...]:
        """The constants of the plan for inputs of a shape; the plan is put where :func:`_run` finds it."""
        plan = _PLANS[f"{key} {precision} {shape}"] = self.spec.plan(shape)
        return tuple(CONSTANTS.of(plan, _BACKEND, precision, torch.empty(0, device=device)).values())

    def _check(self, x: Any, **parameters: Tensor) -> None:
        """Refuse what is no tensor, and tensors of another precision or device than the parameters'."""
        if not isinstance(x, Tensor):
            raise DtypeError(
                f"groupscat.torch.{type(self).__name__} takes torch tensors, got {type(x).__module__}."
                f"{type(x).__qualname__}. Convert it (torch.as_tensor), or use the functions of groupscat, "
                "which follow the array they are given."
            )
        for name, w in parameters.items():
            if w.is_complex():
                raise DtypeError(
                    f"{name} is {w.dtype}; layers have real filters, float32 or float64. Convert the layer, "
                    "or use the functions of groupscat, which take complex filters."
                )
        if not torch.compiler.is_compiling():
            same_framework(x, **parameters)

    def output_space(self, space: Space) -> Space:
        """Where the outputs lie, for an input that lies at ``space``: what ``equivariance_error`` asks."""
        return self.spec.output_space(space)

    def extra_repr(self) -> str:
        return self.spec.arguments


def _run(name: str, x: Tensor, *arrays: Tensor) -> Tensor:
    """A kept plan on x, its parameters and its constants; half precision in float32."""
    plan = _PLANS[name]
    kept = x.dtype
    given = (x, *arrays)
    if kept in HALVES:
        given = tuple(a.float() if a.is_floating_point() else a for a in given)
    names = (*plan.inputs, *plan.parameters, *(constant for constant, _ in plan.constants))
    (y,) = run(plan, dict(zip(names, given, strict=True)), _BACKEND)
    return y.to(kept)


@cache
def _tell_compilers() -> None:
    """How layers are compiled, said when there is one: this loads Torch's compiler, which takes a second."""
    torch.compiler.assume_constant_result(Layer._constants)
    torch.compiler.allow_in_graph(_run)


def _autocast(x: Any) -> bool:
    """Whether x is what autocast has made of the output of a layer before."""
    if not isinstance(x, Tensor) or x.dtype not in HALVES:
        return False
    kind = x.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


class Convolution(Layer):
    """What the convolutions share: parameters, which exist from construction on.

    Everything is computed as precisely as the parameters are, half precision in float32, under autocast too:
    there, half-precision x is converted to their type. Complex x is convolved part by part. Constants are in
    a cache of all layers, so ``state_dict`` and pickles hold parameters only.

    Attributes
    ----------
    weight, and mix for a separable filter : the coefficients of the filters.
    bias : one per output channel, shared by all elements of the group; None without.
    """

    spec: ConvSpec

    def __init__(self, spec: ConvSpec, device: Any, dtype: Any) -> None:
        super().__init__(spec)
        if not (dtype is None or (isinstance(dtype, torch.dtype) and dtype.is_floating_point)):
            raise DtypeError(f"dtype={dtype!r}: expected torch.float32 or torch.float64.")
        self._filters = tuple(spec.deviations)
        for name, shape in spec.parameters.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        if not spec.bias:
            self.register_parameter("bias", None)
        self.reset_parameters()

    @property
    def in_channels(self) -> int:
        return self.spec.in_channels

    @property
    def out_channels(self) -> int:
        return self.spec.out_channels

    def reset_parameters(self) -> None:
        """Draw the filters anew: He normal, the bias 0; see ``GroupConvSpec.deviations``."""
        for name, deviation in self.spec.deviations.items():
            nn.init.normal_(getattr(self, name), std=deviation)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x of shape (batch, in_channels, N_1, …), on a group (batch, in_channels, |H|, N_1, …).

        Raises
        ------
        ShapeError, DtypeError, DeviceError, ArgumentError : as the function of the same name.
        """
        filters = {name: getattr(self, name) for name in self._filters}
        if _autocast(x):
            x = x.to(self.weight.dtype)
        self._check(x, **filters)
        y = self._apply_plan(x, filters)
        return y if self.bias is None else y + self.bias.reshape(-1, *(1,) * (y.ndim - 2))

    def export(self, shape: Sequence[int] | None = None) -> nn.Sequential:
        """The layer as ordinary modules of Torch, without groupscat: the same outputs, parameters of its own.

        Parameters
        ----------
        shape : (N_1, …, N_d) of x, for strides whose padding depends on it; then only such x are right.

        Returns
        -------
        ``nn.Sequential`` of ``nn.Conv1d``, ``2d`` or ``3d`` (two of them for a separable filter), and what
        pads and reshapes around it.

        Raises
        ------
        ArgumentError : more than three axes; no shape where it matters.
        """
        return exported(self, self.spec, shape)


class ConvNd(Convolution):
    """A convolution along any number of axes: :func:`groupscat.convnd` with weights of its own.

    Parameters
    ----------
    in_channels, out_channels : of x (batch, in_channels, N_1, …, N_d) and of the result.
    kernel_size : (k_1, …, k_d), taps; their number is d.
    stride, dilation, padding, groups, strategy : as for :func:`groupscat.convnd`.
    bias : whether there is one.
    device, dtype : of the parameters, float32 or float64.

    Raises
    ------
    ArgumentError : a value that no convolution can have. DtypeError : a dtype that is not real.

    >>> layer = ConvNd(3, 8, (3, 3, 3, 3), stride=(1, 1, 2, 2))
    >>> layer(torch.zeros(1, 3, 6, 6, 6, 6)).shape
    torch.Size([1, 8, 6, 6, 3, 3])
    """

    spec: ConvNdSpec

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
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        spec = ConvNdSpec(
            in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size, stride=stride,
            dilation=dilation, padding=padding, groups=groups, bias=bias, strategy=strategy,
        )  # fmt: skip
        super().__init__(spec, device, dtype)


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
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        spec = self._spec_class(
            group=group, in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size,
            basis=basis, stride=stride, dilation=dilation, padding=padding, groups=groups, bias=bias,
            strategy=strategy, separable=separable, approximate=approximate,
        )  # fmt: skip
        super().__init__(spec, device, dtype)


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
    device, dtype : of the parameters, float32 or float64.

    Raises, warns
    -------------
    ArgumentError : a value that no layer can have; both or none of kernel_size and basis.
    ApproximationWarning : the group does not map the taps to themselves, without ``approximate``.

    >>> from groupscat.groups import SE2
    >>> Lift(SE2(4), 3, 8, 5)(torch.zeros(1, 3, 9, 9)).shape
    torch.Size([1, 8, 4, 9, 9])
    """

    _spec_class = LiftSpec


class GroupConv(_OnGroup):
    """A convolution of signals on a group: :func:`groupscat.group_conv` with weights of its own.

    Parameters
    ----------
    group : R^d ⋊ H, or H itself.
    in_channels, out_channels : of x (batch, in_channels, |H|, N_1, …, N_d) and of the result.
    groups : as many as in_channels: depthwise.
    separable : channels and elements of the group are mixed first (``mix``), then each channel is convolved
        by a filter of its own.
    kernel_size, basis, stride, dilation, padding, bias, approximate, strategy, device, dtype : as for
        :class:`Lift`, and so are errors and warnings.

    >>> from groupscat.groups import SE2
    >>> from groupscat.wavelets import GaussianRings
    >>> layer = GroupConv(SE2(8), 8, 16, basis=GaussianRings(5), approximate=True)
    >>> layer(torch.zeros(1, 8, 8, 9, 9)).shape
    torch.Size([1, 16, 8, 9, 9])
    """

    _spec_class = GroupConvSpec


class GroupPool(Layer):
    """The most or the mean over the group, or over windows of the base: :func:`groupscat.group_pool`.

    >>> from groupscat.groups import SE2
    >>> x = torch.zeros(1, 3, 4, 8, 8)
    >>> GroupPool(SE2(4))(x).shape, GroupPool(SE2(4), window=2)(x).shape
    (torch.Size([1, 3, 8, 8]), torch.Size([1, 3, 4, 4, 4]))
    """

    spec: GroupPoolSpec

    def __init__(
        self,
        group: Group,
        reduce: Literal["max", "mean"] = "max",
        window: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__(GroupPoolSpec(group, reduce, window))

    def forward(self, x: Tensor) -> Tensor:
        """x of shape (batch, channels, |H|, N_1, …, N_d)."""
        self._check(x)
        if x.is_complex() and self.spec.reduce == "max":
            raise DtypeError('Complex numbers have no maximum: pass reduce="mean", or the modulus of x.')
        return self._apply_plan(x, {})


class FiberBatchNorm(nn.BatchNorm1d):
    """Batch normalisation per channel, over the batch, the elements of a group and all base axes alike.

    What one scale and one shift per channel do commutes with the group. Arguments, attributes and
    ``state_dict`` are those of ``torch.nn.BatchNorm1d``; x has shape (batch, channels, ...).

    >>> norm = FiberBatchNorm(3)
    >>> norm(torch.randn(5, 3, 4, 9, 9)).mean((0, 2, 3, 4)).abs().max() < 1e-6
    tensor(True)
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim <= 3:
            return super().forward(x)
        return super().forward(x.flatten(2)).reshape(x.shape)


__all__ = ["ConvNd", "FiberBatchNorm", "GroupConv", "GroupPool", "Lift"]
