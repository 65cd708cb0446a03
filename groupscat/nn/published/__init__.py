"""Published networks by name, with their exact tables of layers."""

from collections.abc import Callable

from groupscat.nn.network import Network
from groupscat.nn.published.hierarchical import hcnn
from groupscat.nn.published.plain import plain_cnn
from groupscat.nn.published.residual import scattering_resnet10, scattering_wrn, wide_resnet
from groupscat.nn.published.rotations import se2_cnn
from groupscat.nn.published.scattering import scattering_linear, scattering_mlp, shared_local_encoder

#: By name. All take ``input_shape`` and ``classes``; the first line of the docstring says what each is.
PUBLISHED: dict[str, Callable[..., Network]] = {
    make.__name__: make
    for make in (
        hcnn,
        plain_cnn,
        wide_resnet,
        scattering_linear,
        scattering_mlp,
        scattering_wrn,
        scattering_resnet10,
        shared_local_encoder,
        se2_cnn,
    )
}

__all__ = [
    "PUBLISHED",
    "hcnn",
    "plain_cnn",
    "scattering_linear",
    "scattering_mlp",
    "scattering_resnet10",
    "scattering_wrn",
    "se2_cnn",
    "shared_local_encoder",
    "wide_resnet",
]
