"""Networks and operators as ONNX files, which onnxruntime and others run without this library."""

from __future__ import annotations

import os
from typing import Any

from groupscat.checks import choice
from groupscat.errors import ArgumentError, BackendError
from groupscat.nn.files import checked_arrays, metadata, write
from groupscat.nn.network import Network
from groupscat.scattering.operator import Operator


def export_onnx(model: Any, path: str | os.PathLike[str], dtype: str | None = None) -> None:
    """Write a trained network or a scattering transform to an ONNX file.

    The input "x" has shape (batch, *input_shape), for an operator (batch, *shape), with any batch but an
    empty one; the output is "y". All operations are real: Fourier transforms are products with matrices,
    complex input or output is two arrays, "x.re" and "x.im". Operation set 18; parameters have the names of
    the specification.

    Parameters
    ----------
    model : a :class:`groupscat.nn.Model`, a ``groupscat.torch.Network`` or ``groupscat.keras.Network``, whose
        dropouts are off and whose batch norms take their state; or a scattering transform, in any framework.
    path : of the file, ``….onnx`` by custom; what is there is replaced once all is written.
    dtype : "float32" or "float64", of x, y and everything between; None: that of the network's numbers, but
        float32 for half precision and for scattering transforms.

    Raises
    ------
    ArgumentError : the model is none, its arrays are not those of its specification; a layer of one's own or
        a ρ uses functions that no graph has; out_type is not "array"; the constants need 2 GB.
    DataError : the file cannot be written. BackendError : onnx is not installed.

    >>> import tempfile, groupscat as gs
    >>> network = gs.nn.scattering_mlp(J=1, L=4, input_shape=(1, 8, 8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "network.onnx")
    ...     gs.export_onnx(gs.nn.Model(network, *gs.nn.init(network)), path)
    ...     os.path.getsize(path) < 50_000
    True
    """
    if dtype is not None:
        choice("dtype", dtype, ("float32", "float64"))
    try:
        from groupscat_onnx.export import network_model, operator_model
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise BackendError('ONNX files need onnx: pip install "groupscat[onnx]"') from error
    proto: Any
    # A module of Torch or a layer of Keras holds its operator.
    operator = model if isinstance(model, Operator) else getattr(model, "operator", None)
    if isinstance(operator, Operator):
        proto = operator_model(operator, dtype or "float32")
    elif isinstance(getattr(model, "spec", None), Network):
        arrays = checked_arrays(model)
        own = "float64" if {a.dtype.name for a in arrays.values()} == {"float64"} else "float32"
        about = metadata(model)
        proto = network_model(model.spec, arrays, dtype or own, about)
    else:
        raise ArgumentError(
            f"{model!r}: expected a groupscat.nn.Model, a groupscat.torch.Network, a groupscat.keras.Network "
            "or a scattering transform."
        )
    write(path, proto.SerializeToString())
