"""From the docstrings of this project, which are plain text, to what Sphinx reads.

Parameters are written ``name : what it is``, without a type; formulas use ``|x|`` and ``*shape`` as they
are. Here descriptions move to their own lines, where napoleon expects them, and characters that
reStructuredText would take for markup are escaped.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

SECTIONS = ("Parameters", "Attributes", "Raises")
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
    lines = _without_returns(_joined(lines))
    for k, line in enumerate(lines):
        follows = lines[k + 1] if k + 1 < len(lines) else ""
        if line.startswith(">>>"):
            if section and not example:
                result += ["", ""]
                section = ""
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
            if section:  # a paragraph after the section, which ends at two empty lines
                result.append("")
            section = ""
        found = TERM.match(line) if section in SECTIONS else None
        if found:
            # Short ones may follow one another on a line.
            first, *more = re.split(r"(?<=\.) (?=\w+ : )", found[2])
            for term, text in [(found[1], first), *(part.split(" : ", 1) for part in more)]:
                result += [term, f"    {escape(text)}"]
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


def _without_returns(lines: list[str]) -> list[str]:
    """A section "Returns" as one field: its text is prose, not a list of names and types."""
    result: list[str] = []
    rest = list(lines)
    while rest:
        line = rest.pop(0)
        if line != "Returns" or not rest or set(rest[0]) != {"-"}:
            result.append(line)
            continue
        rest.pop(0)
        text = []
        while rest and rest[0]:
            text.append(rest.pop(0).strip())
        result += [f":returns: {text[0]}", *(f"    {more}" for more in text[1:])]
    return result


#: Docstrings of properties and attributes as they should be.
_plain: dict[str, list[str]] = {}


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = convert(lines)
    if what in ("attribute", "property"):
        _plain[name] = list(lines)


def restore(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Undo napoleon's reading of what stands before a colon as the type of the property."""
    if name in _plain:
        lines[:] = _plain.pop(name)


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", process, priority=100)  # before napoleon
    app.connect("autodoc-process-docstring", restore, priority=900)  # after it
    return {"version": "1", "parallel_read_safe": True}
