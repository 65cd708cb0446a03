"""The picture of a classification: confusion matrix, and precision and recall per class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from groupscat.classify.scores import Scores
from groupscat.plot.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Counts are written into the cells of matrices up to this size.
WRITTEN = 20


def confusion_figure(scores: Scores, title: str = "") -> Figure:
    """Rows of the matrix are the truth, in percent of each class; beside it, bars for each class.

    Raises
    ------
    ImportError : matplotlib is not installed.
    """
    k = len(scores.classes)
    size = min(12.0, max(4.0, 0.42 * k + 2.0))
    figure = new_figure(None, size + 3.4, size)
    ax, bars = figure.subplots(1, 2, width_ratios=[size, 3.0])
    support = np.maximum(scores.confusion.sum(axis=1, keepdims=True), 1)
    percent = 100 * scores.confusion / support
    image = ax.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    figure.colorbar(image, ax=ax, label="% of the class", shrink=0.7)
    names = [str(c) for c in scores.classes.tolist()]
    step = max(1, k // 40)
    turned = 90 if max(map(len, names)) > 2 else 0
    ax.set_xticks(range(0, k, step), names[::step], rotation=turned)
    ax.set_yticks(range(0, k, step), names[::step])
    ax.set(xlabel="predicted", ylabel="true", title=title or scores.summary().split(",")[0])
    if k <= WRITTEN:
        for i, j in np.argwhere(scores.confusion > 0).tolist():
            colour = "white" if percent[i, j] > 60 else "black"
            ax.text(j, i, str(scores.confusion[i, j]), ha="center", va="center", color=colour, size=8)
    rows = scores.per_class()
    place = np.arange(k)
    for offset, name, colour in ((-0.2, "precision", "tab:blue"), (0.2, "recall", "tab:orange")):
        bars.barh(place + offset, np.nan_to_num([row[name] for row in rows]), 0.4, label=name, color=colour)
    bars.set_yticks(range(0, k, step), names[::step])
    bars.set(xlim=(0, 1), ylim=(k - 0.5, -0.5))
    bars.grid(axis="x", alpha=0.3)
    figure.legend(*bars.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure
