"""Trained layers as ordinary Torch convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from groupscat.backend import get_backend
from groupscat.convolution.export import PlainConv, plain_convolutions
from groupscat.convolution.layer import ConvSpec
from groupscat.plan.conv_axis import ConvAxis

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
#: Torch's names of paddings: the modules, and the modes of convolutions.
PAD: dict[str, tuple[type[nn.Module], ...]] = {
    "zero": (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d),
    "circular": (nn.CircularPad1d, nn.CircularPad2d, nn.CircularPad3d),
    "reflect": (nn.ReflectionPad1d, nn.ReflectionPad2d, nn.ReflectionPad3d),
    "edge": (nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d),
}
MODE = {"zero": "zeros", "none": "zeros", "circular": "circular", "reflect": "reflect", "edge": "replicate"}


@torch.no_grad()  # type: ignore[untyped-decorator]
def exported(layer: nn.Module, spec: ConvSpec, shape: Sequence[int] | None) -> nn.Sequential:
    """The modules that do what a layer of this description does; their filters are copies."""
    # By attribute: a parametrised or pruned weight is no parameter of the layer.
    given = {name: _wide(getattr(layer, name)) for name in spec.parameters}
    plain = plain_convolutions(spec, given, shape, get_backend("torch"))
    modules: list[nn.Module] = [nn.Flatten(1, 2)] if spec.before else []
    for k, convolution in enumerate(plain):
        last = k == len(plain) - 1
        bias = given["bias"] if spec.bias and last else None
        if bias is not None and spec.after:
            bias = bias.repeat_interleave(*spec.after)
        modules += _modules(convolution, bias)
    if spec.after:
        modules.append(nn.Unflatten(1, (spec.out_channels, *spec.after)))
    dtype = next(layer.parameters()).dtype
    return nn.Sequential(*modules).to(dtype)


def _wide(w: Tensor) -> Tensor:
    return w.float() if w.dtype in (torch.float16, torch.bfloat16) else w


def _modules(plain: PlainConv, bias: Tensor | None) -> list[nn.Module]:
    """Padding, where the convolution has no such, and the convolution."""
    axes = plain.axes
    modes = {MODE[axis.padding] for axis in axes if any(axis.margin)} or {"zeros"}
    even = all(before == after for before, after in (axis.margin for axis in axes))
    alone = even and len(modes) == 1
    outputs, depth, *taps = plain.weight.shape
    conv = CONV[len(axes)](
        depth * plain.groups,
        outputs,
        taps,
        stride=[axis.stride for axis in axes],
        padding=[axis.margin[0] if alone else 0 for axis in axes],
        dilation=[axis.dilation for axis in axes],
        groups=plain.groups,
        bias=bias is not None,
        padding_mode=modes.pop() if alone else "zeros",
        device="meta",
    )
    conv.weight = nn.Parameter(plain.weight.clone())
    if bias is not None:
        conv.bias = nn.Parameter(bias.clone())
    return [conv] if alone else [*_pads(axes), conv]


def _pads(axes: Sequence[ConvAxis]) -> list[nn.Module]:
    """One module per kind of padding, which leaves the axes of other kinds as they are."""
    found = []
    for padding, modules in PAD.items():
        margins = [axis.margin if axis.padding == padding else (0, 0) for axis in axes]
        if any(any(pair) for pair in margins):
            found.append(modules[len(axes) - 1]([n for pair in reversed(margins) for n in pair]))
    return found
