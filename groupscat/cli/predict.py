"""``groupscat predict``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groupscat.cli.common import OK, RAW, backend_named, progress, say
from groupscat.errors import ArgumentError

EPILOG = """examples:
  groupscat predict model.skops new.npz -o predictions.csv       features of the same configuration
  groupscat predict model.skops new_photos/ -o predictions.csv   computes the features, as the model's were
  groupscat predict model.skops a.png b.png                      the table on the terminal
  groupscat predict model.safetensors new_photos/ --each         a network that groupscat train has trained
"""


def add(commands: Any) -> None:
    """The parser of the command."""
    p = commands.add_parser(
        "predict",
        help="predict classes with a saved model or network",
        description="Apply what groupscat classify -o saved to features of the same configuration, or to "
        "images, recordings or arrays, whose features are computed as the model's were. Apply a network that "
        "groupscat train saved to images or arrays.",
        epilog=EPILOG,
        formatter_class=RAW,
    )
    p.add_argument("model", type=Path, metavar="MODEL", help="MODEL.skops, or MODEL.safetensors")
    p.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="one file of features, or inputs")
    p.add_argument(
        "-o", "--output", type=Path, metavar="OUT.csv", help="columns name,prediction (default: print them)"
    )
    p.add_argument("--each", action="store_true", help="of a network: the probability of every class")
    p.add_argument("--key", metavar="NAME", help="of a network: the array of signals in an .npz")
    p.add_argument(
        "--colour", choices=("rgb", "grey", "yuv"), help="of a network: of the images (default: as trained)"
    )
    p.add_argument("--overwrite", action="store_true", help="replace OUT.csv if it exists")
    p.add_argument("--skip-bad", action="store_true", help="leave out unreadable inputs")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress and no summary")
    p.add_argument("--backend", metavar="NAME", help="framework that computes (see groupscat info)")
    p.add_argument("--device", help="where, for example cuda:1 (default: the backend's own)")
    p.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from groupscat.classify.model import check_output, write_file

    a = arguments
    if a.output is not None:
        check_output(a.output, a.overwrite)
    of_network = a.model.suffix.lower() == ".safetensors"
    if not of_network and (a.each or a.key or a.colour):
        raise ArgumentError(f"--each, --key and --colour are for networks, .safetensors; got {a.model}.")
    table, count, what, skipped = (_by_network if of_network else _by_features)(a)
    if a.output is None:
        # A terminal or pipe that is not UTF-8 shows other names escaped, rather than none.
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(table.decode().encode(encoding, "backslashreplace").decode(encoding))
    else:
        write_file(a.output, table)
        if not a.quiet:
            print(f"{a.output}: {count} predictions of {what}")
    for item in skipped:
        say(f"skipped {item}")
    return OK


def _by_network(a: argparse.Namespace) -> tuple[bytes, int, str, Sequence[Any]]:
    """The table of a network, its rows, what made it, and what was left out."""
    from groupscat import nn
    from groupscat.training.predict import as_csv, predict, source_for

    bars, backend = progress(a.quiet), backend_named(a.backend)
    model = nn.load(a.model, backend.name, a.device)
    source = source_for(model, a.inputs, a.key, a.skip_bad, bars, a.colour)
    with bars.counter(len(source.names), source.unit, "predicting") as counter:
        names, probabilities = predict(model, source, backend, a.device, counter)
    classes = model.classes or tuple(map(str, range(probabilities.shape[1])))
    return as_csv(names, probabilities, classes, a.each), len(names), repr(model.spec), source.skipped


def _by_features(a: argparse.Namespace) -> tuple[bytes, int, str, Sequence[Any]]:
    """The table of a classifier of features, its rows, what made it, and what was left out."""
    from groupscat.classify import load_model
    from groupscat.classify.predict import as_csv, predict_source, source_of
    from groupscat.data.store import is_store, read_features

    model = load_model(a.model)
    skipped: Sequence[Any] = []
    if any(is_store(path) for path in a.inputs):
        if len(a.inputs) > 1:
            raise ArgumentError(
                f"{a.inputs[0]} and {len(a.inputs) - 1} more: give one file of features at a time."
            )
        store = read_features(a.inputs[0])
        names, predicted = list(store.names), model.predict(store)
    else:
        bars = progress(a.quiet)
        source = source_of(model, a.inputs, a.skip_bad, bars)
        backend = backend_named(a.backend)
        with bars.counter(len(source.names), source.unit) as counter:
            names, predicted = predict_source(model, source, backend, a.device, counter)
        skipped = source.skipped
    return as_csv(names, predicted), len(names), model.about["method"], skipped
