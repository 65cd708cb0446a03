"""A network, specified without a framework, as a layer of Keras 3, on whichever backend Keras runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras

from groupscat.backend import Array, backend_of
from groupscat.errors import ArgumentError, DtypeError
from groupscat.nn.config import from_config, to_config
from groupscat.nn.files import Model
from groupscat.nn.functional import apply, init
from groupscat.nn.network import Network as Spec
from groupscat_keras.layers import accepted


@keras.saving.register_keras_serializable(package="groupscat")
class Network(keras.layers.Layer):
    """The network of a specification: its weights exist from construction on, by its names with _ for dots.

    Batch norms and dropouts follow ``training=``. It computes in float64 under the dtype policy "float64" and
    in float32 under all others; half-precision policies round the result only.

    Parameters
    ----------
    spec : a :class:`groupscat.nn.Network`; or a :class:`groupscat.nn.Model`, which it goes on from.
    seed : of the first parameters, the same as those of ``groupscat.nn.init``, and of dropouts; None: drawn
        from that of Keras.
    of_layer : name, dtype, trainable …, of every Keras layer.

    Raises
    ------
    ArgumentError : spec is no network.

    >>> from groupscat.nn import hcnn
    >>> model = keras.Sequential([keras.Input((3, 32, 32)), Network(hcnn(K=4)), keras.layers.Softmax()])
    >>> model.output_shape
    (None, 10)
    """

    def __init__(self, spec: Spec | Model, *, seed: int | None = None, **of_layer: Any) -> None:
        # Without autocast: Keras would round the input to half precision.
        super().__init__(autocast=False, **of_layer)
        model = spec if isinstance(spec, Model) else None
        spec = spec.spec if isinstance(spec, Model) else spec
        if not isinstance(spec, Spec):
            raise ArgumentError(
                f"spec={spec!r}: expected a groupscat.nn.Network, such as groupscat.nn.hcnn()."
            )
        self.spec, self.seed = spec, seed
        self.classes, self.about = ((), {}) if model is None else (model.classes, model.about)
        self.generator = keras.random.SeedGenerator(seed)
        if model is None:
            first = int(keras.ops.convert_to_numpy(self.generator.state.value)[0])
            parameters, state = init(spec, first if seed is None else seed, self.precision)
        else:
            parameters, state = (
                {name: backend_of(a).to_numpy(a) for name, a in arrays.items()}
                for arrays in (model.parameters, model.state)
            )
        self._weights_by_name = {
            name: self.add_weight(
                shape=values.shape,
                initializer=keras.initializers.Constant(values),
                trainable=name in parameters,
                name=name.replace(".", "_"),  # Torch, where Keras runs on it, has no dots in names
            )
            for name, values in (parameters | state).items()
        }
        self.built = True

    @property
    def precision(self) -> str:
        """The element type the network computes in."""
        return "float64" if self.compute_dtype == "float64" else "float32"

    def __call__(self, x: Array, *args: Any, **kwargs: Any) -> Any:
        """The network on x of shape (batch, *spec.input_shape).

        Raises
        ------
        DtypeError : x belongs to another framework, which Keras would convert silently, or is complex.
        ShapeError : x has another shape.
        """
        return super().__call__(accepted(x, "nn.apply"), *args, **kwargs)

    def call(self, x: Array, training: bool | None = None) -> Array:
        backend = backend_of(x)
        if backend.is_complex(x):
            raise DtypeError(f"x is {backend.dtype(x)}; expected real numbers: its modulus, or its parts.")
        training = bool(training)
        x = backend.cast(x, self.precision)
        given = self.arrays()
        spec = self.spec
        parameters, state = ({name: given[name] for name in names} for names in (spec.parameters, spec.state))
        masks = self.masks(x) if training else {}
        y, new = apply(spec, parameters, state, x, training, masks)
        if training:
            for name, values in new.items():
                self._weights_by_name[name].assign(values)
        return backend.cast(y, self.compute_dtype)

    def masks(self, x: Array) -> dict[str, Array]:
        """What the dropouts keep of a batch."""
        keep, batch = self.spec.training.masks, keras.ops.shape(x)[0]
        return {
            name: keras.ops.cast(
                keras.random.uniform((batch, *shape), seed=self.generator) < keep[name], self.precision
            )
            for name, shape in self.spec.masks.items()
        }

    def arrays(self) -> dict[str, Array]:
        """Parameters and state by name, in the element type the network computes in."""
        values = {name: keras.ops.convert_to_tensor(w.value) for name, w in self._weights_by_name.items()}
        return {name: backend_of(w).cast(w, self.precision) for name, w in values.items()}

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], *self.spec.output_space.shape)

    def compute_output_spec(self, x: Any, training: bool | None = None) -> Any:
        return keras.KerasTensor(self.compute_output_shape(x.shape), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """JSON: layers by the names of their classes, see :mod:`groupscat.nn.config`."""
        return {**super().get_config(), "spec": to_config(self.spec), "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer again. Classes of layers that are one's own are registered first."""
        return super().from_config({**config, "spec": from_config(config["spec"])})


__all__ = ["Network"]
