"""A network, specified without a framework, as ``torch.nn.Module``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from groupscat.backend import backend_of, get_backend
from groupscat.errors import ArgumentError, DtypeError
from groupscat.nn.files import Model
from groupscat.nn.functional import apply, init
from groupscat.nn.network import Network as Spec
from groupscat_torch.layers import _autocast

_BACKEND = get_backend("torch")
#: What the numbers of a module are drawn in and converted to.
PRECISION = {torch.float32: "float32", torch.float64: "float64"}


class Network(nn.Module):
    """The network of a specification: parameters and buffers have its names, in ``state_dict`` too.

    Batch norms and dropouts follow ``train()`` and ``eval()``. Everything is computed as precisely as the
    parameters are, half precision in float32, under autocast too. ``torch.compile`` leaves it as it is.

    Parameters
    ----------
    spec : a :class:`groupscat.nn.Network`; or a :class:`groupscat.nn.Model`, which it goes on from.
    seed : of the first parameters, the same as those of ``groupscat.nn.init``; None: drawn from Torch's.
    device, dtype : of parameters and buffers, float32 or float64.

    Raises
    ------
    ArgumentError : spec is no network; another dtype.

    >>> from groupscat.nn import hcnn
    >>> net = Network(hcnn(K=4))
    >>> net(torch.zeros(2, 3, 32, 32)).shape, net.state_dict()["0.weight"].shape
    (torch.Size([2, 10]), torch.Size([4, 3, 3, 3]))
    """

    def __init__(
        self,
        spec: Spec | Model,
        *,
        seed: int | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _tell_compilers()
        model = spec if isinstance(spec, Model) else None
        spec = spec.spec if isinstance(spec, Model) else spec
        if not isinstance(spec, Spec):
            raise ArgumentError(
                f"spec={spec!r}: expected a groupscat.nn.Network, such as groupscat.nn.hcnn()."
            )
        dtype = dtype or torch.get_default_dtype()
        if dtype not in PRECISION:
            raise ArgumentError(f"dtype={dtype}: expected torch.float32 or torch.float64; convert it later.")
        self.spec = spec
        self.classes, self.about = ((), {}) if model is None else (model.classes, model.about)
        seed = int(torch.randint(1 << 31, ()).item()) if seed is None else seed
        parameters, state = init(spec, seed, PRECISION[dtype])
        device = device or torch.get_default_device()
        for name, values in parameters.items():
            holder, own = self._holder(name)
            holder.register_parameter(own, nn.Parameter(_BACKEND.asarray(values).to(device)))
        for name, values in state.items():
            holder, own = self._holder(name)
            holder.register_buffer(own, _BACKEND.asarray(values).to(device))
        if model is not None:
            given = ((name, backend_of(a).to_numpy(a)) for name, a in model.arrays().items())
            self.load_state_dict({name: _BACKEND.asarray(a) for name, a in given})

    def _holder(self, name: str) -> tuple[nn.Module, str]:
        """The module within this one that holds what is called so, and the last part of its name."""
        holder: nn.Module = self
        *path, own = name.split(".")
        for part in path:
            if part not in holder._modules:
                holder.add_module(part, nn.Module())
            holder = holder.get_submodule(part)
        return holder, own

    def arrays(self) -> dict[str, Tensor]:
        """Parameters and buffers by name: what ``groupscat.nn.save`` writes."""
        return dict(self.state_dict())

    def masks(self, x: Tensor) -> Mapping[str, Tensor]:
        """What the dropouts keep of a batch: drawn from Torch's generator, on the device of x."""
        keep, shapes = self.spec.training.masks, self.spec.masks
        return {
            name: torch.rand(len(x), *shape, device=x.device).lt(keep[name]).to(x.dtype)
            for name, shape in shapes.items()
        }

    def forward(self, x: Tensor) -> Tensor:
        """x of shape (batch, *spec.input_shape).

        Raises
        ------
        ShapeError, DtypeError, DeviceError : as :func:`groupscat.nn.apply`.
        """
        if not isinstance(x, Tensor):
            raise DtypeError(
                f"groupscat.torch.Network takes torch tensors, got {type(x).__module__}."
                f"{type(x).__qualname__}. Convert it (torch.as_tensor), or use groupscat.nn.apply."
            )
        parameters, state = dict(self.named_parameters()), dict(self.named_buffers())
        if _autocast(x):
            x = x.to(next(iter(parameters.values()), x).dtype)
        masks = self.masks(x) if self.training else {}
        y, new = apply(self.spec, parameters, state, x, self.training, masks)
        if self.training:
            with torch.no_grad():
                for name, values in new.items():
                    state[name].copy_(values)
        out: Tensor = y
        return out

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        _tell_compilers()

    def extra_repr(self) -> str:
        return repr(self.spec)


@cache
def _tell_compilers() -> None:
    """They leave networks as they are. The first one says so: it loads the compiler, which takes a second."""
    Network.forward = torch.compiler.disable(Network.forward)  # type: ignore[method-assign]


__all__ = ["Network"]
