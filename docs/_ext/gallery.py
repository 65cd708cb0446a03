"""Run the scripts of the gallery, and write a page for each of them and one for all.

Scripts are ``gallery/*.py`` whose names do not begin with an underscore. The first line of a script's
docstring is the title of its page, the rest its text (Markdown). Pictures and pages are made beside the
scripts at every build, and git ignores them.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

#: Sections of the overview: heading and the scripts below it. A script that is not named comes last.
SECTIONS = {
    "Filters": ("filters_2d", "filters_1d", "filters_3d", "solid_harmonics", "cascade"),
    "How filters cover the frequencies": ("littlewood_paley_1d", "littlewood_paley_2d"),
    "Images": ("scattering_disk", "angular_response", "maps", "coefficients"),
    "Sounds": ("scalogram", "modulations", "rose"),
    "What moves": ("group_action",),
    "What the coefficients do not see": ("deformations", "rotations", "stability"),
    "Back from coefficients": ("reconstruction_image", "reconstruction_sound"),
    "Networks": ("symmetries",),
}

HEAD = """# Gallery

Each picture is made by the script on its page, when this site is built. Run one yourself:

```sh
python docs/gallery/scattering_disk.py -o disk.png
```
"""


@dataclass(frozen=True)
class Entry:
    """One script: its file, the title and the text of its page."""

    script: Path
    title: str
    text: str

    @property
    def picture(self) -> Path:
        return self.script.with_suffix(".png")

    def page(self) -> str:
        name = self.script.name
        return "\n".join(
            [
                f"# {self.title}",
                "",
                self.text,
                "",
                f"```{{image}} {self.picture.name}",
                f":alt: {self.title}",
                ":class: gallery-picture",
                f":target: ../_images/{self.picture.name}",
                "```",
                "",
                f"```{{literalinclude}} {name}",
                ":language: python",
                f":lines: {self.first_line}-",
                "```",
                "",
                f"{{download}}`Download {name} <{name}>`",
                "",
            ]
        )

    @property
    def first_line(self) -> int:
        """Line of the script after its docstring, which is the page's text already."""
        tree = ast.parse(self.script.read_text(encoding="utf-8"))
        return tree.body[1].lineno


def entries(folder: Path) -> list[Entry]:
    """The scripts of a folder in the order of ``SECTIONS``."""
    found = []
    for script in sorted(folder.glob("[!_]*.py")):
        docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
        if not docstring:
            raise ExtensionError(f"{script} has no docstring; its page needs a title and a text.")
        title, _, text = docstring.partition("\n")
        found.append(Entry(script, title.strip(), text.strip()))
    order = [name for names in SECTIONS.values() for name in names]
    return sorted(found, key=lambda e: order.index(e.script.stem) if e.script.stem in order else len(order))


def overview(found: list[Entry]) -> str:
    """The page of all pictures, small ones that link to the pages."""
    named = {name for names in SECTIONS.values() for name in names}
    sections = {**SECTIONS, "More": tuple(e.script.stem for e in found if e.script.stem not in named)}
    lines = [HEAD]
    for heading, names in sections.items():
        chosen = [e for e in found if e.script.stem in names]
        if not chosen:
            continue
        lines += [f"## {heading}", "", ":::{container} gallery", ""]
        for e in chosen:
            lines += [
                f"[![{e.title}]({e.picture.name}){{.gallery-thumbnail}} {e.title}]({e.script.stem}.md)",
                "",
            ]
        lines += [":::", ""]
    pages = "\n".join(e.script.stem for e in found)
    return "\n".join([*lines, f"```{{toctree}}\n:hidden:\n\n{pages}\n```\n"])


def run(entry: Entry) -> None:
    command = [sys.executable, str(entry.script), "-o", str(entry.picture)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise ExtensionError(f"{entry.script} failed:\n{done.stderr}")


def build(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "gallery"
    found = entries(folder)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run, found))
    for entry in found:
        _write(folder / f"{entry.script.stem}.md", entry.page())
    _write(folder / "index.md", overview(found))


def _write(path: Path, text: str) -> None:
    """Write a file unless it is so already: Sphinx reads again what is newer."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", build)
    return {"version": "1", "parallel_read_safe": True}
