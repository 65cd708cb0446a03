"""How the kernels are compiled: what each compiler is told, and what happens where one fails."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from groupscat_native import compile as compiling


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be run for a processor of Intel's kind; nothing is."""
    seen: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        seen.append(command)
        Path(command[command.index("-o") + 1]).touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(compiling.subprocess, "run", run)
    monkeypatch.setattr(compiling, "variants", lambda: compiling.X86)
    return seen


@pytest.mark.parametrize(
    ("compiler", "flag"), [("gcc", "-march=x86-64-v3"), ("python -m ziglang cc", "-mcpu=x86_64_v3")]
)
def test_processors_as_each_compiler_spells_them(
    compiler: str, flag: str, commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", compiler)
    made = compiling.compile_kernels(tmp_path)
    assert len(made) == len(commands) == len(compiling.X86)
    assert all(path.exists() for path in made)
    (avx2,) = (command for command in commands if any("avx2" in each for each in command))
    assert flag in avx2
    machine = [each for command in commands for each in command if each.startswith(("-march", "-mcpu"))]
    assert {each.partition("=")[0] for each in machine} == {flag.partition("=")[0]}


def test_a_compiler_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises((RuntimeError, OSError), match="no-such-compiler"):
        compiling.compile_kernels(tmp_path)
    assert not list(tmp_path.iterdir())
