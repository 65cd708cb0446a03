"""The README, the pages of the site and the gallery: their examples run, their links lead somewhere."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks import missing

ROOT = Path(__file__).parents[1]
#: tests/test_backend_authors.py executes that page its own way; CuPy needs a GPU even to make an array.
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXECUTED = [page for page in PAGES if page.name != "backend_authors.md"]
SCRIPTS = sorted((ROOT / "docs" / "gallery").glob("[!_]*.py"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: What a block may import and an installation may lack, with the way to have it.
OPTIONAL = {
    "cupy": 'pip install "groupscat[cupy-cuda13x]"',
    "dask": 'pip install "groupscat[dask]"',
    "jax": 'pip install "groupscat[jax]"',
    "keras": 'pip install "groupscat[keras]" and a framework',
    "kymatio": "pip install -r benchmarks/requirements.txt",
    "matplotlib": 'pip install "groupscat[plot]"',
    "onnxruntime": 'pip install "groupscat[onnx]" onnxruntime',
    "pandas": 'pip install "groupscat[pandas]"',
    "sklearn": 'pip install "groupscat[sklearn]"',
    "tensorflow": 'pip install "groupscat[tensorflow]"',
    "torch": 'pip install "groupscat[torch]"',
}
#: Modules of groupscat that stand for a package.
DOORS = {"groupscat.plot": "matplotlib"}


@dataclass(frozen=True)
class Block:
    """Code between fences: its language, its text and the line it begins on."""

    language: str
    text: str
    line: int


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [Block(m[1], m[2], text[: m.start()].count("\n") + 1) for m in BLOCK.finditer(text)]
    return [block for block in found if block.language == language]


def lacking(code: str) -> set[str]:
    """Packages that the code imports and that are not installed."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    parts = {part for name in names for part in name.split(".")[:2]} | {
        package for door, package in DOORS.items() if door in names
    }
    return {part for part in parts & OPTIONAL.keys() if missing(part)}


def ids(page: Path) -> str:
    return page.name


def execute(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, subtests: Any) -> None:
    """Run the blocks of a page one after the other, as a reader would type them in."""
    monkeypatch.chdir(folder)
    namespace: dict[str, Any] = {"__name__": page.stem}
    skipped = False
    for block in blocks(page, "python"):
        with subtests.test(f"{page.name}, line {block.line}"):
            absent = sorted(lacking(block.text))
            if absent:
                skipped = True
                pytest.skip("; ".join(OPTIONAL[name] for name in absent))
            # Line numbers in a traceback are those of the page.
            code = compile("\n" * block.line + block.text, str(page), "exec", dont_inherit=True)
            try:
                with warnings.catch_warnings():
                    if "kymatio" in block.text:  # it warns at its own import
                        warnings.simplefilter("ignore")
                    exec(code, namespace)
            except NameError:
                if skipped:
                    pytest.skip("goes on from a block that was skipped")
                raise


@pytest.mark.parametrize("page", [p for p in EXECUTED if blocks(p, "python")], ids=ids)
def test_python_of_the_pages_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtests: Any
) -> None:
    execute(page, tmp_path, monkeypatch, subtests)


def test_a_wrong_page_fails(tmp_path: Path) -> None:
    """In a process of its own: failures of subtests cannot be expected in this one."""
    page = tmp_path / "test_wrong.py"
    page.write_text(
        "from pathlib import Path\n"
        "from tests import test_docs\n"
        "def test(tmp_path, monkeypatch, subtests):\n"
        "    page = Path(tmp_path, 'page.md')\n"
        "    page.write_text('```python\\nx = 1\\n```\\n\\n```python\\nassert x == 2\\n```\\n')\n"
        "    test_docs.execute(page, tmp_path, monkeypatch, subtests)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(page)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout
    assert "page.md, line 5" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_of_the_pages_are_commands(page: Path) -> None:
    from groupscat import cli

    parser = cli.parser()
    for block in blocks(page, "sh"):
        for line in block.text.splitlines():
            for command in line.split("&&"):
                words = shlex.split(command, comments=True)
                if words[:1] == ["groupscat"]:
                    parser.parse_args(words[1:])


@pytest.mark.parametrize("script", SCRIPTS, ids=ids)
def test_gallery_script_draws(script: Path, tmp_path: Path) -> None:
    absent = sorted(lacking(script.read_text(encoding="utf-8")))
    if absent:
        pytest.skip("; ".join(OPTIONAL[name] for name in absent))
    picture = tmp_path / "picture.png"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), "-o", str(picture)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000


def test_every_gallery_script_is_in_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import gallery

    named = [name for names in gallery.SECTIONS.values() for name in names]
    assert sorted(named) == sorted(script.stem for script in SCRIPTS)
    for entry in gallery.entries(ROOT / "docs" / "gallery"):
        assert entry.title
        assert len(entry.text) > 100


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    made = {script.with_suffix(suffix).name for script in SCRIPTS for suffix in (".png", ".md")} | {
        "index.md"
    }
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path = (page.parent / target.partition("#")[0]).resolve()
        of_gallery = path.parent == ROOT / "docs" / "gallery" and path.name in made
        assert of_gallery or path.exists(), f"{page.name} links to {target}"


def test_every_page_is_in_the_site() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = {
        line
        for tree in re.findall(r"```{toctree}\n(.*?)```", index, re.DOTALL)
        for line in tree.splitlines()
        if line and not line.startswith(":")
    }
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert listed == pages | {"gallery/index"}


def test_pages_name_every_operator_argument_of_kymatio() -> None:
    """The migration page, against the tables that the error messages are made of."""
    from groupscat.scattering.arguments import KYMATIO

    text = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
    for name in KYMATIO:
        assert f"`{name}" in text, name


def test_the_documentation_extra_builds_the_site() -> None:
    """What docs/conf.py loads is what the extra installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = " ".join(project["optional-dependencies"]["docs"])
    for package in ("sphinx", "furo", "myst-parser"):
        assert package in extra


def test_escaping_of_docstrings(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import docstrings

    assert docstrings.escape("|x| of (*shape) in ``*a``, b_") == r"\|x\| of (\*shape) in ``*a``, b\_"
    lines = ["Title.", "", "Parameters", "----------", "J, L,", "    Q : a |b|.", "T : c. U : d,", "    e."]
    wanted = ["J, L, Q", r"    a \|b\|.", "T", "    c.", "U", "    d,", "    e."]
    assert docstrings.convert(lines)[4:] == wanted
