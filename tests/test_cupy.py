"""CuPy without a GPU: the contract on a strict stand-in, where the CUDA sources run on the host."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import json
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat import cli
from groupscat.testing import CONVOLUTIONS, OPERATORS, BackendContract, assert_close, noise, run_contract
from groupscat.testing.operators import example
from groupscat_cupy import sources as cuda_sources
from tests import cupy_stand_in
from tests.frameworks import missing
from tests.strategies import windows

BACKEND = Path(gs.__file__).parent.parent / "backends" / "groupscat_cupy"


@pytest.fixture(scope="module", autouse=True)
def cp() -> Iterator[ModuleType]:
    with cupy_stand_in.installed() as module:
        yield module


@pytest.fixture
def xp() -> Any:
    return gs.get_backend("cupy")


@pytest.fixture
def kernels() -> ModuleType:
    return importlib.import_module("groupscat_cupy.kernels")


class TestStandIn(BackendContract):
    name: ClassVar[str] = "cupy"
    examples: ClassVar[int] = 40


# ------------------------------------------------------------------------------------------- the kernels


class TestKernels:
    """What the contract's few shapes leave out."""

    @given(case=windows(), part=st.booleans(), precision=st.sampled_from(["float32", "float64"]))
    def test_bandpass_is_its_generic_body(self, case: Any, part: bool, precision: str) -> None:
        xp = gs.get_backend("cupy")
        shape, count, segments, fold = case
        widths = [
            n if parts is None else sum(hi - lo for lo, hi in parts)
            for n, parts in zip(shape[2:], segments, strict=True)
        ]
        lengths = [w // k for w, k in zip(widths, fold, strict=True)]
        filters = noise((int(np.prod(fold)), count, *lengths, 1), 1).astype(precision)
        x = noise(shape, is_complex=True).astype({"float32": "complex64", "float64": "complex128"}[precision])
        f = xp.asarray(filters)[:, count // 3 :] if part else xp.asarray(filters)
        wanted = xp.generic.bandpass(xp.asarray(x), f, segments, fold) if x.size else None
        found = xp.bandpass(xp.asarray(x), f, segments, fold)
        if wanted is not None:
            assert_close(found.get(), wanted.get(), 0.0, precision)
        assert found.shape == (shape[0], shape[1] * f.shape[1], *lengths)

    def test_loops_over_what_a_grid_does_not_hold(
        self, xp: Any, kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kernels, "_grid", lambda *_: ((2, 1, 1), (4, 2, 1)))
        for name in (
            "1-D",
            "2-D, zero",
            "3-D",
            "cascade, 1-D",
            "cascade, 2-D",
            "cascade, 3-D",
            "harmonic, odd",
        ):
            S = OPERATORS[name]()
            x = example(S)
            assert_close(S(xp.asarray(x)).get(), S(x), x)

    def test_many_filters_of_small_signals_get_blocks_of_their_own(self, kernels: ModuleType) -> None:
        assert kernels._grid(1000, 1, 3) == ((8, 1, 3), (128, 1, 1))
        assert kernels._grid(1000, 10**6, 3) == ((8, 65535, 1), (128, 1, 1))
        assert kernels._grid(20, 10, 1) == ((1, 3, 1), (32, 4, 1))
        assert kernels._grid(1, 1) == ((1, 1, 1), (1, 128, 1))
        assert kernels._grid(2**31 - 1, 1)[0][0] < 2**31

    @pytest.mark.parametrize(("limit", "value"), [("MOST_AXES", 0), ("MOST_SAMPLES", 128), ("SEGMENTS", 0)])
    def test_what_they_are_not_written_for_goes_to_the_generic_bodies(
        self, xp: Any, kernels: ModuleType, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
    ) -> None:
        monkeypatch.setattr(kernels, limit, value)
        for name in ("1-D", "2-D", "cascade, 2-D"):
            S = OPERATORS[name]()
            x = example(S)
            assert_close(S(xp.asarray(x)).get(), S(x), x)

    def test_harmonics_of_a_few_signals_at_a_time(self, xp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        backend = sys.modules["groupscat_cupy.backend"]
        for limit in (1, 100_000):
            monkeypatch.setattr(backend, "DEVICE_CHUNK_BYTES", limit)
            S = OPERATORS["harmonic, odd"]()
            x = example(S, (5,))
            assert_close(S(xp.asarray(x)).get(), S(x), x)

    def test_operators_use_them(self, xp: Any, monkeypatch: pytest.MonkeyPatch, kernels: ModuleType) -> None:
        used = set()
        original = kernels.kernel

        def kernel(name: str, *rest: Any, **options: Any) -> Any:
            used.add(name)
            return original(name, *rest, **options)

        monkeypatch.setattr(kernels, "kernel", kernel)
        for name in ("2-D", "cascade, 2-D", "harmonic, odd"):
            S = OPERATORS[name]()
            S(xp.asarray(example(S)))
        assert used == set(cuda_sources.KERNELS)

    @pytest.mark.parametrize("precision", ["float32", "float64"])
    def test_nvcc_compiles_them_without_a_warning(
        self, kernels: ModuleType, precision: str, tmp_path: Path
    ) -> None:
        nvcc = shutil.which("nvcc")
        if nvcc is None:
            pytest.skip("no nvcc")
        for is_complex in (False, True):
            wanted = ["pad"] if is_complex else list(cuda_sources.KERNELS)
            text = [
                f"namespace {name}_{d} {{ {kernels.source(name, d, precision, is_complex)} }}"
                for name in wanted
                for d in ((1,) if name in cuda_sources.FLAT else (1, 2, 3))
            ]
            (tmp_path / "all.cu").write_text("\n".join(text))
            command = [nvcc, "-cubin", "-arch=sm_80", "-Werror", "all-warnings"]
            command += ["-Xptxas", "-warn-spills,-warn-lmem-usage", "-o", "all.cubin", "all.cu"]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert "warning" not in done.stderr


# ------------------------------------------------------------------------------- devices, plans, waiting


class TestDevices:
    @pytest.mark.parametrize("name", OPERATORS)
    def test_arrays_elsewhere_than_on_the_current_device(self, xp: Any, cp: ModuleType, name: str) -> None:
        S = OPERATORS[name]()
        x = example(S)
        given, wanted = xp.put(x, x.dtype.name, "cuda:1"), S(x)
        assert cp.cuda.Device().id == 0
        found = S(given)
        assert cp.cuda.Device().id == 0
        if S.out_type == "array":
            found, wanted = [{"coef": found}], [{"coef": wanted}]
        for a, b in zip(found, wanted, strict=True):
            assert xp.device(a["coef"]) == "cuda:1"
            assert_close(xp.to_numpy(a["coef"]), b["coef"], x)

    @pytest.mark.parametrize("name", CONVOLUTIONS)
    def test_convolutions_elsewhere_than_on_the_current_device(
        self, xp: Any, cp: ModuleType, name: str
    ) -> None:
        case = CONVOLUTIONS[name]
        arrays = case.arrays()
        found = case.call(*(xp.put(a, a.dtype.name, "cuda:1") for a in arrays))
        assert cp.cuda.Device().id == 0
        assert xp.device(found) == "cuda:1"
        assert_close(xp.to_numpy(found), case.call(*arrays), arrays[0])

    def test_filters_on_another_device_are_refused(self, xp: Any) -> None:
        x, w = (xp.put(noise((1, 2, 5)), "float64", f"cuda:{k}") for k in (0, 1))
        with pytest.raises(gs.DeviceError, match="x is on cuda:0 and w on cuda:1; move one of them"):
            gs.convnd(x, w)

    def test_constants_are_kept_per_device(self, xp: Any) -> None:
        S = OPERATORS["2-D"]()
        x = example(S)
        for device in ("cuda:1", "cuda:0", "cuda:1", None):
            assert_close(xp.to_numpy(S(xp.put(x, "float64", device))), S(x), x)
        assert sorted(key[1] for key in S._constants if key[0] is type(xp)) == ["cuda:0", "cuda:1"]

    def test_put_by_name(self, xp: Any, cp: ModuleType) -> None:
        with cp.cuda.Device(1):
            assert xp.device(xp.put(np.zeros(2), "float32")) == "cuda:1"
            assert xp.device(xp.put(np.zeros(2), "float32", "cuda")) == "cuda:1"
            assert xp.device(xp.put(np.zeros(2), "float32", "cuda:0")) == "cuda:0"
        for device in ("cpu", "cuda:2", "cuda:x", "cuda:-1", "cudo"):
            with pytest.raises(gs.DeviceError, match=r"cuda:0 \(Stand-in 0\), cuda:1 \(Stand-in 1\)"):
                xp.put(np.zeros(2), "float32", device)

    def test_arrays_follow_another_to_its_device(self, xp: Any) -> None:
        here, there = xp.put(np.arange(3.0), "float64"), xp.put(np.zeros(2), "float64", "cuda:1")
        moved = xp.asarray(here, like=there)
        assert xp.device(moved) == xp.device(xp.zeros((2,), "float32", there)) == "cuda:1"
        np.testing.assert_array_equal(xp.to_numpy(moved), np.arange(3.0))
        assert xp.asarray(there) is there

    def test_nothing_waits_for_the_device(self, xp: Any) -> None:
        S = OPERATORS["2-D"]()
        x = xp.put(example(S), "float32")
        S(x)
        before = cupy_stand_in.counts.waits
        S(x)
        assert cupy_stand_in.counts.waits == before

    def test_plans_are_made_once(self, xp: Any, cp: ModuleType) -> None:
        """Of one operator with more of them than CuPy keeps by default, in batches of two lengths."""
        S = gs.Scattering1D(J=9, shape=1024, Q=(8, 2))
        x = xp.put(noise((3, 1024)), "float32")
        before = cupy_stand_in.counts.plans
        S(x)
        made = cupy_stand_in.counts.plans - before
        assert made > 16
        S(x)
        assert cupy_stand_in.counts.plans - before == made
        cache = cp.fft.config.get_plan_cache()
        cache.set_size(3)  # a user's own choice
        S(x)
        assert cache.get_size() == 3
        cache.set_size(16)

    def test_memory_of_the_host_is_not_shared(self, xp: Any) -> None:
        with pytest.raises(BufferError, match="CUDA device"):
            xp.from_dlpack(np.zeros(3))
        with pytest.raises(gs.ArgumentError, match="copy=False"):
            gs.convert(np.zeros(3), "cupy", copy=False)


class TestNoDevice:
    @pytest.fixture(autouse=True)
    def nothing(self) -> Iterator[None]:
        with cupy_stand_in.installed(devices=0):
            yield

    def test_backend_is_there_and_says_why_it_cannot_compute(self) -> None:
        xp = gs.get_backend("cupy")
        assert xp.devices() == ()
        for call in (
            lambda: xp.put(np.zeros(3), "float32"),
            lambda: xp.put(np.zeros(3), "float32", "cuda:0"),
            lambda: xp.asarray([1.0]),
            lambda: gs.convert(np.zeros(3), "cupy"),
        ):
            with pytest.raises(
                gs.DeviceError, match=r"no CUDA device.*cudaErrorNoDevice.*numpy and torch backends"
            ):
                call()

    def test_info(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gs, "backend_names", lambda: ["cupy"])
        monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
        assert cli.main(["info"]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if "cupy:" in line)
        assert line.startswith("  cupy: stand-in, devices: none. There is no CUDA device")

    def test_features(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        np.save(tmp_path / "x.npy", noise((2, 64)))
        arguments = ["features", str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npz"), "-q"]
        assert cli.main([*arguments, "--backend", "cupy"]) == 2
        assert "groupscat: error: There is no CUDA device" in capsys.readouterr().err
        assert not (tmp_path / "y.npz").exists()


def test_features_are_numpys(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", noise((5, 16, 12)))
    stores = []
    for backend in ("numpy", "cupy"):
        output = tmp_path / f"{backend}.npz"
        arguments = ["features", str(tmp_path / "x.npy"), "-o", str(output), "-q", "-J", "2", "-L", "3"]
        device = ["--device", "cuda:1"] if backend == "cupy" else []
        assert cli.main([*arguments, "--backend", backend, *device]) == 0
        with np.load(output, allow_pickle=False) as store:
            stores.append({key: store[key] for key in store})
    ours, wanted = stores[1], stores[0]
    assert set(ours) == set(wanted)
    assert_close(ours["features"], wanted["features"], 0.0, 1e-5)
    for key in set(wanted) - {"features", "config"}:
        np.testing.assert_array_equal(ours[key], wanted[key], err_msg=key)


# -------------------------------------------------------------------------------------- the front door


class TestFrontDoor:
    @pytest.fixture
    def door(self) -> ModuleType:
        return importlib.import_module("groupscat.cupy")

    def test_takes_cupy_arrays(self, door: ModuleType, xp: Any) -> None:
        S = door.Scattering2D(J=2, shape=(8, 8), L=2)
        x = noise((3, 8, 8))
        assert_close(S(xp.asarray(x)).get(), gs.Scattering2D(J=2, shape=(8, 8), L=2)(x), x)

    @pytest.mark.parametrize(
        ("x", "what"), [(np.zeros(16), r"numpy\.ndarray"), ([0.0] * 16, r"builtins\.list")]
    )
    def test_refuses_all_else_and_names_two_ways_out(self, door: ModuleType, x: Any, what: str) -> None:
        S = door.Scattering1D(J=2, shape=16)
        with pytest.raises(gs.DtypeError, match=rf"groupscat\.cupy\.Scattering1D takes.*cupy, got {what}"):
            S(x)
        with pytest.raises(gs.DtypeError, match=r"groupscat\.convert\(x, 'cupy'\).*groupscat\.Scattering1D,"):
            S(x)

    @pytest.mark.parametrize("name", [n for n in gs.__all__ if n.endswith(("Scattering", "D"))])
    def test_is_the_operator_in_all_else(self, door: ModuleType, name: str) -> None:
        neutral, bound = getattr(gs, name), getattr(door, name)
        assert issubclass(bound, neutral)
        assert inspect.signature(bound) == inspect.signature(neutral)
        assert neutral.__doc__ in bound.__doc__
        shape = (8,) * (3 if "3D" in name else 2 if "2D" in name else 1)
        arguments = {"J": 1, "shape": shape}
        if name == "TimeFrequencyScattering":
            arguments |= {"J_fr": 1, "Q": 2}
        S = bound(**arguments)
        assert pickle.loads(pickle.dumps(S)) == S
        assert type(S.replace(J=1)) is bound
        assert neutral(**arguments) != S

    def test_all_else_is_groupscats(self, door: ModuleType) -> None:
        assert set(door.__all__) == set(gs.__all__)
        assert door.convert is gs.convert

    def test_without_cupy_it_names_the_extras(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "groupscat.cupy", raising=False)
        monkeypatch.setitem(sys.modules, "cupy", None)
        with pytest.raises(gs.BackendError, match=r"groupscat\[cupy-cuda13x\].*groupscat\[cupy-cuda12x\]"):
            importlib.import_module("groupscat.cupy")


# ----------------------------------------------------------------- the stand-in is strict, and is CuPy


class TestStrictness:
    """What goes unnoticed on NumPy is an error here."""

    def test_copies_to_the_host_must_be_asked_for(self, cp: ModuleType) -> None:
        x = cp.asarray(np.ones(3))
        for call in (np.asarray, np.sin, np.sum, float, lambda v: np.concatenate([v, v])):
            with pytest.raises(TypeError):
                call(x)

    def test_arrays_of_the_host_are_no_operands(self, cp: ModuleType) -> None:
        x, host = cp.asarray(np.ones(3)), np.ones(3)
        for call in (
            lambda: x + host, lambda: host * x, lambda: x @ host, lambda: cp.maximum(x, host),
            lambda: cp.concatenate([x, host]), lambda: cp.take(x, np.array([0])), lambda: x[host > 0],
            lambda: x.__setitem__(0, host),
        ):  # fmt: skip
            with pytest.raises(TypeError):
                call()

    def test_work_needs_the_current_device(self, cp: ModuleType) -> None:
        x = cp.asarray(np.ones(3))
        with cp.cuda.Device(1):
            y = cp.asarray(np.ones(3))
            for call in (lambda: x + 1.0, lambda: x + y, lambda: cp.sqrt(x), lambda: x.sum(), lambda: y * x):
                with pytest.raises(ValueError, match="array device = 0 while current = 1"):
                    call()
            assert x.copy().device.id == 1
        assert float((x[1:] + x[:-1]).get()[0]) == 2.0

    def test_it_has_nothing_else(self, cp: ModuleType) -> None:
        for name in ("array", "asnumpy", "einsum", "get_array_module"):
            with pytest.raises(AttributeError):
                getattr(cp, name)
        with pytest.raises(AttributeError):
            cp.cuda.Stream  # noqa: B018
        with pytest.raises(AttributeError):
            cp.asarray([1.0]).data  # noqa: B018

    def test_new_memory_is_not_a_number(self, cp: ModuleType) -> None:
        assert np.isnan(cp.empty((3,), "float32").get()).all()

    def test_arguments_of_kernels_are_checked(self, cp: ModuleType, kernels: ModuleType) -> None:
        run = kernels.kernel("modulus", 0, "float32")
        z, out = cp.empty((4,), "complex64"), cp.empty((4,), "float32")
        right = [z, out, np.int64(1), np.int32(1), np.int64(4)]
        run((1, 1, 1), (4, 1, 1), tuple(right))
        for k, wrong in [(2, 1), (3, np.int64(1)), (1, cp.empty((4,), "float64")), (0, np.zeros(4))]:
            arguments = [*right[:k], wrong, *right[k + 1 :]]
            with pytest.raises(TypeError):
                run((1, 1, 1), (4, 1, 1), tuple(arguments))
        with pytest.raises(TypeError, match="has 5 parameters, got 4"):
            run((1, 1, 1), (4, 1, 1), tuple(right[:-1]))


#: A kernel, what is wrong in it, and the tests of the contract that look at it first.
WRONG = [
    ("bandpass", "w < e0 ? s0", "w <= e0 ? s0", "test_bandpass"),
    ("bandpass", "block += filter_stride", "block += n", "drawn_operators"),
    ("bandpass", "if (r0 + i < rows && p0 + p < count)", "if (p0 + p < count)", "test_bandpass"),
    ("bandpass", "im[i][p] += z[i].im * psi", "im[i][p] -= z[i].im * psi", "test_bandpass"),
    ("multiply", "z.re * psi.re - z.im * psi.im", "z.re * psi.re + z.im * psi.im", "harmonic"),
    ("multiply", "out[(r * count + m) * n + u]", "out[(m * count + r) * n + u]", "harmonic"),
    ("modulus", "m < count", "m < 1", "modulus"),
    ("modulus", "out[r * n + u]", "out[r * n + u + 1]", "modulus"),
    ("pad", "i0 >= 0", "i0 > 0", "pad"),
    ("pad", "index0[u0]", "index0[u0] + 1", "pad"),
    ("filterbank", "i < 0 ? i + size : i", "i < 0 ? -i : i", "filterbank"),
    ("filterbank", "y[k] += value * kernel[k * taps]", "y[k] += value * kernel[k]", "filterbank"),
]


@pytest.mark.parametrize(("name", "right", "wrong", "first"), WRONG)
def test_the_contract_notices_a_wrong_kernel(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str, right: str, wrong: str, first: str
) -> None:
    original = kernels.source

    def source(asked: str, *rest: Any) -> str:
        text: str = original(asked, *rest)
        return text.replace(right, wrong) if asked == name else text

    assert right in original(name, 2, "float64")
    monkeypatch.setattr(kernels, "source", source)
    kernels.kernel.cache_clear()
    try:
        assert any(outcome.failed for outcome in run_contract(TestStandIn, first))
    finally:
        kernels.kernel.cache_clear()


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("scope", lambda self, x: contextlib.nullcontext()),
        ("relu", lambda self, x: np.maximum(x, 0)),
        ("linear", lambda self, x, matrix: x @ matrix.get().T),
        ("modulus", lambda self, z, axis=None: abs(np.asarray(z))),
    ],
)
def test_a_wrong_backend_is_noticed(xp: Any, monkeypatch: pytest.MonkeyPatch, method: str, body: Any) -> None:
    """A device that is not made current, and detours over the host."""
    monkeypatch.setattr(type(xp), method, body)
    S = gs.Scattering1D(J=2, shape=16, rho="rectifier" if method == "relu" else "modulus")
    x = xp.put(noise((16,)), "float64", "cuda:1")
    with pytest.raises((TypeError, ValueError)):
        S(x)


def attributes() -> set[str]:
    """Every attribute of cupy and cupyx that the backend's sources name."""
    found = set()
    for path in BACKEND.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                dotted = ast.unparse(node)
                if dotted.startswith("cupy.") and dotted.replace(".", "").replace("_", "").isalnum():
                    found.add(dotted)
    return found


# ------------------------------------------------------------------------------------------------ networks


NETWORKS = {
    "hcnn": gs.nn.hcnn(K=4, input_shape=(2, 8, 8), attributes=(3, 3)),
    "plain_cnn": gs.nn.plain_cnn(K=3, input_shape=(1, 8, 8), rho=gs.nn.SignedRoot()),
    "scattering_mlp": gs.nn.scattering_mlp(J=1, L=2, hidden=(5,), input_shape=(1, 8, 8)),
    "scattering_wrn": gs.nn.scattering_wrn(depth=8, width=1, J=1, L=2, input_shape=(1, 8, 8)),
    "se2_cnn": gs.nn.se2_cnn(orientations=4, width=2, input_shape=(1, 12, 12)),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks(xp: Any, name: str, training: bool) -> None:
    network = NETWORKS[name]
    parameters, state = gs.nn.init(network, seed=1, dtype="float64")
    masks = gs.nn.draw_masks(network, 3, dtype="float64") if training else {}
    x = noise((3, *network.input_shape))
    put = [{k: xp.asarray(a) for k, a in arrays.items()} for arrays in (parameters, state, masks)]
    y, new = gs.nn.apply(network, *put[:2], xp.asarray(x), training, put[2])
    wanted, wanted_new = gs.nn.apply(network, parameters, state, x, training, masks)
    assert_close(xp.to_numpy(y), wanted)
    for key, a in new.items():
        assert_close(xp.to_numpy(a), wanted_new[key])


def test_a_model_is_served(xp: Any, tmp_path: Path) -> None:
    network = NETWORKS["hcnn"]
    model = gs.nn.Model(network, *gs.nn.init(network))
    gs.save(model, tmp_path / "m.safetensors")
    x = noise((2, 2, 8, 8)).astype("float32")
    served = gs.load(tmp_path / "m.safetensors", backend="cupy")
    y = served(xp.asarray(x))
    assert xp.owns(y)
    np.testing.assert_allclose(xp.to_numpy(y), model(x), rtol=1e-4, atol=1e-6)


#: Asked of the real CuPy in a process of its own: which of the names it has, and which parameters.
ASK = """
import inspect, json, re, sys, warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # without a GPU CuPy may warn at import, in its own words
    import cupy
    import cupyx.scipy.fft
modules = {"cupy": cupy, "cupyx": cupyx}
answer = {}
for dotted in json.load(sys.stdin):
    head, *rest = dotted.split(".")
    value = modules[head]
    try:
        for name in rest:
            value = getattr(value, name)
    except AttributeError:
        answer[dotted] = None
        continue
    try:
        answer[dotted] = list(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        first = re.search(r"\\(([^)]*)\\)", (value.__doc__ or ""))
        words = first[1].split(",") if first else []
        answer[dotted] = [w.split("=")[0].split()[-1] for w in words if w.split("=")[0].split()]
print(json.dumps(answer))
"""
#: Ufuncs and C types show no parameters; the backend passes to them by position only.
OPAQUE = ("cupy.ndarray", "cupy.maximum", "cupy.exp", "cupy.sqrt", "cupy.isfinite", "cupy.cuda.Device")


@pytest.mark.skipif(missing("cupy"), reason='pip install "groupscat[cupy]"')
def test_everything_used_is_cupys() -> None:
    """Names in the sources, and the stand-in's functions, methods and parameters, exist in the real one."""
    made = cupy_stand_in.modules()
    functions = {
        f"{module}.{name}": value
        for module, contents in made.items()
        for name, value in vars(contents).items()
        if not isinstance(value, ModuleType) and not name.startswith("__")
    }
    methods = {f"cupy.ndarray.{n}" for n in vars(cupy_stand_in.ndarray) if not n.startswith("_")}
    cache = {f"cupy.fft._cache.PlanCache.{n}" for n in ("get_size", "set_size")}
    asked = attributes() | set(functions) | methods | cache
    assert "cupy.cuda.runtime.getDeviceCount" in asked
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        input=json.dumps(sorted(asked)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    real: dict[str, list[str] | None] = json.loads(done.stdout)
    assert [name for name in asked if real[name] is None] == []
    checked = 0
    for name, function in functions.items():
        if not callable(function) or name in OPAQUE or inspect.isclass(function):
            continue
        wanted = [p for p in inspect.signature(function).parameters if p != "self"]
        parameters = real[name] or []
        assert set(wanted) <= set(parameters) or not wanted, (name, wanted, parameters)
        checked += bool(wanted)
    assert checked >= 10


# ---------------------------------------------------------------------------------- the benchmark of GPUs


class TestBenchmark:
    """That it runs; what it finds needs a GPU."""

    def test_without_a_device_it_says_so(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        from benchmarks import gpu

        monkeypatch.setattr(gpu, "engines", lambda jax: ([], {"CuPy": "no driver"}))
        monkeypatch.setattr(sys, "argv", ["gpu", "--output", str(tmp_path / "report.md")])
        assert gpu.main() == 0
        assert "no CUDA device (CuPy: no driver)" in capsys.readouterr().out
        assert not (tmp_path / "report.md").exists()

    def test_report(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        from benchmarks import cases, gpu, gpu_engines
        from benchmarks.peers import Peer
        from benchmarks.timing import Effort

        class Clock:
            def record(self) -> None:
                self.now = time.perf_counter()

            def synchronize(self) -> None: ...

        class Host(gpu.Engine):
            name, backend, version = "Host", "numpy", "0"

            def array(self, x: Any) -> Any:
                return x

            def event(self) -> Clock:
                return Clock()

            def milliseconds(self, start: Clock, stop: Clock) -> float:
                return 1e3 * (stop.now - start.now)

            def release(self) -> None: ...

        monkeypatch.setattr(gpu, "engines", lambda jax: ([Host()], {"CuPy": "no driver"}))
        monkeypatch.setattr(gpu, "checks", lambda clock: ("3 passed", 0))
        monkeypatch.setattr(gpu, "device_facts", lambda found: {"GPU": "none"})
        monkeypatch.setattr(gpu, "CASES", (cases.Case("small", "2-D", 2, (16, 16), 2, 2),))
        monkeypatch.setattr(gpu, "CHUNKED", gpu.CASES)
        monkeypatch.setattr(gpu_engines, "COPIED", 1 << 16)
        # It is mended in place for comparisons, which other tests in this process would not expect.
        monkeypatch.setattr(gpu, "kymatio", lambda: Peer("Kymatio", None, "absent"))
        monkeypatch.setattr(gpu, "FULL", Effort(budget=0, least=2, most=2))
        monkeypatch.setattr(sys, "argv", ["gpu", "--output", str(tmp_path / "report.md")])
        assert gpu.main() == 0
        text = (tmp_path / "report.md").read_text(encoding="utf-8")
        for wanted in (
            "| groupscat Host |",
            "| floor |",
            "- GPU: none",
            "- absent: CuPy: no driver",
            "| 3-D ",
        ):
            assert wanted in " ".join(text.split()), wanted

    def test_bytes_that_must_move(self) -> None:
        """By hand, in real numbers: one scale of two wavelets on 8 samples, real input, no padding."""
        from benchmarks.gpu_floor import traffic

        S = gs.Scattering1D(J=1, shape=8, padding="circular", max_order=1)
        averages = (8 + 4) + (2 * 8 + 2 * 4)
        spectrum = 8 + 2 * 8
        product = 2 * 2 * 8
        bandpass = (
            2 * 8 + 4 * product + 2 * 8
        )  # written, read, written by the transform, read; then the modulus
        joined = 2 * 3 * 4
        assert traffic(S.plan, batch=3) == 3 * 4 * (averages + spectrum + bandpass + joined)
