"""Groups acting on the plane

Above, a flag (dark) and its images under the linear elements of three groups: rotations, rotations and
reflections, rotations and dilations of three scales. The first axis points down, the second to the right.

Below, the same action on a sampled signal. A quarter turn maps the grid to itself: it moves samples and
changes none. Half of it falls between the samples, and interpolates with cubic splines.
"""

import numpy as np
from matplotlib.figure import Figure

from groupscat.action import act
from groupscat.groups import E2, SE2, Group, Similitude2

FLAG = np.array([[0, 0], [2.4, 0], [2.4, 1.2], [1.4, 1.2], [1.4, 0.35], [0, 0.35]]) / 2.4
SIDE = 33


def orbit(ax, G: Group, title: str, linear: np.ndarray, shift: tuple[float, float] = (0, 0)) -> None:
    """The flag, put beside the origin by a translation, and moved by every linear element."""
    at_home = G([*shift, *np.zeros(linear.shape[1])])
    colours = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
    for h in linear:
        points = (G([0, 0, *h]) @ at_home) @ FLAG
        turned = np.linalg.det(G.act([0, 0, *h])) < 0
        colour = colours[int(h[-1]) if linear.shape[1] > 1 else int(turned)]
        ax.fill(points[:, 1], points[:, 0], color=colour, alpha=0.35 + 0.65 * (not h.any()), lw=0)
    ax.plot(0, 0, "k+")
    ax.set(title=title, aspect="equal", xticks=[], yticks=[])
    ax.invert_yaxis()


def picture() -> np.ndarray:
    """A letter on the odd grid, drawn by its strokes."""
    x = np.zeros((SIDE, SIDE))
    x[7:26, 11:14] = x[7:10, 11:23] = x[15:18, 11:20] = 1
    return x


def draw() -> Figure:
    figure = Figure(figsize=(7.2, 5), layout="constrained", dpi=120)
    above, below = figure.subplots(2, 3)
    orbit(above[0], SE2(8), "SE2(8)", SE2(8).point_group.elements()[:, None], (1, 0))
    orbit(above[1], E2(5), "E2(5)", E2(5).point_group.elements()[:, None], (1, 0.15))
    G = Similitude2(6, 3)
    orbit(above[2], G, "Similitude2(6, 3)", G.point_group.elements(), (1, 0))

    x = picture()
    quarter, eighth = SE2(4)([0, 0, 1]), SE2(8)([0, 0, 1])
    for ax, y, title in (
        (below[0], x, "x"),
        (below[1], act(quarter, x), "a quarter turn, exact"),
        (below[2], act(eighth, x, order=3), "an eighth, interpolated"),
    ):
        ax.imshow(y, cmap="gray_r", vmin=0, vmax=1)
        ax.set(title=title, xticks=[], yticks=[])
    return figure


if __name__ == "__main__":
    from _picture import main

    main(draw)
