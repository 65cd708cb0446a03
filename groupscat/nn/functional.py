"""A network on arrays of any framework: pure functions of its parameters and its state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array, Backend
from groupscat.checks import choice, integer
from groupscat.convolution.arguments import HALF, PRECISION, same_framework
from groupscat.convolution.convnd import CONSTANTS, MEMORY
from groupscat.errors import ArgumentError, DtypeError, ShapeError
from groupscat.execute import run_batched, runner
from groupscat.nn.network import Lowered, Network

Arrays = dict[str, Array]


def init(
    network: Network, seed: int = 0, dtype: str = "float32"
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """The first parameters and the first state of a network, NumPy arrays by name.

    Filters are He normal, the last matrix normal of deviation 1/√n, biases 0; each layer says so itself.
    Constraints on them hold from the start.

    Parameters
    ----------
    seed : ≥ 0; the same one gives the same numbers. dtype : "float32" or "float64".

    >>> from groupscat.nn import plain_cnn
    >>> parameters, state = init(plain_cnn(K=4), seed=1)
    >>> parameters["0.weight"].shape, state["1.variance"].tolist()
    ((4, 3, 3, 3), [1.0, 1.0, 1.0, 1.0])
    """
    rng = np.random.default_rng(integer("seed", seed, 0))
    choice("dtype", dtype, ("float32", "float64"))
    start = network.inference.initial
    parameters, state = (
        {name: start[name].draw(shape, rng).astype(dtype) for name, shape in shapes.items()}
        for shapes in (network.parameters, network.state)
    )
    return constrain(network, parameters), state


def constrain(network: Network, parameters: Mapping[str, Array]) -> Arrays:
    """The parameters after one step of every constraint of a network: for after each step of an optimiser.

    An array is a matrix from all its axes but the first, to the first. Nothing is changed and no value is
    looked at: ``jax.jit`` and ``tf.function`` compile it. Gradients are best switched off around it.

    Parameters
    ----------
    parameters : arrays by name, of any one framework; those without a constraint come back as they are.

    Raises
    ------
    ArgumentError : one that has a constraint is missing. ShapeError : it has another shape.
    DtypeError, DeviceError : they do not fit together.

    >>> import numpy as np
    >>> from groupscat.nn import Dense, Network, SpectralBound
    >>> network = Network([Dense(2, bias=False, constraint=SpectralBound())], (2,))
    >>> constrain(network, {"0.weight": np.array([[0.0, 4.0], [0.0, 0.0]])})["0.weight"].tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    constraints = network.constraints
    missing = sorted(set(constraints) - set(parameters))
    if missing:
        raise ArgumentError(f"parameters: missing {missing}, for {network!r}. groupscat.nn.init makes them.")
    new = dict(parameters)
    for name, constraint in constraints.items():
        w, shape = parameters[name], network.parameters[name]
        backend = same_framework(w)
        if tuple(backend.shape(w)) != shape:
            raise ShapeError(
                f"{name!r} of the parameters has shape {tuple(backend.shape(w))}; expected {shape}."
            )
        kept = backend.dtype(w)
        with backend.scope(w):
            matrix = backend.reshape(backend.cast(w, PRECISION[kept]), (shape[0], -1))
            new[name] = backend.cast(backend.reshape(constraint(backend, matrix), shape), kept)
    return new


def draw_masks(
    network: Network, batch: int, seed: int = 0, dtype: str = "float32"
) -> dict[str, NDArray[Any]]:
    """Masks for one step of training, zeros and ones: one for every dropout, shape (batch, …), NumPy."""
    rng = np.random.default_rng(integer("seed", seed, 0))
    keep = network.training.masks
    return {
        name: (rng.random((batch, *shape)) < keep[name]).astype(dtype)
        for name, shape in network.masks.items()
    }


def apply(
    network: Network,
    parameters: Mapping[str, Array],
    state: Mapping[str, Array],
    x: Array,
    training: bool = False,
    masks: Mapping[str, Array] | None = None,
) -> tuple[Array, Arrays]:
    """What a network makes of x, and its new state; nothing is changed.

    Parameters
    ----------
    parameters, state : arrays by name, as from :func:`init`, of the framework, device and precision of x.
    x : array, shape (batch, *network.input_shape), real, of any framework. Half precision is computed in
        float32 and returned as it came.
    training : batch norms take the statistics of x and average them into the new state, dropouts their masks.
    masks : in training, arrays by name, as from :func:`draw_masks`.

    Returns
    -------
    y, array, shape (batch, *network.output_space.shape); the new state, by name, which is ``state`` unless
    training.

    Raises
    ------
    ArgumentError : parameters, state or masks that are missing, or that the network does not have.
    ShapeError : x or one of them has another shape; an empty batch in training.
    DtypeError, DeviceError : the arrays do not fit together; x is complex.

    >>> import numpy as np
    >>> from groupscat.nn import plain_cnn
    >>> network = plain_cnn(K=4)
    >>> y, _ = apply(network, *init(network), np.zeros((5, 3, 32, 32), np.float32))
    >>> y.shape
    (5, 10)
    """
    lowered = network.lowered(training)
    masks = masks or {}
    backend = _checked(network, lowered, parameters, state, x, masks)
    kept = backend.dtype(x)
    precision = PRECISION[kept]
    given = {**parameters, **state, **masks}
    with backend.scope(x):
        if kept in HALF:
            x = backend.cast(x, precision)
            given = {name: backend.cast(a, precision) for name, a in given.items()}
        given |= CONSTANTS.of(lowered.plan, backend, precision, x)
        if training:
            y, *new = runner(lowered.plan, backend)({"x": x, **given})
        else:
            itemsize = 8 if precision == "float64" else 4
            (y, *new) = run_batched(lowered.plan, x, given, backend, itemsize, MEMORY)
        if kept in HALF:
            y, *new = (backend.cast(a, kept) for a in (y, *new))
    return y, dict(zip(lowered.plan.state, new, strict=True)) if training else dict(state)


def _checked(
    network: Network,
    lowered: Lowered,
    parameters: Mapping[str, Array],
    state: Mapping[str, Array],
    x: Array,
    masks: Mapping[str, Array],
) -> Backend:
    """The backend of x, if everything has the names and the shapes that it should."""
    wanted_masks = network.masks if lowered.masks else {}
    backend = same_framework(x)
    if backend.is_complex(x):
        raise DtypeError(f"x is {backend.dtype(x)}; a network takes real numbers: its modulus, or its parts.")
    shape = tuple(backend.shape(x))
    if shape[1:] != network.input_shape or not shape:
        raise ShapeError(
            f"x has shape {shape}; expected (batch, {', '.join(map(str, network.input_shape))}), for "
            f"{network!r}. Add the batch, x[None], or build the network for another input_shape."
        )
    if lowered.plan.outputs[1:] and isinstance(shape[0], int) and shape[0] == 0:
        raise ShapeError(f"x has shape {shape}: an empty batch has no statistics to train with.")
    kinds = (
        ("parameters", parameters, network.parameters, "groupscat.nn.init makes them."),
        ("state", state, network.state, "groupscat.nn.init makes it."),
        (
            "masks",
            masks,
            wanted_masks,
            "In training groupscat.nn.draw_masks makes them, else there are none.",
        ),
    )
    for kind, given, wanted, way_out in kinds:
        if set(given) != set(wanted):
            missing, unknown = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
            raise ArgumentError(f"{kind}: missing {missing}, unknown {unknown}, for {network!r}. {way_out}")
        same_framework(x, **given)
        for name, a in given.items():
            sizes = tuple(backend.shape(a))
            if (sizes[1:] if kind == "masks" else sizes) != wanted[name]:
                batch = "batch, " if kind == "masks" else ""
                raise ShapeError(
                    f"{name!r} of the {kind} has shape {sizes}; expected "
                    f"({batch}{', '.join(map(str, wanted[name]))})."
                )
    return backend
