"""Spoken digits: ``python -m benchmarks.spoken_digits [--transform 1d|jtfs] [--data DIR] [--report]``.

Free Spoken Digit Dataset (3,000 clips of 6 speakers, 8 kHz): its official split, and leaving one speaker out,
which asks for invariance to the voice. Scattering in time, or joint time-frequency scattering; logarithm,
mean over time, logistic regression; its C is chosen by cross-validation on the training clips.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import groupscat as gs
from benchmarks.digits import features, load, peak_memory, say, timed, total
from benchmarks.report import facts, write_chapter
from benchmarks.tables import table

Array = NDArray[Any]

#: Accuracy in per cent: the official split as published for this recipe, the other as a reference run.
PUBLISHED = {
    "1d": {"official split": 98.0, "leave one speaker out": 52.0},
    "jtfs": {"leave one speaker out": 68.0},
}
#: Chapters of the report.
TITLES = {"1d": "Spoken digits", "jtfs": "Spoken digits, time-frequency scattering"}
C = (0.01, 0.1, 1.0, 10.0)
#: Added before the logarithm; clips have their largest sample at 1.
FLOORS = (1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class Clips:
    """The logarithms, meaned over time, (n, paths) for each floor; labels and speakers."""

    logs: dict[float, Array]
    label: Array
    speaker: Array

    def accuracy(self, test: Array, by_speaker: bool, seed: int) -> tuple[float, str]:
        """Accuracy on the test rows, and the parameters that cross-validation chose on the others.

        ``by_speaker``: its folds leave whole speakers out, as the test does.
        """
        train = np.flatnonzero(~test)
        y = self.label[train]
        shuffled = StratifiedKFold(5, shuffle=True, random_state=seed)
        splits = (
            GroupKFold(5).split(train, y, self.speaker[train]) if by_speaker else shuffled.split(train, y)
        )
        folds = list(splits)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        found = {}
        for floor, x in self.logs.items():
            search = GridSearchCV(model, {"logisticregression__C": C}, cv=folds)
            found[floor] = search.fit(x[train], y)
        floor = max(found, key=lambda key: found[key].best_score_)
        chosen = f"C {found[floor].best_params_['logisticregression__C']:g}, floor {floor:g}"
        return float(found[floor].score(self.logs[floor][test], self.label[test])), chosen


def operator(transform: str, size: int, rate: float) -> gs.Scattering1D | gs.TimeFrequencyScattering:
    """The transform of clips of ``size`` samples."""
    if transform == "jtfs":
        return gs.TimeFrequencyScattering(J=8, J_fr=3, shape=size, Q=8, sampling_rate=rate)
    return gs.Scattering1D(J=8, shape=size, Q=12, sampling_rate=rate)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spoken_digits", description=__doc__)
    parser.add_argument("--data", help="folder that holds fsdd.npz (default: GROUPSCAT_DATA)")
    parser.add_argument("--transform", choices=list(TITLES), default="1d", help="default: 1d")
    parser.add_argument("--backend", default="torch", help="that computes the features (default: torch)")
    parser.add_argument("--seed", type=int, default=0, help="of the folds (default: 0)")
    parser.add_argument("--report", action="store_true", help="write the table into benchmarks/report.md")
    a = parser.parse_args()
    z = load("fsdd", a.data)
    spent: dict[str, float] = {}
    x = z["x"] / np.maximum(np.abs(z["x"]).max(axis=1, keepdims=True), 1e-9)
    S = operator(a.transform, x.shape[-1], float(z["rate"]))
    with timed(spent, "features"):
        y = features(S, x, gs.get_backend(a.backend), "clips", size=100)
    # Order 0, the mean of the clip, is left out.
    logs = {floor: np.log(np.maximum(y[:, 1:], 0) + floor).mean(-1) for floor in FLOORS}
    clips = Clips(logs, z["y"], z["speaker"])
    cases = [("official split", z["is_test"])]
    cases += [(f"without {name}", z["speaker"] == k) for k, name in enumerate(z["speaker_names"])]
    rows, found = [], []
    for name, test in cases:
        with timed(spent, "official split" if not found else "speakers"):
            accuracy, chosen = clips.accuracy(test, bool(found), a.seed)
        found.append(accuracy)
        rows.append([name, f"{test.sum()}", f"{100 * accuracy:.1f}", chosen])
        say(" ".join(rows[-1]))
    mean = float(np.mean(found[1:]))
    rows.append(["leave one speaker out, mean", f"{len(z['y'])}", f"{100 * mean:.1f}", ""])
    for row, key in ((rows[0], "official split"), (rows[-1], "leave one speaker out")):
        if known := PUBLISHED[a.transform].get(key):
            row += [f"{known:.0f}", f"{float(row[2]) - known:+.1f}"]
    rows = [row + [""] * (6 - len(row)) for row in rows]
    header = ["test clips", "clips", "accuracy, %", "chosen", "published", "difference"]
    text = "\n\n".join(
        [
            facts(
                "benchmarks.spoken_digits"
                + " --transform jtfs" * (a.transform == "jtfs")
                + " --report" * a.report,
                seed=str(a.seed),
            ),
            f"Free Spoken Digit Dataset, clips over their largest sample. Features: `{S!r}` on {a.backend}, "
            f"float32: orders 1 and 2, logarithm, mean over time, {len(S.paths) - 1} per clip. Logistic "
            f"regression; C of {C} and what is added before the logarithm of {FLOORS} by 5-fold "
            "cross-validation on the training clips (where a speaker is left out: on whole speakers).",
            table(header, rows),
            f"Time: {total(spent)}; peak memory {peak_memory()}.",
        ]
    )
    print(text)
    if a.report:
        write_chapter(TITLES[a.transform], text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
