"""Tables in Markdown that also read well in a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, columns aligned; the first column to the left, the others to the right.

    >>> print(table(["case", "error"], [["1-D", "4e-08"]]))
    | case | error |
    |:-----|------:|
    | 1-D  | 4e-08 |
    """
    lines = [list(map(str, line)) for line in (header, *rows)]
    width = [max(3, *(len(line[k]) for line in lines)) for k in range(len(header))]

    def joined(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    def aligned(line: Sequence[str]) -> str:
        first, *rest = line
        return joined([first.ljust(width[0]), *(c.rjust(w) for c, w in zip(rest, width[1:], strict=True))])

    rule = "|:" + "-" * (width[0] + 1) + "|" + "".join("-" * (w + 1) + ":|" for w in width[1:])
    return "\n".join([aligned(lines[0]), rule, *map(aligned, lines[1:])])


def seconds(value: float) -> str:
    """A duration with three digits and its unit.

    >>> seconds(0.01234), seconds(2.5)
    ('12.3 ms', '2.5 s')
    """
    return f"{value:.3g} s" if value >= 1 else f"{1e3 * value:.3g} ms"


def mebibytes(value: float) -> str:
    """A size in MiB with three digits."""
    return f"{value / 2**20:.3g} MiB"
