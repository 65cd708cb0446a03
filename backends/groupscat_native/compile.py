"""Compile the kernels: ``python -m groupscat_native.compile``, and what building a wheel runs.

One library for every instruction set that is worth it; :mod:`groupscat_native.library` loads the best one
that the processor has. Any GCC or Clang does: the one of ``CC``, of the system, or of the package ziglang,
which pip installs on every platform.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
#: The best first: name of the library, flags.
X86 = (
    ("avx512", ["-march=x86-64-v4", "-mprefer-vector-width=256", "-DGS_BYTES=32"]),
    ("avx2", ["-march=x86-64-v3", "-DGS_BYTES=32"]),
    ("base", ["-DGS_BYTES=16"]),
)
OTHER = (("base", ["-DGS_BYTES=16"]),)
#: Contracted products and no traps; NaN and infinities keep their meaning.
FLAGS = ["-O3", "-std=gnu11", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]
SUFFIX = ".dll" if sys.platform == "win32" else ".dylib" if sys.platform == "darwin" else ".so"


def variants() -> tuple[tuple[str, list[str]], ...]:
    """The libraries of this kind of processor, the best first."""
    return X86 if platform.machine().lower() in ("x86_64", "amd64") else OTHER


def compiler() -> list[str] | None:
    """The command of a compiler that knows vectors, or None."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    # On Windows GCC does not align vectors of 32 bytes on the stack (its bug 54412): such code crashes.
    for name in ("clang",) if sys.platform == "win32" else ("gcc", "clang", "cc"):
        if shutil.which(name):
            return [name]
    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else None


def compile_kernels(folder: Path = HERE) -> list[Path]:
    """Compile all libraries into ``folder``.

    Raises
    ------
    RuntimeError : there is no compiler, or it fails; its message is given.
    """
    command = compiler()
    if command is None:
        raise RuntimeError(
            "No C compiler: install GCC or Clang, name one by CC=…, or run: pip install ziglang"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda variant: _compile(command, folder, *variant), variants()))


def _compile(command: list[str], folder: Path, name: str, flags: list[str]) -> Path:
    """One library; another process that compiles at the same time is not disturbed."""
    target = folder / f"kernels_{name}{SUFFIX}"
    part = target.with_suffix(f".{os.getpid()}.tmp")
    shared = ["-shared"] if sys.platform == "win32" else ["-shared", "-fPIC", "-fvisibility=hidden"]
    if "ziglang" in command:  # which takes the hyphens of -march for features that are left out
        flags = [flag.replace("-march=x86-64-", "-mcpu=x86_64_") for flag in flags]
    run = [*command, *FLAGS, *flags, *shared, str(HERE / "source" / "native.c"), "-o", str(part)]
    run += [] if sys.platform == "win32" else ["-lm"]
    done = subprocess.run(run, capture_output=True, text=True)
    if done.returncode:
        part.unlink(missing_ok=True)
        raise RuntimeError(f"{shlex.join(run)} failed:\n{done.stderr.strip()[-2000:]}")
    part.replace(target)
    return target


if __name__ == "__main__":
    for path in compile_kernels():
        print(path)
