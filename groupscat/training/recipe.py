"""How a network is trained: all of it as data, which a checkpoint keeps."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from groupscat.checks import choice, integer, positive, share
from groupscat.datasets.augment import Augment
from groupscat.errors import ArgumentError
from groupscat.training.optimise import SGD, Adam, Optimiser
from groupscat.training.schedule import Cosine, Schedule, Steps

Precision = Literal["float32", "float64", "bfloat16"]


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Parameters
    ----------
    epochs : times that every signal is seen. batch_size : signals of a step, over all processes.
    optimiser : :class:`SGD` or :class:`Adam`. schedule : of its rate, :class:`Steps` or :class:`Cosine`.
    decay : half the square norm of every weight of two axes or more, times this, is added to the loss;
        numbers per channel, as of batch norms and biases, are left alone.
    augment : what is done to the signals of a batch, an :class:`Augment`; None: nothing.
    smoothing : share of its probability that each label gives to all classes alike.
    precision : "float32", "float64"; "bfloat16": products in half precision on a device that does this fast,
        sums, statistics and parameters in float32.
    seed : of order, augmentation, dropouts and first parameters: the same one gives the same network.

    Raises
    ------
    ArgumentError : a value that cannot be; it is named.

    >>> Recipe(epochs=10).schedule
    Cosine(peak=0.1, warmup=0.0)
    """

    epochs: int = 30
    batch_size: int = 128
    optimiser: Optimiser = field(default_factory=SGD)
    schedule: Schedule = field(default_factory=lambda: Cosine(0.1))
    decay: float = 5e-4
    augment: Augment | None = None
    smoothing: float = 0.0
    precision: Precision = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
            object.__setattr__(self, name, integer(name, getattr(self, name), least))
        choice("precision", self.precision, ("float32", "float64", "bfloat16"))
        kinds = (("optimiser", Optimiser, "SGD()"), ("schedule", Schedule, "Cosine(0.1)"))
        for name, kind, example in kinds:
            if not isinstance(getattr(self, name), kind):
                raise ArgumentError(f"{name}={getattr(self, name)!r}: expected one such as {example}.")
        if not (self.augment is None or isinstance(self.augment, Augment)):
            raise ArgumentError(f"augment={self.augment!r}: expected an Augment, or None.")
        decay = 0.0 if self.decay == 0 else positive("decay", self.decay, ", or 0")
        object.__setattr__(self, "decay", decay)
        object.__setattr__(self, "smoothing", share("smoothing", self.smoothing))

    @property
    def stored(self) -> str:
        """The element type of parameters."""
        return "float64" if self.precision == "float64" else "float32"


_KNOWN: dict[str, Any] = {cls.__name__: cls for cls in (Recipe, SGD, Adam, Steps, Cosine, Augment)}


def to_data(value: Any) -> Any:
    """A recipe as JSON can hold it.

    >>> to_data(Steps(rates=(0.1, 0.01), at=(0.5,)))
    {'class': 'Steps', 'rates': [0.1, 0.01], 'at': [0.5]}
    """
    if isinstance(value, tuple):
        return [to_data(v) for v in value]
    if is_dataclass(value):
        if type(value) not in _KNOWN.values():
            raise ArgumentError(
                f"{value!r}: a recipe that is to be kept has parts of groupscat.training only."
            )
        return {
            "class": type(value).__name__,
            **{f.name: to_data(getattr(value, f.name)) for f in fields(value)},
        }
    return value


def from_data(data: Any) -> Any:
    """What :func:`to_data` has written down.

    Raises
    ------
    ArgumentError : an unknown class, or fields that it does not have.
    """
    if isinstance(data, list):
        return tuple(map(from_data, data))
    if not isinstance(data, dict):
        return data
    if data.get("class") not in _KNOWN:
        raise ArgumentError(f"{data!r} names no part of a recipe; known are {', '.join(_KNOWN)}.")
    given = {name: from_data(value) for name, value in data.items() if name != "class"}
    try:
        return _KNOWN[data["class"]](**given)
    except TypeError as error:
        raise ArgumentError(f"{data!r} does not make a {data['class']}: {error}.") from error


#: Of wide residual networks, with scattering in front or not: Oyallon, Belilovsky, Zagoruyko 2017.
WIDE = Recipe(
    epochs=200,
    optimiser=SGD(nesterov=False),
    schedule=Steps(rates=(0.1, 0.02, 0.004, 0.0008), at=(0.3, 0.6, 0.8)),
    augment=Augment(flip=True, shift=4, pad="reflect"),
)
#: As published, by the name of the network; schedules in shares of their epochs.
RECIPES: dict[str, Recipe] = {
    # Jacobsen, Oyallon, Mallat, Smeulders 2017: from .35 halved every 40 of 320 epochs.
    "hcnn": Recipe(
        epochs=320,
        batch_size=50,
        schedule=Steps(
            rates=(0.35, 0.175, 0.0875, 0.042, 0.021, 0.0105, 0.00525, 0.00245),
            at=tuple(k / 8 for k in range(1, 8)),
        ),
        decay=3e-4,
        augment=Augment(flip=True, shift=0.125),
    ),
    # Oyallon 2017: rate ½^(2 + ⌊step / 10⁴⌋), 121,101 steps of 128.
    "plain_cnn": Recipe(
        epochs=310,
        optimiser=SGD(nesterov=False),
        schedule=Steps(
            rates=tuple(0.5 ** (2 + k) for k in range(13)), at=tuple(k * 1e4 / 121101 for k in range(1, 13))
        ),
        decay=2e-4,
        augment=Augment(flip=True, shift=4),
    ),
    "wide_resnet": WIDE,
    "scattering_wrn": WIDE,
}
