"""What every script of the gallery does when it is run: draw, save, say where."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure


def main(draw: Callable[[], Figure]) -> None:
    """Save ``draw()`` to the file named by -o, by default a PNG named after the script."""
    script = Path(sys.argv[0])
    parser = argparse.ArgumentParser(description=f"Draw the picture of {script.name}.")
    parser.add_argument("-o", "--output", type=Path, default=Path(f"{script.stem}.png"), help="file to write")
    output = parser.parse_args().output
    draw().savefig(output)
    print(output)
