"""Operators and trained networks as ONNX models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper

from groupscat import __version__
from groupscat.backend import Array
from groupscat.errors import ArgumentError
from groupscat.execute import constant as build
from groupscat.execute import run
from groupscat.nn.network import Network
from groupscat.plan.ops import Op
from groupscat.plan.plan import Plan
from groupscat.scattering.operator import Operator
from groupscat_onnx.backend import ONNXBackend
from groupscat_onnx.tensor import Complex, Tensor, constant, node

#: Of ONNX 1.13 (December 2022); the reductions of older ones take their axes otherwise.
OPSET, IR_VERSION = 18, 8
#: What one file of protocol buffers can hold.
LARGEST = 1 << 31
_BACKEND = ONNXBackend()


@dataclass(frozen=True)
class Named(Op):
    """An operation whose result the graph calls as the plan does."""

    op: Op

    def __call__(self, xp: Any, *args: Array) -> Array:
        try:
            return _named(self.op(xp, *args), self.dst)
        except (AttributeError, TypeError) as error:
            raise ArgumentError(
                f"{self.op!r} cannot be written as ONNX: {error}. Write the layer or ρ in terms of what "
                "groupscat.Backend has, with no other functions of NumPy or of a framework."
            ) from error


def _named(x: Array, name: str) -> Array:
    if isinstance(x, Complex):
        return Complex(_named(x.re, f"{name}.re"), _named(x.im, f"{name}.im"))
    return x if x.name or not x.op else replace(x, name=name)


def operator_model(S: Operator, dtype: str) -> ModelProto:
    """The transform of x, shape (batch, *S.shape); complex x and y are two arrays each, their parts."""
    if S.out_type != "array":
        raise ArgumentError(f'out_type={S.out_type!r}: expected "array", S.replace(out_type="array").')
    x = Tensor((None, *S.shape), dtype, name="x")
    data = Complex(replace(x, name="x.re"), replace(x, name="x.im")) if S.complex_input else x
    inputs = {S.plan.inputs[0]: _BACKEND.reshape(data, (-1, 1, *S.shape))}
    y = S.package(_outputs(S.plan, inputs, dtype), (None,), _BACKEND)  # type: ignore[arg-type]
    return graph_model(y, str(S))


def network_model(
    spec: Network, arrays: Mapping[str, NDArray[Any]], dtype: str, metadata: Mapping[str, str]
) -> ModelProto:
    """The trained network on x, shape (batch, *spec.input_shape)."""
    x = Tensor((None, *spec.input_shape), dtype, name="x")
    given = {name: constant(a, dtype, name) for name, a in arrays.items()}
    (y,) = _outputs(spec.inference.plan, {"x": x, **given}, dtype)
    return graph_model(y, str(spec), metadata)


def _outputs(plan: Plan, inputs: Mapping[str, Array], dtype: str) -> tuple[Array, ...]:
    named = replace(plan, ops=tuple(Named(op.srcs, op.dst, op) for op in plan.ops))
    constants = {name: build(_BACKEND, recipe, dtype, None) for name, recipe in plan.constants}
    return run(named, {**inputs, **constants}, _BACKEND)


def graph_model(y: Array, description: str = "", metadata: Mapping[str, str] | None = None) -> ModelProto:
    """The graph that computes y, and the inputs it needs for that."""
    parts = {"y.re": y.re, "y.im": y.im} if isinstance(y, Complex) else {"y": y}
    results = [replace(node("Identity", t, shape=t.shape), name=name) for name, t in parts.items()]
    nodes: list[Any] = []
    inputs: list[Any] = []
    names: dict[int, str] = {}
    constants: dict[Any, str] = {}
    values: dict[str, NDArray[Any]] = {}
    for tensor in _ordered(results):
        if tensor.value is not None:
            key = tensor.name or (tensor.dtype, tensor.shape, tensor.value.tobytes())
            names[id(tensor)] = constants.setdefault(key, tensor.name or f"constant_{len(constants)}")
            values[names[id(tensor)]] = tensor.value
            continue
        name = names[id(tensor)] = tensor.name or f"{tensor.op}_{len(names)}"
        if tensor.op:
            sources = [names[id(t)] for t in tensor.inputs]
            nodes.append(helper.make_node(tensor.op, sources, [name], name, **tensor.attributes))
        else:
            inputs.append(_info(tensor))
    size = sum(a.nbytes for a in values.values())
    if size >= LARGEST:
        raise ArgumentError(
            f"The constants take {size:,} bytes; one ONNX file holds less than {LARGEST:,}. Take shorter "
            'signals, or dtype="float32".'
        )
    initializers = [numpy_helper.from_array(a, name) for name, a in values.items()]
    graph = helper.make_graph(nodes, "groupscat", inputs, [_info(t) for t in results], initializers)
    model: ModelProto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="groupscat",
        producer_version=__version__,
        doc_string=description,
    )
    helper.set_model_props(model, dict(metadata or {}))
    return model


def _ordered(results: Sequence[Tensor]) -> list[Tensor]:
    """All that the results are made of, each after what it is made of itself."""
    done: dict[int, Tensor] = {}
    waiting = list(reversed(results))
    while waiting:
        before = [t for t in waiting[-1].inputs if id(t) not in done]
        if before:
            waiting += reversed(before)
        else:
            tensor = waiting.pop()
            done[id(tensor)] = tensor
    return list(done.values())


def _info(tensor: Tensor) -> Any:
    element = helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    shape = ["batch" if n is None else n for n in tensor.shape]
    return helper.make_tensor_value_info(tensor.name, element, shape)
