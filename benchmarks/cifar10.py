"""CIFAR-10 with scattering and hierarchical networks: ``python -m benchmarks.cifar10 CASE [--report]``.

Cases: ``linear`` (order 1 and 2), ``mlp``, ``few`` (100, 500, 1000 images, with and without scattering),
``hcnn`` (5,000 images of 16 × 16, three epochs). All by ``groupscat.training.train``, the loop of ``groupscat
train``. ``--choose`` holds out a tenth of the training images and scores on them in place of the test images:
what the recipes below were chosen by. The test images are scored once, at the end. Checkpoints in
``--output``.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.digits import load, peak_memory, say
from benchmarks.report import facts, write_chapter
from benchmarks.tables import table
from groupscat import nn
from groupscat.data.progress import Bars
from groupscat.training import SGD, Adam, Augment, Cosine, Dataset, Recipe, train
from groupscat.training.prepare import standardised

SHIFTED = Augment(flip=True, shift=4, pad="reflect")


@dataclass(frozen=True)
class Case:
    """One row: a network, how it is trained, on how much.

    Parameters
    ----------
    network : for (channels, H, W). images : to train on, a tenth of each class; None: all 50,000. side : of
        the images. versions : augmented ones of which scattering is computed once. published : per cent
        correct, by the paper or code in the title's chapter, with what differs there.
    """

    title: str
    network: Callable[[tuple[int, int, int]], nn.Network]
    recipe: Recipe
    images: int | None = None
    side: int = 32
    versions: int | None = None
    published: str = ""


def linear(max_order: int) -> Callable[[tuple[int, int, int]], nn.Network]:
    return lambda shape: nn.scattering_linear(J=2, input_shape=shape, max_order=max_order)


LINEAR = Recipe(epochs=16, batch_size=256, schedule=Cosine(0.01), decay=0.03, augment=SHIFTED)
MLP = Recipe(epochs=12, optimiser=Adam(), schedule=Cosine(1e-3), decay=0.0, augment=SHIFTED, smoothing=0.1)
HCNN = Recipe(
    epochs=3, batch_size=50, schedule=Cosine(0.1, warmup=0.1), decay=3e-4, augment=Augment(shift=0.125)
)
#: Steps of every training on few images.
STEPS, FEW = 640, Recipe(batch_size=32, optimiser=SGD(), schedule=Cosine(0.1), augment=SHIFTED)


def few(images: int) -> list[Case]:
    """With and without scattering in front of two groups of residual blocks."""
    recipe = replace(FEW, epochs=STEPS // -(-images // FEW.batch_size))
    published = {100: "38", 500: "55", 1000: "62"}[images]
    return [
        Case(
            f"scattering + WRN 12-2, {images}",
            lambda shape: nn.scattering_wrn(depth=12, width=2, input_shape=shape),
            recipe,
            images,
            versions=8,
            published=f"{published} (WRN 12-8)",
        ),
        Case(
            f"WRN 16-2, {images}",
            lambda shape: nn.wide_resnet(depth=16, width=2, input_shape=shape),
            recipe,
            images,
        ),
    ]


CASES: dict[str, tuple[str, list[Case]]] = {
    "linear": (
        "CIFAR-10, scattering + linear",
        [
            Case("order 1", linear(1), LINEAR, versions=8, published="64"),
            Case("order 2", linear(2), LINEAR, versions=4, published="70"),
        ],
    ),
    "mlp": (
        "CIFAR-10, scattering + MLP",
        [
            Case(
                "order 2, 512 and 256 hidden",
                lambda shape: nn.scattering_mlp(J=2, hidden=(512, 256), input_shape=shape),
                MLP,
                versions=4,
                published="83 (3 layers), 85 (5 layers), whitened images",
            )
        ],
    ),
    "few": ("CIFAR-10, few images", [case for images in (100, 500, 1000) for case in few(images)]),
    "hcnn": (
        "CIFAR-10, hierarchical CNN",
        [
            Case(
                "HCNN, K = 16, 102,330 parameters",
                lambda shape: nn.hcnn(input_shape=shape),
                HCNN,
                images=5000,
                side=16,
                published="91.4 (50,000 images of 32 × 32, 320 epochs)",
            )
        ],
    ),
}


def cifar(folder: str | None) -> tuple[Dataset, Dataset]:
    """Training and test images."""
    z = load("cifar10", folder)
    classes = tuple(map(str, z["class_names"]))
    return tuple(  # type: ignore[return-value]
        Dataset(np.moveaxis(z[f"{split}_x"], -1, 1), z[f"{split}_y"].astype(int), classes, 1 / 255, name)
        for split, name in (("train", "CIFAR-10"), ("test", "CIFAR-10 (test)"))
    )


def run(
    case: Case, data: Dataset, test: Dataset, seed: int, a: argparse.Namespace
) -> tuple[float, float, int]:
    """Per cent correct, seconds, parameters."""
    if a.choose:
        data, test = data.split(0.1, seed=0)
    if case.images is not None:
        data = data.per_class(case.images // len(data.classes), seed)
    if case.side != data.shape[1]:
        data, test = data.resized(case.side, case.side, "area"), test.resized(case.side, case.side, "area")
    recipe = replace(case.recipe, seed=seed, **({"epochs": a.epochs} if a.epochs else {}))
    if a.rate:
        recipe = replace(recipe, schedule=replace(recipe.schedule, peak=a.rate))
    if a.decay is not None:
        recipe = replace(recipe, decay=a.decay)
    network = standardised(case.network(data.shape), data)
    what = hashlib.sha256(f"{case.title} {seed} {recipe} {a.choose}".encode()).hexdigest()[:8]
    begun = time.perf_counter()
    result = train(
        network, data, recipe, test=test, backend=a.backend, device=a.device, precompute=case.versions,
        output=None if a.output is None else a.output / f"{a.case}-{what}", progress=Bars(), note=say,
    )  # fmt: skip
    assert result.test is not None
    return 100 * (1 - result.test.error), time.perf_counter() - begun, network.size


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cifar10", description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--data", help="folder that holds cifar10.npz (default: GROUPSCAT_DATA)")
    parser.add_argument("--backend", default="torch", help="(default: torch)")
    parser.add_argument("--device", help="where, for example cuda")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of every row (default: 1)")
    parser.add_argument("--rows", type=int, nargs="+", help="only these, from 0")
    parser.add_argument("--epochs", type=int, help="others than those of the recipe")
    parser.add_argument("--rate", type=float, help="another one than that of the recipe")
    parser.add_argument("--decay", type=float, help="another one than that of the recipe")
    parser.add_argument("--choose", action="store_true", help="train and score on training images alone")
    parser.add_argument("--output", type=Path, help="folder for checkpoints, from which a run goes on")
    parser.add_argument("--report", action="store_true", help="write the table into benchmarks/report.md")
    a = parser.parse_args()
    title, cases = CASES[a.case]
    data, test = cifar(a.data)
    rows = []
    for k, case in enumerate(cases):
        if a.rows is not None and k not in a.rows:
            continue
        found = [run(case, data, test, seed, a) for seed in range(a.seeds)]
        correct = np.array([correct for correct, _, _ in found])
        spread = f" ± {correct.std(ddof=1):.1f}" if a.seeds > 1 else ""
        seconds = float(np.mean([seconds for _, seconds, _ in found]))
        recipe = case.recipe
        rows.append(
            [
                case.title, f"{case.images or len(data):,}", f"{case.side} × {case.side}", f"{found[0][2]:,}",
                str(a.epochs or recipe.epochs), f"{correct.mean():.1f}{spread}", case.published,
                f"{seconds:.0f} s",
            ]
        )  # fmt: skip
        say(" | ".join(rows[-1]))
    head = [
        "network",
        "images",
        "size",
        "parameters",
        "epochs",
        "correct, %",
        "published, %",
        "training and test",
    ]
    text = "\n".join(
        [
            facts(
                f"benchmarks.cifar10 {a.case}" + (f" --seeds {a.seeds}" if a.seeds > 1 else ""),
                data="CIFAR-10, its 10,000 test images scored once; 103 of all images are JPEG copies",
                seeds=", ".join(map(str, range(a.seeds))),
                device=a.device or "CPU",
                memory=peak_memory(),
            ),
            "",
            table(head, rows),
        ]
    )
    print(text)
    if a.report:
        write_chapter(title, text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
