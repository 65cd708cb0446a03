"""Coefficients computed with Kymatio and kept as golden files: what ours are compared with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import groupscat as gs
from benchmarks.peers import pi_undone
from groupscat.scattering import Operator

VARIABLE = "GROUPSCAT_DATA"
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Golden:
    """One golden file: how to build the operator for it, and the largest error relative to max|S|.

    ``undo_pi``: compare with the file's coefficients as they would be with π in place of 3.1415.
    """

    name: str
    file: str
    limit: float
    build: Callable[[Arrays], Operator]
    undo_pi: bool = False

    def load(self, folder: Path) -> Arrays:
        with np.load(folder / self.file, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}

    def expected(self, arrays: Arrays, operator: Operator) -> NDArray[np.float64]:
        y = arrays["Sx"].astype(np.float64)
        return pi_undone(y, operator.paths.column("order"), axis=-3) if self.undo_pi else y


def _audio(d: Arrays) -> Operator:
    Q = int(d["Q"]) if d["Q"].ndim == 0 else (int(d["Q"][0]), int(d["Q"][1]))
    return gs.Scattering1D(int(d["J"]), d["x"].shape[-1], Q=Q)


def _image(d: Arrays) -> Operator:
    return gs.Scattering2D(int(d["J"]), _sides(d), L=int(d["L"]) if "L" in d else 8)


def _volume(d: Arrays) -> Operator:
    powers = tuple(map(float, d["integral_powers"]))
    return gs.HarmonicScattering3D(
        int(d["J"]), d["x"].shape[-3:], L=int(d["L"]), integral_powers=powers, order_0=True
    )


def _sides(d: Arrays) -> tuple[int, int]:
    rows, columns = d["x"].shape[-2:]
    return rows, columns


GOLDEN = (
    Golden("1-D golden, 512, J=6, Q=16", "scattering1d.npz", 1e-6, _audio),
    Golden("1-D golden, 1000, J=5, Q=8", "scattering1d_nonpow2.npz", 1e-6, _audio),
    Golden("2-D golden, 32², J=4, L=8", "scattering2d.npz", 1e-4, _image),
    Golden("2-D golden, 32², 3.1415 undone", "scattering2d.npz", 1e-6, _image, undo_pi=True),
    Golden("2-D golden, 24×40, J=2, L=6", "scattering2d_rect.npz", 1e-4, _image),
    Golden("2-D golden, 24×40, 3.1415 undone", "scattering2d_rect.npz", 1e-6, _image, undo_pi=True),
    Golden("3-D golden, 16³, J=2, L=2", "scattering3d.npz", 1e-6, _volume),
)


def golden_folder(data: str | None) -> tuple[Path | None, str]:
    """The folder of the golden files, or why there is none: ``--data``, else ``GROUPSCAT_DATA``."""
    given = data or os.environ.get(VARIABLE)
    if not given:
        return None, f"absent: pass --data DIR or set {VARIABLE}"
    for folder in (Path(given) / "golden", Path(given)):
        if any((folder / case.file).exists() for case in GOLDEN):
            return folder, ""
    return None, "absent: no golden files in the given folder"
