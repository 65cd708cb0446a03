"""Agreement and speed on a CUDA GPU: ``python -m benchmarks.gpu [--quick] [--output FILE]``.

CuPy and Torch against NumPy in float64, then against Kymatio on the same GPU and against the bytes that must
move. Without a CUDA device it says so and has nothing to do.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import importlib.util
import math
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import groupscat
from benchmarks.cases import AGREEMENT, Case
from benchmarks.machine import machine
from benchmarks.peers import CHANGES, kymatio
from benchmarks.tables import table
from benchmarks.timing import FULL, QUICK, Effort, Timing, summary
from groupscat.plan.harmonic import HarmonicModulus
from groupscat.plan.ops import Bandpass, Crop
from groupscat.plan.plan import Plan
from groupscat.testing import OPERATORS, TOLERANCE, relative_error
from groupscat.testing.operators import example

REPORT = Path(__file__).with_name("report_gpu.md")
COMPLEX = {"float32": "complex64", "float64": "complex128"}
#: 128 colour images of 256².
CASES = tuple(Case(f"2-D 128×3×256² J={J}", "2-D", 128, (256, 256), J, 8) for J in (2, 3))
CHANNELS = 3
#: Signals that are compared with Kymatio: all of them would take minutes on the host.
COMPARED = 2
#: Bytes of the array whose copying gives the bandwidth.
COPIED = 1 << 30

FLOOR = (
    "The floor is the time to move, at the bandwidth of a copy, what must move while Fourier transforms are "
    "calls of their own: every operation of the plan reads its operands and writes its result once; a "
    "band-pass reads the window of the spectrum, writes the folded product, transforms it in one pass (read, "
    "written), and the modulus reads that and writes a real result. Filters and matrices are not counted."
)


class Engine(ABC):
    """A framework on its current GPU."""

    name: str
    version: str

    @abstractmethod
    def array(self, x: NDArray[Any]) -> Any: ...

    @abstractmethod
    def event(self) -> Any: ...

    @abstractmethod
    def milliseconds(self, start: Any, stop: Any) -> float: ...

    @abstractmethod
    def release(self) -> None:
        """Give cached memory back, for the next contestant."""

    def seconds(self, function: Callable[[], Any]) -> float:
        """Time of one call on the GPU, between events before and after it."""
        start, stop = self.event(), self.event()
        start.record()
        result = function()
        stop.record()
        stop.synchronize()
        del result
        return self.milliseconds(start, stop) / 1e3

    def bandwidth(self) -> float:
        """Bytes per second of a copy on the device, read and written bytes both counted."""
        x = self.array(np.zeros(COPIED // 4, np.float32))
        times = [self.seconds(lambda: x * 1.0) for _ in range(12)]
        return 2 * COPIED / float(np.median(times[2:]))


class CuPyEngine(Engine):
    name = "CuPy"

    def __init__(self) -> None:
        import cupy

        self.module, self.version = cupy, cupy.__version__
        cupy.cuda.runtime.getDeviceCount()  # raises CUDA's own reason if there is no device

    def array(self, x: NDArray[Any]) -> Any:
        return groupscat.get_backend("cupy").put(x, x.dtype.name)

    def event(self) -> Any:
        return self.module.cuda.Event()

    def milliseconds(self, start: Any, stop: Any) -> float:
        return float(self.module.cuda.get_elapsed_time(start, stop))

    def release(self) -> None:
        self.module.fft.config.get_plan_cache().clear()
        self.module.get_default_memory_pool().free_all_blocks()


class TorchEngine(Engine):
    name = "Torch"

    def __init__(self) -> None:
        import torch

        self.module, self.version = torch, torch.__version__
        torch.zeros(1, device="cuda")  # raises the reason if there is no device

    def array(self, x: NDArray[Any]) -> Any:
        return groupscat.get_backend("torch").put(x, x.dtype.name, "cuda")

    def event(self) -> Any:
        return self.module.cuda.Event(enable_timing=True)

    def milliseconds(self, start: Any, stop: Any) -> float:
        return float(start.elapsed_time(stop))

    def release(self) -> None:
        self.module.backends.cuda.cufft_plan_cache.clear()
        self.module.cuda.empty_cache()


def engines() -> tuple[list[Engine], dict[str, str]]:
    """The frameworks that find a GPU, and why the others do not."""
    found: list[Engine] = []
    absent = {}
    for kind, package in ((CuPyEngine, "cupy"), (TorchEngine, "torch")):
        if importlib.util.find_spec(package) is None:
            absent[kind.name] = "not installed"
            continue
        try:
            found.append(kind())
        except Exception as error:  # a driver or a build without CUDA may raise anything
            absent[kind.name] = str(error).splitlines()[0]
    return found, absent


# ------------------------------------------------------------------------------------------- agreement


def agreement(found: list[Engine]) -> tuple[str, int]:
    """The largest error of every operator relative to NumPy in float64, and how many exceed their limit."""
    columns = [(engine, precision) for engine in found for precision in ("float64", "float32")]
    rows, failures = [], 0
    for name, make in OPERATORS.items():
        operator = make()
        x = example(operator)
        wanted, cells = _arrays(operator(x)), []
        for engine, precision in columns:
            given = x.astype(COMPLEX[precision] if operator.complex_input else precision)
            pairs = zip(_arrays(operator(engine.array(given))), wanted, strict=True)
            error = max(relative_error(groupscat.convert(a, "numpy"), b, x) for a, b in pairs)
            bad = not error <= TOLERANCE[precision]
            failures += bad
            cells.append(f"{error:.1e} {'FAIL' if bad else 'pass'}")
        rows.append([name, *cells])
    header = ["operator", *(f"{engine.name} {precision}" for engine, precision in columns)]
    limits = ", ".join(f"{p} {TOLERANCE[p]:.0e}" for p in ("float64", "float32"))
    return f"{table(header, rows)}\n\nLimits: {limits}.", failures


def _arrays(y: Any) -> list[Any]:
    return [row["coef"] for row in y] if isinstance(y, list) else [y]


# ----------------------------------------------------------------------------------------------- speed


def traffic(plan: Plan, batch: int, itemsize: int = 4) -> int:
    """Bytes that a plan must move; see ``FLOOR``.

    >>> import groupscat as gs
    >>> traffic(gs.Scattering1D(J=1, shape=16, padding="circular", max_order=0).plan, batch=1)
    96
    """
    constants = {name for name, _ in plan.constants}

    def size(name: str) -> int:
        register = plan.register[name]
        return int(register.space.size) * (2 if register.is_complex else 1)

    total = 0
    for op in plan.ops:
        if type(op).__name__ == "LowChannel" or (isinstance(op, Crop) and not op.copy):
            continue  # a view
        data = [name for name in op.srcs if name not in constants]
        read, written = sum(map(size, data)), size(op.dst)
        if isinstance(op, Bandpass):
            sizes = plan.register[op.srcs[0]].space.shape[-len(op.fold) :]
            kept = math.prod(
                n if parts is None else sum(hi - lo for lo, hi in parts)
                for n, parts in zip(sizes, op.segments, strict=True)
            )
            read = read * kept // math.prod(sizes)
            read += 4 * 2 * plan.register[op.dst].space.size // op.rho.phases
        elif isinstance(op, HarmonicModulus):
            recipe = dict(plan.constants)[op.srcs[1]]
            read += 4 * recipe.size
        total += read + written
    return batch * itemsize * total


def speed(found: list[Engine], effort: Effort) -> str:
    """Medians of one call, of all contestants in turn, and the floor."""
    bandwidth = max(engine.bandwidth() for engine in found)
    for engine in found:
        engine.release()
    rows = []
    for case in CASES:
        operator = case.build(groupscat)
        x = np.random.default_rng(0).standard_normal((case.batch, CHANNELS, *case.shape)).astype(np.float32)
        calls: dict[str, tuple[Engine, Callable[[], Any]]] = {}
        for engine in found:
            given = engine.array(x)
            calls[f"groupscat {engine.name}"] = (engine, lambda given=given, S=operator: S(given))
        note = _with_kymatio(calls, case, operator, x)
        floor = traffic(operator.plan, case.batch * CHANNELS) / bandwidth
        times = {}
        for name, (engine, call) in calls.items():
            times[name] = _timed(engine, call, effort)
            engine.release()
        peer = next((t for n, t in times.items() if n.startswith("Kymatio") and isinstance(t, Timing)), None)
        rows.append([case.name, "floor", f"{1e3 * floor:.2f} ms", "1×", ""])
        for name, timing in times.items():
            if isinstance(timing, str):
                rows.append([case.name, name, timing, "", ""])
                continue
            faster = f"{peer.median / timing.median:.2f}×" if peer and timing is not peer else ""
            rows.append([case.name, name, str(timing), f"{timing.median / floor:.2f}×", faster])
        if note:
            rows.append([case.name, "Kymatio", note, "", ""])
    header = ["case", "contestant", "median [quartiles]", "over the floor", "faster than Kymatio"]
    return f"{table(header, rows)}\n\nCopy bandwidth {bandwidth / 1e9:.0f} GB/s. {FLOOR}"


def _with_kymatio(calls: dict[str, Any], case: Case, operator: Any, x: NDArray[Any]) -> str:
    """Add Kymatio on the same GPU, its coefficients compared first; what there is to say about it."""
    peer = kymatio()
    torch = next((e for _, (e, _) in calls.items() if isinstance(e, TorchEngine)), None)
    if not peer or torch is None:
        return peer.reason or "absent: Torch finds no GPU"
    module = case.build(peer.module).cuda()
    given = torch.array(x)
    orders = [path.order for path in operator.paths]
    few = given[:COMPARED]
    error = case.error(operator(few).cpu().numpy(), module(few).cpu().numpy(), orders)
    if not error <= AGREEMENT[case.kind]:
        return f"coefficients differ by {error:.1e}: not timed"
    calls[peer.name] = (torch, lambda: module(given))
    return ""


def _timed(engine: Engine, call: Callable[[], Any], effort: Effort) -> Timing | str:
    """Repeated calls after three that do not count (compilation, plans, memory)."""
    spent: list[float] = []
    gc.collect()
    try:
        for _ in range(3):
            engine.seconds(call)
        began = time.perf_counter()
        while len(spent) < effort.most and (
            len(spent) < effort.least or time.perf_counter() - began < effort.budget
        ):
            spent.append(engine.seconds(call))
    except Exception as error:  # each framework has its own error for memory that does not suffice
        if "memory" not in str(error).lower():
            raise
        return "out of memory"
    return summary(spent)


# ---------------------------------------------------------------------------------------------- report


def device_facts(found: list[Engine]) -> dict[str, str]:
    """The GPU, its driver and the frameworks' versions."""
    facts = {"GPU": "unknown"}
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    if shutil.which(query[0]):
        done = subprocess.run(query, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout:
            name, memory, driver = (part.strip() for part in done.stdout.splitlines()[0].split(","))
            facts = {"GPU": f"{name}, {memory}", "driver": driver}
    for engine in found:
        cuda = engine.module.version.cuda if isinstance(engine, TorchEngine) else _runtime(engine)
        facts[engine.name] = f"{engine.version}, CUDA {cuda}"
    return facts


def _runtime(engine: Engine) -> str:
    number = engine.module.cuda.runtime.runtimeGetVersion()
    return f"{number // 1000}.{number % 1000 // 10}"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few repetitions: a look, not a result")
    parser.add_argument("--output", type=Path, default=REPORT, metavar="FILE", help=f"default: {REPORT.name}")
    arguments = parser.parse_args()
    found, absent = engines()
    reasons = "; ".join(f"{name}: {reason}" for name, reason in absent.items())
    if not found:
        print(f"no CUDA device ({reasons}): nothing is measured and {arguments.output.name} is left as it is")
        return 0
    facts = {"date": datetime.date.today().isoformat(), **device_facts(found), **machine()}
    if absent:
        facts["absent"] = reasons
    errors, failures = agreement(found)
    parts = [
        "# On a GPU",
        "\n".join(f"- {name}: {value}" for name, value in facts.items()),
        "## Agreement with NumPy in float64",
        errors,
        "## Speed, float32",
        speed(found, QUICK if arguments.quick else FULL),
        "\n".join(f"- {change}" for change in CHANGES[:3]),
    ]
    text = "\n\n".join(parts)
    arguments.output.write_text(text + "\n", encoding="utf-8")
    print(text)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
