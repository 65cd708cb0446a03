"""KTH-TIPS with scattering features: ``python -m benchmarks.textures [--data DIR] [--quick] [--report]``.

Translation, roto-translation and scale-rotation-translation scattering, log, mean over space and over
rescalings by √2, an affine space per class; 5, 20 and 40 training images of each of the 10 textures, all
others for testing, random splits. The dimension of the spaces is chosen on the training images. Beside them
what is published for translation scattering.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.digits import load, peak_memory, say, timed, total
from benchmarks.report import facts, write_chapter
from benchmarks.tables import table
from groupscat.sklearn import (
    AffinePCAClassifier,
    RescaledMean,
    RotoTranslationScattering2D,
    ScaleRotationTranslationScattering2D,
    Scattering2D,
)
from groupscat.sklearn.recipes import smaller

Array = NDArray[Any]

#: Training images per class, with the published per cent correct.
PUBLISHED = {5: 66.9, 20: 91.4, 40: 96.5}
TRANSFORMERS = {
    "translation": Scattering2D,
    "roto-translation": RotoTranslationScattering2D,
    "scale-rotation-translation": ScaleRotationTranslationScattering2D,
}


def correct(x: Array, y: Array, size: int, split: int) -> float:
    """Per cent of the test images classified correctly, after training on ``size`` of each class."""
    order = np.random.default_rng(split).permutation(len(y))
    rank = np.empty(len(y), np.int64)
    for label in np.unique(y):
        own = order[y[order] == label]
        rank[own] = np.arange(len(own))
    train = rank < size
    model = AffinePCAClassifier(max_dimension=size - 1, cv=min(5, size), random_state=split)
    return 100 * float(model.fit(x[train], y[train]).score(x[~train], y[~train]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.textures", description=__doc__)
    parser.add_argument("--data", help="folder that holds kth_tips.npz (default: GROUPSCAT_DATA)")
    parser.add_argument("--backend", default="torch", help="that computes the features (default: torch)")
    parser.add_argument("--device", help="where, for example cuda")
    parser.add_argument("--splits", type=int, default=10, help="random splits (default: 10)")
    parser.add_argument("--rescalings", type=int, nargs="+", default=[1, 4], help="numbers of sizes (1 4)")
    parser.add_argument("--quick", action="store_true", help="images of half the side, J=4")
    parser.add_argument("--report", action="store_true", help="write the table into benchmarks/report.md")
    a = parser.parse_args()
    z = load("kth_tips", a.data)
    x, y = z["x"].astype(np.float32) / 255, z["y"]
    J = 5
    if a.quick:
        x, J = smaller(x, 2), 4
    spent: dict[str, float] = {}
    rows = []
    for name, transformer in TRANSFORMERS.items():
        make = transformer(J=J, L=8, log=True, pool=True, backend=a.backend, device=a.device)
        for rescalings in a.rescalings:
            with timed(spent, name):
                found = RescaledMean(make, rescalings).fit_transform(x)
            scores = {
                size: [correct(found, y, size, split) for split in range(a.splits)] for size in PUBLISHED
            }
            cells = [f"{np.mean(s):.1f} ± {np.std(s, ddof=1):.1f}" for s in scores.values()]
            rows.append([name, f"{rescalings}", f"{found.shape[1]}", *cells])
            say(" | ".join(rows[-1]))
    rows.append(["translation, published", "", "", *(f"{p}" for p in PUBLISHED.values())])
    header = ["scattering", "sizes", "features", *(f"{size} per class" for size in PUBLISHED)]
    sides = " × ".join(map(str, x.shape[1:]))
    setup = f"{len(x)} images of {sides}, J={J}, L=8, {a.splits} splits."
    command = f"benchmarks.textures{' --quick' * a.quick}"
    run = facts(command, backend=a.backend, time=total(spent), memory=peak_memory())
    text = "\n\n".join([run, setup, table(header, rows)])
    print(text)
    if a.report:
        write_chapter("Textures", text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
