"""``groupscat classify``."""

from __future__ import annotations

import argparse
import io
import json
import time
from pathlib import Path
from typing import Any

from groupscat.classify.methods import METHODS, NORMALIZATIONS
from groupscat.cli.common import OK, RAW, natural, positive, say

EPILOG = """examples:
  groupscat classify photos.npz                                  error and picture; labels: folder names
  groupscat classify photos.npz --method svm -o model.skops --report photos.json
  groupscat classify train.npz --test test.npz --method affine-pca --labels y
  groupscat classify clips.npz --labels digit --group speaker --log    leave one speaker out
  groupscat classify photos.npz --labels labels.csv              columns name,label

Normalisation and parameters (C, gamma, dimension) are chosen by cross-validation on training rows only;
the test rows are used once. Seeds fixed, the same features give the same numbers.
"""


def add(commands: Any) -> None:
    """The parser of the command."""
    p = commands.add_parser(
        "classify",
        help="train and test a classifier on features",
        description="Train a classifier on what groupscat features wrote, test it on rows it has not seen, "
        "print its error with a 95 % interval, confusion matrix and per-class table, draw the picture.",
        epilog=EPILOG,
        formatter_class=RAW,
    )
    p.add_argument("features", type=Path, metavar="FEATURES", help="what groupscat features wrote")
    p.add_argument("-o", "--output", type=Path, metavar="MODEL.skops", help="save the fitted pipeline")
    p.add_argument("--report", type=Path, metavar="FILE.json", help="save all results")
    p.add_argument(
        "--figure", type=Path, metavar="FILE.png", help="the picture (default: FEATURES-METHOD.png, here)"
    )
    p.add_argument("--no-figure", action="store_true", help="draw nothing")
    p.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    p.add_argument("-q", "--quiet", action="store_true", help="print the error only")
    g = p.add_argument_group("labels")
    g.add_argument(
        "--labels",
        metavar="NAME|FILE",
        help="a label array of FEATURES, a .csv of name,label, or a .npy "
        "(default: the only array, or label, y, target, class, folder)",
    )
    g = p.add_argument_group("test rows (one of)")
    which = g.add_mutually_exclusive_group()
    which.add_argument(
        "--test-fraction", type=float, metavar="F", help="of each class, at random (default: 0.2)"
    )
    which.add_argument("--test", type=Path, metavar="FEATURES", help="another file, same configuration")
    which.add_argument("--split", metavar="NAME", help="label array of train and test (or 0 and 1)")
    which.add_argument("--group", metavar="NAME", help="label array: leave one group out, for each group")
    g.add_argument("--test-labels", metavar="NAME|FILE", help="labels of --test (default: as --labels)")
    g = p.add_argument_group("classifier")
    g.add_argument("--method", choices=list(METHODS), default="logistic", help="default: logistic")
    g.add_argument("--log", action="store_true", help="log(|S| + 1e-6) of the coefficients")
    g.add_argument("--pool", action="store_true", help="mean over the grid (after --log)")
    g.add_argument(
        "--normalize",
        choices=NORMALIZATIONS,
        help="features to variance 1, or paths by their largest norm (default: path for affine-pca, "
        "else standard)",
    )
    g.add_argument(
        "--tune-on",
        type=positive,
        default=10_000,
        metavar="N",
        help="most training rows that cross-validation takes (default: 10000)",
    )
    g.add_argument("--folds", type=positive, default=5, help="of the cross-validation (default: 5)")
    g.add_argument("--seed", type=natural, default=0, help="of split and folds (default: 0)")
    p.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from groupscat.classify import Options, Protocol, Settings, classify
    from groupscat.classify.methods import need_sklearn
    from groupscat.classify.model import check_output, write_file
    from groupscat.classify.run import described
    from groupscat.data.store import read_features
    from groupscat.errors import ArgumentError

    a = arguments
    begun = time.perf_counter()
    need_sklearn()
    if a.test_labels is not None and a.test is None:
        raise ArgumentError("--test-labels belongs to --test.")
    if a.folds < 2:
        raise ArgumentError(f"--folds {a.folds}: expected an integer >= 2.")
    figure = a.figure or Path(f"{a.features.name.removesuffix(a.features.suffix)}-{a.method}.png")
    for path in (a.output, a.report, a.figure):
        if path is not None:
            check_output(path, a.overwrite)
    result = classify(
        read_features(a.features),
        labels=a.labels,
        options=Options(a.log, a.pool),
        settings=Settings(a.method, a.normalize, a.tune_on, a.folds, a.seed),
        protocol=Protocol(0.2 if a.test_fraction is None else a.test_fraction, a.split, a.group),
        test=None if a.test is None else read_features(a.test),
        test_labels=a.test_labels,
        advance=(lambda what: None) if a.quiet else lambda what: say(f"{what} ..."),
    )
    print(result.scores.summary() if a.quiet else described(result))
    if a.output is not None:
        result.model.save(a.output, a.overwrite)
    if a.report is not None:
        write_file(a.report, (json.dumps(result.report(), indent=1) + "\n").encode())
    drawn = None if a.no_figure else _draw(result, figure, a.figure is not None)
    if not a.quiet:
        written = [str(path) for path in (a.output, a.report, drawn) if path is not None]
        seconds = time.perf_counter() - begun
        print(f"\n{', '.join(written)}{': ' if written else ''}{seconds:.1f} s")
    return OK


def _draw(result: Any, path: Path, asked: bool) -> Path | None:
    """The picture; without matplotlib a note, unless it was asked for by name."""
    from groupscat.classify.figure import confusion_figure
    from groupscat.classify.model import write_file

    try:
        figure = confusion_figure(result.scores)
    except ImportError as error:
        if asked:
            raise
        say(f"note: no picture. {error}")
        return None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_file(path, buffer.getvalue())
    return path
