"""From the docstrings of this project, which are plain text, to what Sphinx reads.

Parameters are written ``name : what it is``, without a type; formulas use ``|x|`` and ``*shape`` as they
are. Here descriptions move to their own lines, where napoleon expects them, and characters that
reStructuredText would take for markup are escaped.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

SECTIONS = ("Parameters", "Attributes", "Raises", "Returns")
#: A term of a section: names, an optional note in brackets, and its description.
TERM = re.compile(r"^(\w[\w., ]*(?:\([^)]*\))?) : (.*)$")
#: What is code already, or a role, stays as it is.
CODE = re.compile(r"(``.+?``|:\w+:`[^`]+`)")


def escape(line: str) -> str:
    """``line`` with the characters escaped that would be markup."""
    parts = CODE.split(line)
    return "".join(p if k % 2 else re.sub(r"([*|\\`]|_(?!\w))", r"\\\1", p) for k, p in enumerate(parts))


def convert(lines: list[str]) -> list[str]:
    """The lines of a docstring, cleaned by autodoc, as napoleon wants them."""
    result: list[str] = []
    section, example = "", False
    lines = _joined(lines)
    for k, line in enumerate(lines):
        follows = lines[k + 1] if k + 1 < len(lines) else ""
        if line.startswith(">>>"):
            if not example and result and result[-1]:
                result.append("")
            example = True
        elif not line:
            example = False
        if example or set(line) == {"-"}:
            result.append(line)
            continue
        if set(follows) == {"-"} and len(follows) > 2:
            section = line
            result.append(line)
            continue
        if line and not line.startswith(" ") and k and not lines[k - 1] and not TERM.match(line):
            section = ""  # a paragraph after the section
        found = TERM.match(line) if section in SECTIONS else None
        if found and section == "Returns":
            result += [f"{escape(found[1])} : {escape(found[2])}"]
        elif found:
            result += [found[1], f"    {escape(found[2])}"]
        else:
            result.append(escape(line))
    return result


def _joined(lines: list[str]) -> list[str]:
    """The lines with lists of names that are broken after a comma on one line."""
    result: list[str] = []
    for line in lines:
        broken = bool(result) and re.fullmatch(r"\w+(, \w+)*,", result[-1]) and line.startswith("    ")
        if broken:
            result[-1] += f" {line.strip()}"
        else:
            result.append(line)
    return result


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = convert(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", process, priority=100)  # before napoleon
    return {"version": "1", "parallel_read_safe": True}
