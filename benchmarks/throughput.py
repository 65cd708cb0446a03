"""``groupscat features`` over many images: images per second and memory over time, for one and two workers.

    python -m benchmarks.throughput [--images 10000] [--side 224] [--workers 1 2] [--T global]

A few hundred distinct images, cycled through by a list of files, are read, decoded, transformed and written
to a Zarr store, which is removed afterwards. The memory is that of all processes of the run, sampled all the
time (their proportional set size: shared pages count once); its maximum early and late in the run says
whether it grows with the number of images. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.report import facts, write_chapter
from benchmarks.tables import mebibytes, table

#: Seconds between two looks at the memory.
INTERVAL = 0.25
DISTINCT = 300


@dataclass(frozen=True)
class Outcome:
    """One run: seconds from start to end, and (seconds, bytes) samples of its memory."""

    workers: int
    seconds: float
    memory: list[tuple[float, int]]
    written: int

    def peak(self, start: float, end: float) -> int:
        """The largest sample between two parts (0 to 1) of the run."""
        last = self.memory[-1][0]
        return max(m for t, m in self.memory if start * last <= t <= end * last)


def make_images(folder: Path, side: int, distinct: int = DISTINCT) -> list[Path]:
    """Images with structure at all scales (spectrum 1/f), as JPEG files."""
    from PIL import Image

    random = np.random.default_rng(0)
    u, v = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    fall = 1 / np.maximum(np.hypot(u, v), 1 / side)
    paths = []
    for k in range(distinct):
        noise = np.fft.irfft2(fall * np.fft.rfft2(random.normal(size=(side, side))), (side, side))
        low, high = noise.min(), noise.max()
        pixels = (255 * (noise - low) / (high - low)).astype(np.uint8)
        paths.append(folder / f"{k:04d}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=90)
    return paths


def run(folder: Path, workers: int, options: list[str]) -> Outcome:
    """``groupscat features`` of the list in ``folder``, watched.

    Raises
    ------
    RuntimeError : it failed; the message is its own.
    """
    output = folder / f"features-{workers}.zarr"
    command = [
        sys.executable,
        "-m",
        "groupscat.cli",
        "features",
        f"@{folder / 'list.txt'}",
        "-o",
        str(output),
    ]
    command += ["--workers", str(workers), "-q", *options]
    memory = []
    with open(folder / "messages", "w+", encoding="utf-8") as messages:
        start = time.perf_counter()
        process = subprocess.Popen(command, stderr=messages, start_new_session=True)
        while process.poll() is None:
            memory.append((time.perf_counter() - start, memory_of(process.pid)))
            time.sleep(INTERVAL)
        seconds = time.perf_counter() - start
        messages.seek(0)
        if process.returncode:
            raise RuntimeError(messages.read())
    written = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    shutil.rmtree(output)
    return Outcome(workers, seconds, memory, written)


def memory_of(session: int) -> int:
    """Bytes of all processes of a session, pages that several share counted once."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):  # it has ended meanwhile
            if os.getsid(int(process.name)) == session:
                found = re.search(r"^Pss:\s+(\d+) kB", (process / "smaps_rollup").read_text(), re.MULTILINE)
                total += 1024 * int(found[1]) if found else 0
    return total


def table_of(outcomes: list[Outcome], images: int) -> str:
    """The table of all runs."""
    rows = [
        [
            str(outcome.workers),
            f"{outcome.seconds:.1f} s",
            f"{images / outcome.seconds:.1f}",
            mebibytes(outcome.peak(0.1, 0.4)),
            mebibytes(outcome.peak(0.7, 1)),
            mebibytes(outcome.peak(0, 1)),
            f"{outcome.written / 1e9:.2f} GB",
        ]
        for outcome in outcomes
    ]
    head = ["workers", "time", "images/s", "memory at .1-.4 of the run", "at .7-1", "peak", "written"]
    return table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("-J", default="3")
    parser.add_argument("--T", help="global writes averages only (default: 2^J: .7 MB per image of 224²)")
    parser.add_argument("--batch-size", default="32")
    parser.add_argument("--folder", help="where to write (default: that of temporary files)")
    parser.add_argument("--report", action="store_true", help="write the table into benchmarks/report.md")
    arguments = parser.parse_args()
    options = ["-J", arguments.J, "--batch-size", arguments.batch_size]
    if arguments.T:
        options += ["--T", arguments.T]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        paths = make_images(folder, arguments.side)
        cycled = [str(paths[k % len(paths)]) for k in range(arguments.images)]
        (folder / "list.txt").write_text("\n".join(cycled), encoding="utf-8")
        outcomes = [run(folder, workers, options) for workers in arguments.workers]
    command = f"benchmarks.throughput --images {arguments.images} --side {arguments.side}"
    text = "\n\n".join(
        [
            facts(command + (f" --T {arguments.T}" if arguments.T else "") + " --report" * arguments.report),
            f"`groupscat features`: {arguments.images} images of {arguments.side}×{arguments.side} (JPEG, "
            f"{min(DISTINCT, arguments.images)} distinct ones cycled through), grey, options "
            f"`{' '.join(options)}`, to a Zarr store; from starting the command to its end. Memory of all "
            "its processes.",
            table_of(outcomes, arguments.images),
        ]
    )
    print(text)
    if arguments.report:
        write_chapter("Throughput", text)


if __name__ == "__main__":
    main()
