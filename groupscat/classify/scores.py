"""How good predictions are: error with its interval, confusion matrix, precision and recall per class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Quantile of the normal distribution for 95 %.
Z95 = 1.959963984540054
#: Larger confusion matrices are only in the report and the figure.
SHOWN = 20


def wilson(wrong: int, n: int) -> tuple[float, float]:
    """The 95 % interval of Wilson for an error rate of which ``wrong`` of ``n`` were seen, as fractions.

    >>> tuple(round(bound, 4) for bound in wilson(5, 100))
    (0.0215, 0.1118)
    """
    p, z = wrong / n, Z95 / math.sqrt(n)
    centre = (p + z * z / 2) / (1 + z * z)
    half = z / (1 + z * z) * math.sqrt(p * (1 - p) + z * z / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True, eq=False)
class Scores:
    """Predictions against the truth.

    Attributes
    ----------
    classes : (k,) in the order of the matrix. confusion : (k, k) counts, rows: truth, columns: prediction.
    """

    classes: NDArray[Any]
    confusion: NDArray[np.int64]

    @classmethod
    def of(cls, truth: NDArray[Any], predicted: NDArray[Any], classes: NDArray[Any]) -> Scores:
        """Count; ``classes``: sorted, and all that occur.

        >>> import numpy as np
        >>> Scores.of(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([0, 1])).confusion
        array([[1, 1],
               [0, 1]])
        """
        k = len(classes)
        cells = np.searchsorted(classes, truth) * k + np.searchsorted(classes, predicted)
        return cls(classes, np.bincount(cells, minlength=k * k).reshape(k, k))

    @property
    def n(self) -> int:
        return int(self.confusion.sum())

    @property
    def wrong(self) -> int:
        return self.n - int(np.trace(self.confusion))

    @property
    def error(self) -> float:
        """The fraction that is wrong."""
        return self.wrong / self.n

    def per_class(self) -> list[dict[str, Any]]:
        """class, precision, recall, f1 (NaN where undefined) and support of each class."""
        hits = np.diag(self.confusion).astype(float)
        support, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall = hits / predicted, hits / support
            f1 = 2 * hits / (support + predicted)
        columns = zip(self.classes.tolist(), precision, recall, f1, support, strict=True)
        return [
            {"class": c, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
            for c, p, r, f, s in columns
        ]

    def summary(self) -> str:
        """Error and interval in one line."""
        low, high = wilson(self.wrong, self.n)
        return (
            f"error {100 * self.error:.2f} % (95 % interval {100 * low:.2f} to {100 * high:.2f}), "
            f"{self.wrong} of {self.n} wrong"
        )

    def table(self) -> str:
        """Precision, recall, F1 and support per class."""
        width = max(5, *(len(str(c)) for c in self.classes.tolist()))
        lines = [f"{'class':<{width}}  precision  recall      f1  support"]
        for row in self.per_class():
            lines.append(
                f"{row['class']!s:<{width}}  {row['precision']:>9.3f}  {row['recall']:>6.3f}  "
                f"{row['f1']:>6.3f}  {row['support']:>7}"
            )
        return "\n".join(lines).replace("nan", "  –")

    def matrix(self) -> str:
        """The confusion matrix as text, rows: truth, columns: prediction."""
        if len(self.classes) > SHOWN:
            return f"The confusion matrix of {len(self.classes)} classes is in the figure and in --report."
        names = [str(c) for c in self.classes.tolist()]
        width = max(*(len(name) for name in names), len(str(self.confusion.max())))
        lines = [" " * width + "  " + "  ".join(f"{name:>{width}}" for name in names)]
        for name, counts in zip(names, self.confusion.tolist(), strict=True):
            lines.append(f"{name:>{width}}  " + "  ".join(f"{count:>{width}}" for count in counts))
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it (undefined numbers are null)."""
        rows = [
            {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}
            for row in self.per_class()
        ]
        return {
            "n": self.n,
            "wrong": self.wrong,
            "error": self.error,
            "interval_95": list(wilson(self.wrong, self.n)),
            "classes": self.classes.tolist(),
            "confusion": self.confusion.tolist(),
            "per_class": rows,
        }
