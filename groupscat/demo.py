"""``groupscat demo``: scattering against raw pixels on handwritten digits, where labels are few."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import groupscat as gs
from groupscat.backend import Backend
from groupscat.errors import DataError

#: Training images in all; the other 797 of 1,797 are the test set.
TRAINING = 1000
#: Sizes of the training subsets, and how many random subsets of each are averaged over.
SIZES = {50: 5, 200: 3, TRAINING: 1}
FOLDS = 5
#: Support vector machine with a Gaussian kernel on standardised features; gamma is over their number.
GRID = {"C": (2.0, 20.0), "gamma": (0.25, 1.0)}
#: What cross-validation chooses from. A digit lies on a black ground, so zeros extend it; an 8x8 image has no
#: room for J > 2, nor for an average much wider than a stroke, so the outputs lie 2 pixels apart.
CANDIDATES: tuple[dict[str, Any], ...] = (
    {"J": 1, "L": 8, "max_order": 1, "padding": "zero"},
    {"J": 2, "L": 8, "max_order": 1, "stride": 2, "padding": "zero"},
    {"J": 2, "L": 4, "max_order": 2, "stride": 2, "padding": "zero"},
)
#: What the pictures show.
PICTURED: dict[str, Any] = {"J": 2, "L": 8, "max_order": 2, "padding": "zero"}


@dataclass(frozen=True)
class Score:
    """Test accuracies (fractions) of both features for one training size, one per random subset."""

    size: int
    pixels: tuple[float, ...]
    scattering: tuple[float, ...]
    chosen: tuple[int, ...]


def run_demo(
    output: Path, backend: Backend, seed: int = 0, sizes: Mapping[int, int] | None = None
) -> list[Score]:
    """Compare, print the summary and draw the pictures into ``output``.

    Parameters
    ----------
    output : folder, made if it does not exist. seed : of the split and of the training subsets.
    sizes : training sizes (multiples of 10, at least 50) and the number of subsets of each.

    Raises
    ------
    DataError : the folder cannot be made. ImportError : an optional package is missing; the extra is named.
    """
    begun = time.perf_counter()
    images, labels = digits()
    _need_matplotlib()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"Cannot make the folder {output}: {error.strerror}.") from error
    train, test = split(labels, seed)
    print(
        f"{len(images)} handwritten digits of 8x8 pixels (scikit-learn): {len(train)} to train on, "
        f"{len(test)} to test on, seed {seed}, backend {backend.name}."
    )
    scores = compare(images, labels, train, test, backend, seed, SIZES if sizes is None else sizes)
    print(summary(scores, len(test)))
    pictures = draw(output, images[int(train[0])], backend, scores)
    record = {
        "seed": seed,
        "test": len(test),
        "candidates": CANDIDATES,
        "scores": [asdict(s) for s in scores],
    }
    (output / "scores.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"Pictures in {output}: {', '.join(pictures)}; all accuracies in scores.json.")
    print(f"{time.perf_counter() - begun:.1f} s.")
    return scores


def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The images, shape (1797, 8, 8), values in [0, 1], and their labels.

    Raises
    ------
    ImportError : scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError('The demo needs scikit-learn: pip install "groupscat[sklearn]"') from error
    data = load_digits()
    return (data.images / 16).astype(np.float32), data.target.astype(np.int64)


def split(labels: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train and to test on, the classes in equal proportions in both."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(labels))
    train, test = train_test_split(rows, train_size=TRAINING, stratify=labels, random_state=seed)
    return train, test


def subset(
    labels: NDArray[np.int64], rows: NDArray[np.int64], size: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """``size`` of the rows, as many of each class; all rows if that is how many there are."""
    if size == len(rows):
        return rows
    classes = np.unique(labels)
    per_class = size // len(classes)
    return np.concatenate([random.choice(rows[labels[rows] == c], per_class, replace=False) for c in classes])


def compare(
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    backend: Backend,
    seed: int,
    sizes: Mapping[int, int],
) -> list[Score]:
    """Both features, same subsets, same classifier; everything is chosen on the subset at hand."""
    pixels = images.reshape(len(images), -1)
    candidates = [features(images, arguments, backend) for arguments in CANDIDATES]
    random = np.random.default_rng(seed)
    scores = []
    for size, repeats in sizes.items():
        found: list[tuple[float, float, int]] = []
        for _ in range(repeats):
            rows = subset(labels, train, size, random)
            fits = [fit(x[rows], labels[rows], seed) for x in candidates]
            best = int(np.argmax([fitted.best_score_ for fitted in fits]))
            plain = fit(pixels[rows], labels[rows], seed)
            found.append(
                (
                    float(plain.score(pixels[test], labels[test])),
                    float(fits[best].score(candidates[best][test], labels[test])),
                    best,
                )
            )
        raw, scattered, chosen = zip(*found, strict=True)
        scores.append(Score(size, raw, scattered, chosen))
    return scores


def features(
    images: NDArray[np.float32], arguments: Mapping[str, Any], backend: Backend
) -> NDArray[np.float32]:
    """Scattering coefficients of all images, flat, shape (n, paths · grid)."""
    S = gs.Scattering2D(shape=images.shape[1:], **arguments)
    y = backend.to_numpy(S(backend.put(images, "float32", None)))
    return np.asarray(y.reshape(len(images), -1))


def fit(x: NDArray[np.float32], labels: NDArray[np.int64], seed: int) -> Any:
    """The classifier, its parameters chosen by cross-validation on the rows it is given."""
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    grid = {"svc__C": GRID["C"], "svc__gamma": [g / x.shape[1] for g in GRID["gamma"]]}
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    pipeline = Pipeline([("scale", StandardScaler()), ("svc", SVC())])
    return GridSearchCV(pipeline, grid, cv=folds).fit(x, labels)


def summary(scores: Sequence[Score], test: int) -> str:
    """The accuracies as a table, and in words which features did better."""
    lines = [
        "",
        "Test accuracy, %; the same classifier (SVM, Gaussian kernel) and the same protocol for both:",
        f"{'training images':>16} {'subsets':>8} {'raw pixels':>13} {'scattering':>13} {'difference':>11}",
    ]
    ahead: list[int] = []
    behind: list[int] = []
    for score in scores:
        raw, scattered = 100 * np.array(score.pixels), 100 * np.array(score.scattering)
        difference = float((scattered - raw).mean())
        (ahead if difference > 0 else behind).append(score.size)
        lines.append(
            f"{score.size:>16} {len(raw):>8} {_mean(raw):>13} {_mean(scattered):>13} {difference:>+11.1f}"
        )
    error = 100 * (np.mean(scores[-1].pixels) * (1 - np.mean(scores[-1].pixels)) / test) ** 0.5
    verdict = []
    if ahead:
        verdict.append(f"Scattering is ahead with {_listed(ahead)} training images")
    if behind:
        verdict.append(f"raw pixels are as good or better with {_listed(behind)}")
    text = "; ".join(verdict)
    lines += [
        text[0].upper() + text[1:] + ".",
        f"(± is the spread over subsets. With {test} test images an accuracy like the last row's has a "
        f"standard error of {error:.1f}.",
        f"All parameters, for scattering also one of {len(CANDIDATES)} settings, are chosen by {FOLDS}-fold "
        "cross-validation on the training subset.)",
    ]
    return "\n".join(lines)


def draw(output: Path, image: NDArray[np.float32], backend: Backend, scores: Sequence[Score]) -> list[str]:
    """The pictures as PNG files; their names."""
    from groupscat import plot

    S = gs.Scattering2D(shape=image.shape, **PICTURED)
    y = S(backend.put(image, "float32", None))
    figures = {
        "filters.png": plot.filters(S),
        "littlewood_paley.png": plot.littlewood_paley(S),
        "scattering_disk.png": plot.scattering_disk(S, y, image),
        "accuracy.png": _curve(scores),
    }
    for name, figure in figures.items():
        figure.savefig(output / name)
    return list(figures)


def _curve(scores: Sequence[Score]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3.8), layout="constrained", dpi=120)
    ax = figure.subplots()
    sizes = [score.size for score in scores]
    for name, colour in (("pixels", "0.45"), ("scattering", "tab:blue")):
        values = [100 * np.array(getattr(score, name)) for score in scores]
        label = "raw pixels" if name == "pixels" else name
        ax.errorbar(
            sizes,
            [v.mean() for v in values],
            [v.std() for v in values],
            marker="o",
            capsize=3,
            color=colour,
            label=label,
        )
    ax.set_xscale("log")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="training images", ylabel="test accuracy, %", title="Handwritten digits, SVM")
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    return figure


def _need_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401 -- before the computing, not after it
    except ImportError as error:
        raise ImportError('The demo draws with matplotlib: pip install "groupscat[plot]"') from error


def _mean(values: NDArray[np.float64]) -> str:
    return f"{values.mean():.1f} ± {values.std():.1f}" if len(values) > 1 else f"{values.mean():.1f}"


def _listed(sizes: Sequence[int]) -> str:
    *first, last = map(str, sizes)
    return f"{', '.join(first)} and {last}" if first else last
