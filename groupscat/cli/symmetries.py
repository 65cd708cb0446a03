"""``groupscat symmetries``."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupscat.cli.common import OK, RAW, backend_named, natural, positive, progress
from groupscat.data.source import printable
from groupscat.errors import DataError

if TYPE_CHECKING:
    from groupscat.datasets import Dataset
    from groupscat.nn import Model, Symmetries

EPILOG = """examples:
  groupscat symmetries hcnn.safetensors cifar10.npz -o symmetries.png
  groupscat symmetries hcnn.safetensors mnist/ --layer 52 --report symmetries.json
  groupscat symmetries hcnn.safetensors cifar10.npz --layer 52 --layer 27 --zeros --backend torch -o zeros.png

Without --layer it moves the last layer with attributes and a base, x_J(u, v_{J-1}, v_J), and, to compare, one
half-way to it. Prints, for every attribute axis, how many images keep their class, how many have a nearest
image of their class and how far that is; in brackets, the same for the axis in random orders.
"""


def add(commands: Any) -> None:
    """The parser of the command."""
    p = commands.add_parser(
        "symmetries",
        help="move a layer of a hierarchical network along its attributes",
        description="Translate layers of a trained network along their attribute axes, and tell and draw "
        "what the classes do: symmetries that it has learned keep them, or change them little by little.",
        epilog=EPILOG,
        formatter_class=RAW,
    )
    p.add_argument("model", type=Path, metavar="MODEL.safetensors")
    p.add_argument(
        "data",
        nargs="+",
        type=Path,
        metavar="DATA",
        help="labelled images: folders of classes, an .npz, MNIST's or CIFAR's files",
    )
    p.add_argument("-o", "--output", type=Path, metavar="OUT.png", help="draw the picture")
    p.add_argument("--report", type=Path, metavar="OUT.json", help="write all numbers")
    p.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress")
    g = p.add_argument_group("translations")
    g.add_argument(
        "--layer",
        action="append",
        type=natural,
        metavar="K",
        help="its number in the table of the network; may be given several times, the first is drawn in full",
    )
    g.add_argument("--zeros", action="store_true", help="fill up with zeros (default: periodic)")
    g.add_argument(
        "--orders", type=natural, default=3, metavar="N", help="random orders of each axis (default: 3)"
    )
    g.add_argument("--seed", type=natural, default=0, help="of the orders and the images (default: 0)")
    g = p.add_argument_group("images")
    g.add_argument("--split", choices=("train", "val", "test"), help="default: test where there is one")
    g.add_argument("--images", type=positive, default=100, metavar="N", help="moved (default: 100)")
    g.add_argument(
        "--among", type=positive, default=2000, metavar="N", help="nearest are sought among (default: 2000)"
    )
    g.add_argument(
        "--examples", type=positive, default=4, metavar="N", help="drawn with their nearest (default: 4)"
    )
    g.add_argument(
        "--shape", nargs=2, type=positive, metavar=("H", "W"), help="resize images, as in training"
    )
    g.add_argument("--key", help="array of images in an .npz")
    g.add_argument("--label", help="array of labels in an .npz")
    g = p.add_argument_group("computing")
    g.add_argument("--backend", metavar="NAME", help="framework that computes (see groupscat info)")
    g.add_argument("--device", help="where, for example cuda:1 (default: the backend's own)")
    p.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from groupscat import nn
    from groupscat.classify.model import check_output, write_file
    from groupscat.nn.symmetry import attribute_layers, earlier_layer, images_passed, last_layer

    a = arguments
    for path in (a.output, a.report):
        if path is not None:
            check_output(path, a.overwrite)
    backend, bars = backend_named(a.backend), progress(a.quiet)
    model = nn.load(a.model, backend.name, a.device)
    layers = a.layer or [last_layer(model.spec)]
    if a.layer is None:
        earlier = earlier_layer(model.spec, layers[0])
        layers += [] if earlier is None else [earlier]
    data, numbers = _images(a, model)
    precision = next(map(backend.dtype, model.arrays().values()), "float32")
    images = data.batch(slice(None), precision)
    x = backend.put(images, precision, a.device)
    rows, known = range(min(a.images, len(data))), attribute_layers(model.spec)
    found = []
    for layer in layers:
        total = images_passed(known[layer], len(data), len(rows), a.orders) if layer in known else 0
        with bars.counter(total, "image", f"layer {layer}") as counter:
            found.append(
                nn.symmetries(
                    model,
                    x,
                    data.y,
                    layer,
                    rows=rows,
                    periodic=not a.zeros,
                    orders=a.orders,
                    seed=a.seed,
                    advance=counter.advance,
                )
            )
    print("\n\n".join(map(str, found)))
    if a.report is not None:
        write_file(a.report, json.dumps(_report(a, data, numbers, found), indent=1).encode())
    if a.output is not None:
        write_file(a.output, _picture(a, data, images, found))
    return OK


def _images(a: argparse.Namespace, model: Model) -> tuple[Dataset, NDArray[Any]]:
    """Images in random order, with the labels of the model's outputs; and where in the data they are."""
    from groupscat.datasets import dataset_splits, open_dataset

    split = a.split or ("test" if "test" in dataset_splits(a.data) else "train")
    shape = None if a.shape is None else tuple(a.shape)
    data = open_dataset(a.data, split, key=a.key, label=a.label, shape=shape)
    if data.shape != model.spec.input_shape:
        raise DataError(
            f"{data!r} does not fit {model.spec!r}: expected images of the shape {model.spec.input_shape}; "
            "--shape resizes them."
        )
    if model.classes and data.classes != model.classes:
        data = data.matched(model.classes)
    numbers = np.random.default_rng(a.seed).permutation(len(data))[: a.among]
    return data.subset(numbers), numbers


def _report(
    a: argparse.Namespace, data: Dataset, numbers: NDArray[Any], found: list[Symmetries]
) -> dict[str, Any]:
    """The numbers of images in ``layers`` count ``images``, which are rows of the data."""
    return {
        "model": printable(a.model),
        "data": data.name,
        "images": numbers.tolist(),
        "class_names": list(data.classes),
        "periodic": not a.zeros,
        "seed": a.seed,
        "layers": [each.report() for each in found],
    }


def _picture(a: argparse.Namespace, data: Dataset, images: NDArray[Any], found: list[Symmetries]) -> bytes:
    from groupscat.plot import symmetries

    drawable = images.ndim == 4 and images.shape[1] in (1, 3)
    figure = symmetries(found, images if drawable else None, names=data.classes, examples=a.examples)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
