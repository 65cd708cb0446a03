"""docs/backend_authors.md, executed: a backend of a third party, installed and held to the contract."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.frameworks import missing

PAGE = Path(__file__).parents[1] / "docs" / "backend_authors.md"
FILES = ("strict_backend.py", "pyproject.toml", "example.py", "test_strict.py")

if missing("array_api_strict"):
    pytest.skip("pip install array-api-strict", allow_module_level=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``pip install --target`` leaves it: the page's files, the metadata of a distribution."""
    folder = tmp_path_factory.mktemp("site")
    blocks = re.findall(r"```\w+\n# (\S+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert tuple(name for name, _ in blocks) == FILES
    for name, text in blocks:
        (folder / name).write_text(text, encoding="utf-8")
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def run(site: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, *command], cwd=site, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_backend_keeps_the_contract(site: Path) -> None:
    """With pytest, as its author would run it."""
    out = run(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "test_strict.py")
    passed = re.search(r"(\d+) passed", out)
    assert passed, out
    assert int(passed[1]) > 500
    assert "failed" not in out


def test_example_runs(site: Path) -> None:
    run(site, "example.py")


def test_command_line_knows_the_backend(site: Path) -> None:
    assert re.search(r"array_api_strict: .*devices: cpu, device1", run(site, "-m", "groupscat.cli", "info"))


def test_contract_without_pytest_reports_what_is_missing(site: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "groupscat.testing", "array_api_strict", "--examples", "2"],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert failed
    assert all("float16" in line for line in failed)


def test_contract_of_an_unknown_backend() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "groupscat.testing", "abacus"], capture_output=True, text=True
    )
    assert (done.returncode, "There is no backend 'abacus'" in done.stderr) == (2, True)
