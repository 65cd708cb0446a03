"""The architecture, enforced: imports follow one arrow, the core knows no framework, examples run."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import groupscat as gs

ROOT = Path(gs.__file__).parent
FRAMEWORKS = {"torch", "tensorflow", "cupy", "jax", "keras", "groupscat_cupy", "groupscat_torch"}
FRAMEWORKS |= {"groupscat_tensorflow", "groupscat_jax", "groupscat_keras", "groupscat_onnx", "onnx"}
HEAVY = {*FRAMEWORKS, "safetensors", "matplotlib", "sklearn", "pandas", "PIL", "tqdm"}

#: groups → spaces → wavelets → plans → backend executes → front doors. What each part of the core may import;
#: plans name the types of the protocol (backend.base), which itself knows nothing but the errors.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "checks": {"errors"},
    "space": {"errors", "groups"},
    "groups": {"errors", "checks"},
    "wavelets": {"errors", "space", "groups"},
    "backend": {"errors"},
    "plan": {"errors", "space", "groups", "wavelets", "backend.base"},
    "interchange": {"errors", "backend"},
    "action": {"errors", "space", "groups", "backend"},
    "equivariance": {"errors", "checks", "space", "groups", "backend", "action"},
    "execute": {"errors", "plan", "backend"},
    "convolution": {"errors", "checks", "space", "groups", "wavelets", "plan", "backend", "execute"},
    "nn": {
        "errors",
        "checks",
        "space",
        "groups",
        "wavelets",
        "plan",
        "backend",
        "execute",
        "convolution",
        "scattering",
    },
    "scattering": {"errors", "checks", "space", "groups", "wavelets", "plan", "backend", "execute"},
}
#: Everything else is a front door: nothing of the core imports it.
CORE = sorted(ALLOWED)
#: The only files in which a framework may be imported.
FRONT_DOORS = {"torch.py", "tensorflow.py", "keras.py", "cupy.py", "jax.py", "onnx.py", "dask.py"}


def files_of(part: str) -> list[Path]:
    folder = ROOT / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at any depth; `from a import b` counts as a.b where that is one."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            for alias in node.names:
                inner = ROOT.parent.joinpath(*module.split("."), f"{alias.name}.py")
                package = ROOT.parent.joinpath(*module.split("."), alias.name, "__init__.py")
                found.add(f"{module}.{alias.name}" if inner.exists() or package.exists() else module)
    return found


def inside(module: str, allowed: set[str]) -> bool:
    name = module.removeprefix("groupscat.")
    return any(name == a or name.startswith(f"{a}.") for a in allowed)


@pytest.mark.parametrize("part", CORE)
def test_nothing_imports_against_the_arrow(part: str) -> None:
    files = files_of(part)
    assert files
    for path in files:
        ours = {m for m in imports(path) if m.split(".")[0] == "groupscat"}
        wrong = {m for m in ours if not inside(m, ALLOWED[part] | {part})}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_arrow_has_no_cycle() -> None:
    reached: list[str] = []
    parts = dict(ALLOWED)
    while parts:
        free = [p for p, needs in parts.items() if all(n.split(".")[0] in reached for n in needs)]
        assert free, f"cycle among {sorted(parts)}"
        reached += free
        parts = {p: needs for p, needs in parts.items() if p not in free}


def test_backend_protocol_is_a_leaf() -> None:
    """What plans import of the backend must not bring the registry or NumPy's backend with it."""
    protocol = {"groupscat.backend.base", "groupscat.backend.derivatives"}
    files = [ROOT / "backend" / f"{name.rpartition('.')[2]}.py" for name in sorted(protocol)]
    ours = {m for path in files for m in imports(path) if m.startswith("groupscat")}
    assert ours <= {"groupscat.errors", *protocol}


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_framework_outside_the_front_doors(path: Path) -> None:
    frameworks = {m.split(".")[0] for m in imports(path)} & {*FRAMEWORKS, "groupscat_native"}
    assert not frameworks or (path.parent == ROOT and path.name in FRONT_DOORS), frameworks


def test_every_package_of_the_core_is_in_the_table() -> None:
    """A new part must take its place in the arrow, or be a front door."""
    parts = {p.stem for p in ROOT.iterdir() if p.is_dir() or p.suffix == ".py"} - {
        "__init__",
        "__main__",
        "__pycache__",
    }
    doors = {"bound", "classify", "cli", "data", "deformation", "demo", "features", "inversion", "plot"}
    doors |= {"sklearn", "testing", "datasets", "streaming", "training"}
    doors |= {Path(f).stem for f in FRONT_DOORS}
    assert parts - doors == set(ALLOWED)


@pytest.mark.parametrize("part", CORE)
def test_core_decides_nothing_by_the_name_of_a_backend(part: str) -> None:
    for path in files_of(part):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Compare):
                continue
            for side in (node.left, *node.comparators):
                named = isinstance(side, ast.Attribute) and side.attr in ("name", "__name__")
                of_backend = named and re.search(r"backend|xp", ast.unparse(side))
                assert not of_backend, f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_brings_no_framework() -> None:
    code = f"import sys, groupscat; print(sorted(set(sys.modules) & {HEAVY!r}))"
    assert run_python(code) == "[]"


def test_running_on_numpy_brings_no_framework() -> None:
    code = (
        "import sys, numpy, groupscat; groupscat.Scattering1D(2, 16)(numpy.ones(16));"
        f"print(sorted(set(sys.modules) & {HEAVY!r}))"
    )
    assert run_python(code) == "[]"


def test_core_needs_numpy_and_scipy_only() -> None:
    found = {m.split(".")[0] for part in CORE for path in files_of(part) for m in imports(path)}
    optional = {"pandas", "safetensors"}  # inside Paths.to_pandas, and groupscat.nn.files
    outside = found - set(sys.stdlib_module_names) - {"groupscat", "numpy", "scipy"} - optional
    assert not outside


def test_every_plug_in_is_shipped_and_registered() -> None:
    """What an editable install finds a wheel must hold, and every backend has its entry point."""
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))
    plug_ins = {f"backends/{path.parent.name}" for path in ROOT.parent.glob("backends/*/__init__.py")}
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == {"groupscat"} | plug_ins
    assert set(project["tool"]["mypy"]["packages"]) >= {path.removeprefix("backends/") for path in plug_ins}
    entries = project["project"]["entry-points"]["groupscat.backends"]
    found = {name for name in entries if f"backends/groupscat_{name}" in plug_ins}
    assert found | {"numpy"} == set(entries) == set(gs.backend_names())


MODULES = sorted(m.name for m in pkgutil.walk_packages(gs.__path__, "groupscat."))


@pytest.mark.parametrize("name", ["groupscat", *MODULES])
def test_examples_of_module_run(name: str) -> None:
    framework = name.rsplit(".", 1)[-1]
    if f"{framework}.py" in FRONT_DOORS and importlib.util.find_spec(framework) is None:
        pytest.skip(f'needs {framework}: pip install "groupscat[{framework}]"')
    if name.startswith("groupscat.sklearn"):
        pytest.importorskip("sklearn")
    if name == "groupscat.nn.files":
        pytest.importorskip("safetensors")
    if name.startswith("groupscat.inversion"):
        pytest.importorskip("torch")
    module = importlib.import_module(name)
    failures = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, module.__name__):
        output: list[str] = []
        result = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(
            test, out=output.append
        )
        if result.failed:
            failures.append("".join(output))
    assert not failures, "\n".join(failures)


def test_public_operators_have_examples() -> None:
    finder = doctest.DocTestFinder()
    for name in ("HarmonicScattering3D", "Scattering", "Scattering1D", "Scattering2D", "Scattering3D"):
        assert any(test.examples for test in finder.find(getattr(gs, name), name)), name


def test_public_names_exist_and_are_documented() -> None:
    for name in gs.__all__:
        value = getattr(gs, name)
        if not isinstance(value, str):
            assert (value.__doc__ or "").strip(), name
