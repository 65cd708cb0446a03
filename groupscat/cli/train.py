"""``groupscat train``."""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groupscat.cli import options
from groupscat.cli.common import OK, RAW, differentiating, natural, positive, progress, say
from groupscat.errors import ArgumentError

if TYPE_CHECKING:
    from groupscat.training import Dataset, Recipe, Schedule

EPILOG = """examples:
  groupscat train --model hcnn --data cifar-10-batches-py/ -o hcnn      as published: 320 epochs
  groupscat train --model hcnn --option K=8 --data photos/ --shape 32 32 --epochs 20 -o photos
  groupscat train --model scattering_linear --data mnist/ --per-class 100 --optimiser adam --rate 0.001 -o few
  groupscat train --model hcnn/model.safetensors --data more.npz -o further --backend tensorflow
  torchrun --nproc-per-node 2 -m groupscat.cli train --model hcnn --data cifar.npz -o two --device cuda
  groupscat train --list                                                the networks by name

what --data may be:
  a folder of class folders of images, also below train/ and test/ or val/; an .npz with x_train, y_train,
  x_test, y_test, or x and y; the standard files of MNIST (and its likes) or of CIFAR-10 and -100, a folder or
  their .tar.gz

what is in the folder FOLDER:
  model.safetensors        the network, for groupscat predict and groupscat.load
  best.safetensors         the one with the smallest error on the validation data, if there are any
  checkpoint.safetensors   where it stands: the same command goes on from there after an interruption
  metrics.csv, curve.png   what was measured, an epoch a row; events/ for TensorBoard (--tensorboard)
  report.json              everything that was given and came out, in the end

Nothing is chosen by the test data; they are scored once, in the end.
"""
#: Options that say nothing about the result; a file has none of them.
OUTSIDE = ("help", "output", "overwrite", "quiet", "config", "list", "dry_run")


def add(commands: Any) -> None:
    """The parser of the command."""
    p = commands.add_parser(
        "train",
        help="train a network on labelled images or arrays",
        description="Train a network on labelled images or arrays, in any framework that differentiates.",
        epilog=EPILOG,
        formatter_class=RAW,
    )
    p.add_argument(
        "--model", metavar="NAME|FILE", help="a network by name, FILE.safetensors to go on from, or FILE.json"
    )
    p.add_argument(
        "--option", action="append", default=[], metavar="K=16", help="of a network by name; repeat it"
    )
    p.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="for all that is written")
    p.add_argument("--overwrite", action="store_true", help="begin anew, whatever FOLDER holds")
    p.add_argument(
        "--config", type=Path, metavar="FILE", help="options from a TOML or JSON file; the command line wins"
    )
    p.add_argument("--list", action="store_true", help="show the networks by name, and end")
    p.add_argument("--dry-run", action="store_true", help="show the network and the recipe, and end")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress, the test error only")
    _data(p.add_argument_group("data"))
    _recipe(p.add_argument_group("recipe (default: as published with the network, else 30 epochs of SGD)"))
    _running(p.add_argument_group("running"))
    p.set_defaults(command=run, actions=[action for action in p._actions if action.dest not in OUTSIDE])


def _data(g: Any) -> None:
    g.add_argument("--data", type=Path, nargs="+", metavar="PATH", help="what to train on")
    g.add_argument(
        "--test",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="what to test on (default: the test split of --data)",
    )
    g.add_argument(
        "--validation",
        type=float,
        metavar="F",
        help="share of each class to hold out and score after every epoch",
    )
    g.add_argument(
        "--per-class", type=positive, metavar="N", help="train on so many of each class, drawn by the seed"
    )
    g.add_argument("--shape", nargs=2, type=positive, metavar=("H", "W"), help="resize images")
    g.add_argument(
        "--colour",
        choices=("rgb", "grey", "yuv"),
        help="of images in folders (default: rgb); yuv: tell groupscat predict too",
    )
    g.add_argument("--key", metavar="NAME", help="array of signals in an .npz")
    g.add_argument("--label", metavar="NAME", help="array of labels in an .npz, coarse_labels of CIFAR-100")
    g.add_argument(
        "--raw", action="store_true", help="do not standardise channels by the training data first"
    )


def _recipe(g: Any) -> None:
    g.add_argument("--epochs", type=positive, metavar="N", help="schedules are stretched to them")
    g.add_argument("--batch-size", type=positive, metavar="N", help="signals of a step, over all processes")
    g.add_argument("--optimiser", choices=("sgd", "adam"))
    g.add_argument("--momentum", type=float, metavar="M", help="of sgd (0.9, Nesterov's)")
    g.add_argument("--rate", type=float, metavar="R", help="of learning, at its largest")
    g.add_argument("--schedule", choices=("cosine", "constant"), help="of the rate")
    g.add_argument("--warmup", type=float, metavar="F", help="share of the training in which a cosine rises")
    g.add_argument(
        "--decay",
        type=float,
        metavar="D",
        help="of weights: half their square norm times D is added to the loss",
    )
    g.add_argument("--smoothing", type=float, metavar="F", help="share of a label given to all classes alike")
    g.add_argument(
        "--flip", action=argparse.BooleanOptionalAction, default=None, help="reverse every second image"
    )
    g.add_argument(
        "--shift", type=_shift, metavar="N|F", help="move images by up to N pixels, or a share F of them"
    )
    g.add_argument("--pad", choices=("zeros", "reflect", "edge"), help="what comes in from outside then")
    g.add_argument(
        "--precision", choices=("float32", "float64", "bfloat16"), help="bfloat16: mixed, on a GPU"
    )
    g.add_argument("--seed", type=natural, metavar="N", help="of everything random (0)")


def _running(g: Any) -> None:
    g.add_argument("--backend", metavar="NAME", help="torch, tensorflow or jax (default: see groupscat info)")
    g.add_argument("--device", help="where, for example cuda:1 (default: the backend's own)")
    g.add_argument(
        "--minutes", type=float, default=10.0, metavar="M", help="between checkpoints in an epoch (10)"
    )
    g.add_argument(
        "--precompute",
        type=natural,
        metavar="N",
        help="compute scattering at the front once, of N augmented versions of each signal; 0: in every step "
        "(default: once, if nothing is augmented and it fits)",
    )
    g.add_argument("--test-each-epoch", action="store_true", help="for the curve; nothing is chosen by it")
    g.add_argument("--tensorboard", action="store_true", help="write events to FOLDER/events")
    g.add_argument("--no-figure", action="store_true", help="draw no curve")


def run(arguments: argparse.Namespace) -> int:
    from groupscat import nn

    a = arguments
    first = not int(os.environ.get("RANK", 0))  # of several processes one speaks
    a.quiet = a.quiet or not first
    if a.list:
        print(_listed(nn.PUBLISHED))
        return OK
    if a.config is not None:
        options.fill(a, a.config, a.actions)
    for name in ("model", "data", "output"):
        if not getattr(a, name) and not (name == "output" and a.dry_run):
            raise ArgumentError(f"--{name} is missing. See groupscat train --help.")
    from groupscat.training import train
    from groupscat.training.prepare import network_for, standardised

    bars = progress(a.quiet)
    data, validation, test = _opened(a, bars)
    network = network_for(a.model, data, dict(map(_option, a.option)))
    if isinstance(network, nn.Network) and not a.raw:
        network = standardised(network, data)
    recipe = recipe_of(a)
    if not a.quiet or a.dry_run:
        print(f"{data}\n{network if isinstance(network, nn.Network) else network.spec}\n{_written(recipe)}")
    if a.dry_run:
        return OK
    begun = time.perf_counter()
    try:
        result = train(
            network, data, recipe, validation=validation, test=test, test_each_epoch=a.test_each_epoch,
            output=a.output, overwrite=a.overwrite, backend=differentiating(a.backend), device=a.device,
            minutes=a.minutes, precompute=a.precompute, tensorboard=a.tensorboard, curve=_drawn(a),
            about={} if a.colour is None else {"colour": a.colour},
            progress=bars, note=_note if first else lambda text: None,
        )  # fmt: skip
    except KeyboardInterrupt:
        say(f"The same command{', without --overwrite,' * a.overwrite} goes on from {a.output}.")
        raise
    if first:
        _report(a, data, recipe, result, test, time.perf_counter() - begun)
    return OK


def _note(text: str) -> None:
    say(f"note: {text}")


def _drawn(a: argparse.Namespace) -> bool:
    """Whether there will be a picture; a note where matplotlib is missing."""
    if a.no_figure:
        return False
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        _note('no curve. Pictures need matplotlib: pip install "groupscat[plot]"')
        return False
    return True


def _opened(a: argparse.Namespace, bars: Any) -> tuple[Dataset, Dataset | None, Dataset | None]:
    """The data to train on, to validate and to test on."""
    from groupscat.training import dataset_splits, open_dataset

    shape = None if a.shape is None else tuple(a.shape)
    how = {"label": a.label, "colour": a.colour, "shape": shape, "progress": bars}
    data, validation, test = open_dataset(a.data, key=a.key, **how), None, None
    splits = dataset_splits(a.data)
    if a.test is not None:
        test = open_dataset(a.test, "test" if "test" in dataset_splits(a.test) else "train", key=a.key, **how)
    elif "test" in splits:
        test = open_dataset(a.data, "test", **how)
    seed = a.seed or 0
    if a.validation is not None:
        data, validation = data.split(a.validation, seed)
    elif "val" in splits:
        validation = open_dataset(a.data, "val", **how)
    return data if a.per_class is None else data.per_class(a.per_class, seed), validation, test


def recipe_of(a: argparse.Namespace) -> Recipe:
    """The recipe published with the network, with what the command line changes."""
    from groupscat.training import RECIPES, SGD, Adam, Augment, Recipe

    recipe = RECIPES.get(str(a.model), Recipe())
    given = {
        name: getattr(a, name)
        for name in ("epochs", "batch_size", "decay", "smoothing", "precision", "seed")
        if getattr(a, name) is not None
    }
    if a.momentum is not None and a.optimiser == "adam":
        raise ArgumentError(f"--momentum {a.momentum}: of sgd; adam has none.")
    if a.optimiser == "adam":
        given["optimiser"] = Adam()
    elif a.optimiser is not None or a.momentum is not None:
        sgd = recipe.optimiser if isinstance(recipe.optimiser, SGD) else SGD()
        given["optimiser"] = sgd if a.momentum is None else replace(sgd, momentum=a.momentum)
    given["schedule"] = _schedule(a, recipe)
    changed = {name: getattr(a, name) for name in ("flip", "shift", "pad") if getattr(a, name) is not None}
    if changed:
        augment = replace(recipe.augment or Augment(flip=False), **changed)
        given["augment"] = augment if augment.flip or augment.shift else None
    return replace(recipe, **given)


def _schedule(a: argparse.Namespace, recipe: Recipe) -> Schedule:
    from groupscat.training import Cosine, Steps

    before = recipe.schedule
    peak = (
        before.peak if isinstance(before, Cosine) else max(before.rates) if isinstance(before, Steps) else 0.1
    )
    rate = a.rate
    if rate is None:
        rate = 1e-3 if a.optimiser == "adam" else peak
    if a.schedule == "constant":
        if a.warmup is not None:
            raise ArgumentError(f"--warmup {a.warmup}: of a cosine; this rate is constant.")
        return Steps((rate,), ())
    if a.schedule == "cosine" or a.warmup is not None or isinstance(before, Cosine):
        return Cosine(rate, a.warmup or 0.0)
    return (
        Steps(tuple(r * rate / peak for r in before.rates), before.at)
        if isinstance(before, Steps)
        else before
    )


def _shift(text: str) -> int | float:
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected pixels, or a share such as 0.125") from None


def _option(text: str) -> tuple[str, Any]:
    """K=16 as a name and a value, which is JSON or text.

    >>> _option("attributes=[5, 7]"), _option("method=direct")
    (('attributes', [5, 7]), ('method', 'direct'))
    """
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise ArgumentError(f"--option {text}: expected NAME=VALUE, such as K=16.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _listed(published: Any) -> str:
    """The networks by name, with the first line of what they are."""
    width = max(map(len, published))
    return "\n".join(
        f"{name:<{width}}  {(build.__doc__ or '').partition(chr(10))[0]}" for name, build in published.items()
    )


def _written(recipe: Recipe) -> str:
    shown = ", ".join(f"{name} {value}" for name, value in vars(recipe).items() if value is not None)
    return f"recipe: {shown}"


def _report(
    a: argparse.Namespace, data: Dataset, recipe: Recipe, result: Any, test: Dataset | None, seconds: float
) -> None:
    """Say how it went, and write all of it down."""
    import numpy as np

    from groupscat.classify.model import versions, write_file
    from groupscat.classify.scores import Scores
    from groupscat.nn import to_config
    from groupscat.training.recipe import to_data

    report = {
        "network": to_config(result.model.spec),
        "parameters": result.model.spec.size,
        "recipe": to_data(recipe),
        "data": {
            "name": data.name,
            "signals": len(data),
            "classes": data.classes,
            "sha256": data.fingerprint,
        },
        "epochs": result.rows,
        "seconds": round(seconds, 1),
        "versions": versions(),
    }
    if result.test is not None and test is not None:
        classes = result.model.classes
        k = len(classes)
        truth = test.y if test.classes == classes else test.matched(classes).y
        counted = Scores.of(truth, result.test.predicted, np.arange(k))
        scores = Scores(np.array(classes), counted.confusion)
        report |= {"test": {"loss": result.test.loss, **scores.as_dict()}}
        print(scores.summary() if a.quiet else f"{scores.summary()}\n\n{scores.table()}")
        if _drawn(a):
            from groupscat.classify.figure import confusion_figure

            buffer = io.BytesIO()
            confusion_figure(scores).savefig(buffer, format="png")
            write_file(a.output / "confusion.png", buffer.getvalue())
    write_file(a.output / "report.json", (json.dumps(report, indent=1) + "\n").encode())
    if not a.quiet:
        written = sorted(path.name for path in a.output.iterdir() if not path.name.startswith("."))
        print(f"{a.output}: {', '.join(written)}: {seconds:.1f} s")
