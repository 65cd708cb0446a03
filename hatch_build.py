"""Compiles the kernels of groupscat_native into the wheel; without a compiler the wheel is pure Python."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

PACKAGE = Path("backends") / "groupscat_native"


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """One library for every instruction set worth it, in the source tree, and from there in the wheel."""

    def dependencies(self) -> list[str]:
        """A compiler that pip installs, where the system has none."""
        return [] if self._off or self._compile.compiler() else ["ziglang>=0.13"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self._off:
            return
        try:
            made = self._compile.compile_kernels(Path(self.root) / PACKAGE)
        except (OSError, RuntimeError) as error:
            self.app.display_warning(f"groupscat is built without its compiled kernels: {error}")
            return
        build_data["artifacts"] += [str(PACKAGE / path.name) for path in made]
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{next(sys_tags()).platform}"  # no part of the kernels knows Python

    @property
    def _off(self) -> bool:
        return os.environ.get("GROUPSCAT_NATIVE") == "0"

    @property
    def _compile(self) -> ModuleType:
        path = Path(self.root) / PACKAGE / "compile.py"
        spec = importlib.util.spec_from_file_location("groupscat_native_compile", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
