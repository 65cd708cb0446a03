"""What the time of each case is spent on: ``python -m benchmarks.where [--cases REGEX] [--report]``.

Samples a process that calls an operator again and again (Torch, one thread), with Linux's ``perf``, and adds
the samples up by what their functions do. Samples before the first result are left out.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.contestants import EVERY, OURS, contestant
from benchmarks.report import facts, write_chapter
from benchmarks.tables import table

#: What functions of the kernels do, by the first pattern that their name fits.
KINDS = (
    (
        "transforms",
        r"^(stage|fft|rows_|columns|twist|respond|half_|two_spectra|gather|scatter|get|put|finish"
        r"|first_|second_|third_|transform|spectrum|real_back|fields|harmonic)",
    ),
    (
        "wavelets",
        r"^(multiply|window|from_half|aliases|planes|filtered|pick|bandpass|edges?_|whole)",
    ),
    # In images and volumes these are one pass over the rows of responses.
    ("averages, their moduli", r"^(moduli|averages|sums|lowpass|line|across|spread|power|groupscat_lowpass)"),
    ("rows of scalograms", r"^(along|products|mix|tile|angular|combin)"),
    ("other kernels", r".*_float(32|64)"),
)
COLUMNS = (*(name for name, _ in KINDS), "Python, Torch, system")
#: Seconds that a case is sampled.
LONG = 4.0


def kind(function: str, library: str) -> str:
    """What a sampled function does.

    >>> kind("stage8_float32.constprop.0", "kernels_avx2.so"), kind("memmove", "libc.so.6")
    ('transforms', 'Python, Torch, system')
    >>> kind("stage_float32", "kernels_avx2.so")
    'wavelets'
    """
    if not library.startswith("kernels_"):
        return COLUMNS[-1]
    if re.match("stage_(row_)?float", function):  # of a window, not of a transform
        return "wavelets"
    return next(name for name, pattern in KINDS if re.match(pattern, function) or name == KINDS[-1][0])


def shares(report: str) -> dict[str, float]:
    """Shares of the time by what it is spent on, from the lines of ``perf report``.

    >>> lines = " 30.00%  python  kernels_avx2.so  [.] multiply_float32\\n 10.00%  python  libc.so  [.] free"
    >>> found = shares(lines)
    >>> found["wavelets"], found["Python, Torch, system"]
    (0.75, 0.25)
    """
    found: Counter[str] = Counter()
    for share, library, function in re.findall(r"^\s*([\d.]+)%\s+\S+\s+(\S+)\s+\[.\]\s+(\S+)", report, re.M):
        found[kind(function, library)] += float(share)
    total = sum(found.values()) or 1.0
    return {name: found[name] / total for name in COLUMNS}


def work(name: str, ready: str) -> None:
    """Call a case for a while; the file ``ready`` says that it begins."""
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    call = contestant(OURS, next(c for c in EVERY if c.name == name)).calls["forward"]
    call()
    Path(ready).touch()
    end = time.perf_counter() + LONG
    while time.perf_counter() < end:
        call()


def sample(name: str) -> dict[str, float]:
    """The shares of one case."""
    with tempfile.TemporaryDirectory() as folder:
        ready, data = Path(folder) / "ready", Path(folder) / "perf.data"
        code = f"from benchmarks.where import work; work({name!r}, {str(ready)!r})"
        worker = subprocess.Popen([sys.executable, "-c", code])
        while not ready.exists():
            if worker.poll() is not None:
                raise RuntimeError(f"{name}: the process that should be sampled ended.")
            time.sleep(0.05)
        record = ["perf", "record", "-q", "-o", str(data), "-p", str(worker.pid)]
        subprocess.run([*record, "--", "sleep", str(LONG - 0.5)], check=True)
        worker.wait()
        show = [
            "perf",
            "report",
            "-i",
            str(data),
            "--stdio",
            "--no-children",
            "-g",
            "none",
            "-F",
            "overhead,comm,dso,sym",
        ]
        return shares(subprocess.run(show, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where", description=__doc__)
    parser.add_argument("--cases", default="", metavar="REGEX", help="only cases whose name matches")
    parser.add_argument("--report", action="store_true", help="write the chapter of benchmarks/report.md")
    arguments = parser.parse_args()
    if shutil.which("perf") is None:
        parser.error("there is no perf: it comes with Linux (package linux-perf or linux-tools)")
    rows = []
    for case in EVERY:
        if re.search(arguments.cases, case.name):
            print(f"… {case.name}", file=sys.stderr, flush=True)
            found = sample(case.name)
            rows.append([case.name, *(f"{found[name]:.0%}" for name in COLUMNS)])
    text = facts("benchmarks.where") + "\n\nShares of the time of a call, Torch, float32, one thread:\n\n"
    text += table(["case", *COLUMNS], rows)
    if arguments.report:
        write_chapter("Where the time goes", text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
