"""``groupscat demo``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from groupscat.cli.common import OK, backend_named, natural


def add(commands: Any) -> None:
    """The parser of the command."""
    demo = commands.add_parser(
        "demo",
        help="classify handwritten digits with few training images",
        description="Scattering features against raw pixels on the handwritten digits that come "
        "with scikit-learn, with pictures.",
    )
    demo.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("groupscat-demo"),
        metavar="DIR",
        help="folder of the pictures (default: ./groupscat-demo)",
    )
    demo.add_argument("--backend", metavar="NAME", help="framework that computes (see groupscat info)")
    demo.add_argument(
        "--seed", type=natural, default=0, help="of the split and of the training subsets (default: 0)"
    )
    demo.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from groupscat.demo import run_demo

    run_demo(arguments.output, backend=backend_named(arguments.backend), seed=arguments.seed)
    return OK
