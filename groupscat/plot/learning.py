"""The learning curve: loss, errors and rate by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from groupscat.errors import ArgumentError
from groupscat.plot.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Told apart by colour-blind readers too (Okabe & Ito).
COLOURS = {"": "0.45", "validation": "#e69f00", "test": "#0072b2"}


def learning_curve(rows: Sequence[Mapping[str, Any]], title: str = "") -> Figure:
    """Losses, errors in per cent and the rate of learning by epoch.

    Parameters
    ----------
    rows : of the table of a training, with "epoch", "rate", and "loss" and "error" of the signals trained on,
        "validation_loss" and so on of others. A row need not have all of them.

    Raises
    ------
    ArgumentError : there is no row. ImportError : matplotlib is not installed.

    >>> rows = [{"epoch": k, "loss": 1 / k, "error": 0.5 / k, "rate": 0.1} for k in (1, 2, 3)]
    >>> [axes.get_ylabel() for axes in learning_curve(rows).axes]
    ['loss', 'error, %', 'rate']
    """
    if not rows:
        raise ArgumentError("rows=[]: a learning curve needs an epoch at least.")
    figure = new_figure(None, 6.4, 6.0)
    loss, error, rate = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1])
    for whose, colour in COLOURS.items():
        for ax, what, factor in ((loss, "loss", 1), (error, "error", 100)):
            name = f"{whose}_{what}" if whose else what
            known = [row for row in rows if name in row]
            values = [factor * row[name] for row in known]
            label = whose or "training"
            ax.plot(
                [row["epoch"] for row in known], values, ".-", color=colour, label=label if known else None
            )
    known = [row for row in rows if "rate" in row]
    rate.step([row["epoch"] for row in known], [row["rate"] for row in known], color="0.45", where="mid")
    positive = any(value > 0 for line in loss.get_lines() for value in line.get_ydata())
    loss.set(ylabel="loss", yscale="log" if positive else "linear", title=title)
    error.set(ylabel="error, %", ylim=(0, None))
    rate.set(ylabel="rate", xlabel="epoch", ylim=(0, None))
    for ax in (loss, error):
        ax.grid(alpha=0.3)
    if loss.get_legend_handles_labels()[0]:
        loss.legend()
    return figure
