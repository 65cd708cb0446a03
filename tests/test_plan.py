"""Plans: metadata without running, frozen, hashable, picklable, sparing with memory."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import groupscat as gs
from groupscat.execute import run
from groupscat.plan.constants import FilterBlock, Order
from groupscat.plan.ops import Concat, Op, Power
from groupscat.plan.paths import Path, Paths
from groupscat.plan.plan import PlanBuilder
from groupscat.scattering.operator import constant
from groupscat.space import Axis, Space
from tests.checks import noise
from tests.strategies import operators

OPERATORS: dict[str, Any] = {
    "1-D": lambda: gs.Scattering1D(J=3, shape=40, Q=2),
    "2-D": lambda: gs.Scattering2D(J=2, shape=(9, 8), L=3),
    "3-D": lambda: gs.Scattering3D(J=1, shape=(4, 3, 4), L=3),
    "cascade": lambda: gs.Scattering2D(J=2, shape=(9, 8), L=3, method="cascade"),
    "harmonic": lambda: gs.HarmonicScattering3D(J=1, shape=(5, 5, 5), L=2),
    "unaveraged": lambda: gs.Scattering1D(J=3, shape=40, T=0, out_type="list"),
    "rectifier": lambda: gs.Scattering1D(J=2, shape=40, rho="rectifier", phases=3),
}


def flat(y: Any) -> np.ndarray[Any, Any]:
    return np.concatenate([r["coef"] for r in y], -1) if isinstance(y, list) else y


@pytest.mark.parametrize("make", OPERATORS.values(), ids=OPERATORS)
class TestOperators:
    def test_metadata_needs_no_data_and_no_constants(self, make: Any, monkeypatch: Any) -> None:
        def refuse(*_: Any) -> None:
            raise AssertionError("a constant was built")

        S = make()
        for _, recipe in S.plan.constants:
            monkeypatch.setattr(type(recipe), "build", refuse)
        assert len(S.paths) > 1
        assert S.plan.peak_floats > 0
        assert len(S.output_shape) >= 2
        assert str(S)
        assert repr(S)
        assert str(S.plan)
        assert S.constant_bytes > 0

    def test_equal_arguments_give_equal_plans(self, make: Any) -> None:
        first, second = make(), make()
        assert first == second
        assert first.plan == second.plan
        assert first.plan is not second.plan
        assert hash(first.plan) == hash(second.plan)
        assert hash(first) == hash(second)

    def test_plan_is_frozen(self, make: Any) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            make().plan.ops = ()
        with pytest.raises(dataclasses.FrozenInstanceError):
            make().plan.ops[0].dst = "y"

    def test_plan_survives_pickling_and_runs(self, make: Any) -> None:
        S = make()
        plan = pickle.loads(pickle.dumps(S.plan))
        assert plan == S.plan
        x = noise((2, 1, *S.shape))
        backend = gs.get_backend("numpy")
        constants = {name: constant(backend, recipe, "float64", x) for name, recipe in plan.constants}
        for y, z in zip(
            run(plan, {"x": x, **constants}, backend),
            run(S.plan, {"x": x, **constants}, backend),
            strict=True,
        ):
            np.testing.assert_array_equal(y, z)

    @pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda S: pickle.loads(pickle.dumps(S))])
    def test_operator_survives_copies(self, make: Any, way: Any) -> None:
        S = make()
        x = noise((2, *S.shape))
        before = flat(S(x))
        twin = way(S)
        assert twin == S
        assert twin.paths == S.paths
        np.testing.assert_array_equal(flat(twin(x)), before)

    def test_pickle_holds_no_constants(self, make: Any) -> None:
        S = make()
        S(noise(S.shape))
        assert len(pickle.dumps(S)) < 1000

    def test_registers_are_written_once_and_read_while_alive(self, make: Any) -> None:
        plan = make().plan
        alive = set(plan.inputs)
        constants = {name for name, _ in plan.constants}
        for op, dead in plan.schedule:
            assert set(op.srcs) <= alive | constants
            assert op.dst not in alive
            alive = (alive | {op.dst}) - set(dead)
        assert alive - set(plan.inputs) == {name for name, _ in plan.outputs}

    def test_rows_of_the_outputs_are_all_paths_once(self, make: Any) -> None:
        plan = make().plan
        rows = sorted(row for _, rows in plan.outputs for row in rows)
        assert rows == list(range(len(plan.paths)))
        for name, rows in plan.outputs:
            assert plan.register[name].space.shape[0] == len(rows)

    def test_registers_have_the_declared_shapes(self, make: Any) -> None:
        S = make()
        backend = gs.get_backend("numpy")
        x = noise((3, 1, *S.shape))
        registers = {name: constant(backend, recipe, "float64", x) for name, recipe in S.plan.constants}
        registers["x"] = x
        for op in S.plan.ops:
            y = registers[op.dst] = op(backend, *(registers[name] for name in op.srcs))
            declared = S.plan.register[op.dst]
            assert y.shape == (3, *declared.space.shape), op
            assert np.iscomplexobj(y) <= declared.is_complex

    def test_sizes_of_recipes_are_known_without_building(self, make: Any) -> None:
        for _, recipe in make().plan.constants:
            built = recipe.build()
            assert built.size * (2 if np.iscomplexobj(built) else 1) == recipe.size
            types = {"index": np.int64, "complex_filter": np.complex128}
            assert built.dtype == types.get(recipe.kind, np.float64)
            assert hash(recipe) == hash(pickle.loads(pickle.dumps(recipe)))

    def test_one_operator_from_many_threads(self, make: Any) -> None:
        xs = [noise((2, *make().shape), seed) for seed in range(8)]
        first = make()
        expected = [flat(first(x)) for x in xs]
        S = make()  # fresh: its constants are built while all threads wait for them
        with ThreadPoolExecutor(8) as pool:
            for found, wanted in zip(pool.map(S, xs * 4), expected * 4, strict=True):
                np.testing.assert_array_equal(flat(found), wanted)


@given(S=operators())
def test_any_plan_is_hashable_picklable_and_printable(S: gs.Scattering) -> None:
    assert pickle.loads(pickle.dumps(S.plan)) == S.plan
    assert hash(S.replace().plan) == hash(S.plan)
    assert S.replace() == S
    assert str(S)
    assert len(S.paths) == sum(len(rows) for _, rows in S.plan.outputs)


def test_different_arguments_give_different_plans() -> None:
    S = gs.Scattering1D(J=3, shape=40)
    others = [
        S.replace(**change)
        for change in ({"J": 2}, {"shape": 41}, {"Q": 2}, {"T": 4}, {"padding": "zero"}, {"max_order": 1})
    ]
    assert len({S.plan, *(other.plan for other in others)}) == 7
    assert all(other != S for other in others)


def test_equal_constants_are_shared() -> None:
    S = gs.Scattering2D(J=3, shape=(16, 16), L=4)
    recipes = [recipe for _, recipe in S.plan.constants]
    assert len(set(recipes)) == len(recipes)
    blocks = [r for r in recipes if isinstance(r, FilterBlock)]
    # One per scale at order 1, which also serve order 2 behind j1 = 0 (not subsampled); one for (1, 2).
    assert len(blocks) == 3 + 1


def test_constants_are_built_once_per_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    S = gs.Scattering2D(J=2, shape=(8, 8), L=2)
    built: list[Any] = []
    original = FilterBlock.build

    def counted(self: FilterBlock) -> Any:
        built.append(self)
        return original(self)

    monkeypatch.setattr(FilterBlock, "build", counted)
    for _ in range(3):
        S(noise((8, 8)))
        S(noise((8, 8)).astype(np.float32))
    assert len(built) == 2 * len(set(built))


def test_peak_memory_does_not_grow_with_the_number_of_paths() -> None:
    """Depth first: with four times the second-order paths, only their own (small) outputs are added."""
    few = gs.Scattering1D(J=4, shape=512, Q=(8, 1))
    many = gs.Scattering1D(J=4, shape=512, Q=(8, 4))
    outputs = [S.plan.register[S.plan.outputs[0][0]].floats for S in (few, many)]
    assert len(many.paths) > 2 * len(few.paths)
    assert many.plan.peak_floats - few.plan.peak_floats <= 5 * (outputs[1] - outputs[0])


def test_peak_floats_is_what_the_executor_holds(plain_backends: None) -> None:
    S = gs.Scattering2D(J=2, shape=(64, 64), L=4)
    x = noise((1, 64, 64))
    S(x)
    tracemalloc.start()
    try:
        S(x)
        measured = tracemalloc.get_traced_memory()[1] / 8
    finally:
        tracemalloc.stop()
    # An operation needs room for its own temporaries (a product, its square root) besides its registers.
    assert S.plan.peak_floats * 0.5 < measured < S.plan.peak_floats * 3


def test_memory_is_bounded_by_the_chunk_not_by_the_batch(
    plain_backends: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gs.get_backend("numpy"), "chunk_bytes", 1 << 20)
    S = gs.Scattering2D(J=2, shape=(32, 32), L=4, max_order=2, T="global")
    peaks = []
    for batch in (128, 512):  # both more than one chunk
        x = noise((batch, 32, 32))
        S(x)
        tracemalloc.start()
        try:
            S(x)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("chunk_bytes", [None, 1, 10_000, 10**9])
def test_chunking_changes_nothing(chunk_bytes: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    x = noise((7, 3, 9, 8))
    S = gs.Scattering2D(J=2, shape=(9, 8), L=2)
    expected = S(x)
    monkeypatch.setattr(gs.get_backend("numpy"), "chunk_bytes", chunk_bytes, raising=False)
    np.testing.assert_allclose(S(x), expected, rtol=0, atol=1e-14)


def test_a_batch_is_really_split() -> None:
    """So that the test above is about chunks."""
    S = gs.Scattering2D(J=2, shape=(9, 8), L=2)
    assert S.plan.largest_floats * 8 * 21 > 10_000


def test_builder_refuses_undefined_and_doubly_written_registers() -> None:
    builder = PlanBuilder()
    space = Space((Axis("path", 1, kind="fiber"), Axis("u1", 4)))
    builder.input("x", space)
    with pytest.raises(gs.ArgumentError, match=r"operation 'y' reads \['z'\], which nothing before it"):
        builder.emit(Power(("z",), "y", 2.0), space)
    builder.emit(Power(("x",), "y", 2.0), space)
    with pytest.raises(gs.ArgumentError, match="register 'y' is written twice"):
        builder.emit(Power(("x",), "y", 3.0), space)
    assert builder.constant(Order((0,))) == builder.constant(Order((0,)))


def test_executor_frees_and_returns_what_the_plan_says() -> None:
    builder = PlanBuilder()
    space = Space((Axis("path", 1, kind="fiber"), Axis("u1", 4)))
    builder.input("x", space)
    builder.emit(Power(("x",), "a", 2.0), space)
    builder.emit(Power(("a",), "b", 3.0), space)
    two = Space((Axis("path", 2, kind="fiber"), Axis("u1", 4)))
    builder.emit(Concat(("b", "x"), "c"), two)
    plan = builder.build([("c", (0, 1))], Paths((Path(), Path())))
    assert [dead for _, dead in plan.schedule] == [(), ("a",), ("b", "x")]
    assert plan.peak_floats == 4 * 4
    x = np.full((1, 1, 4), 2.0)
    (y,) = run(plan, {"x": x}, gs.get_backend("numpy"))
    np.testing.assert_array_equal(y[0], [[64.0] * 4, [2.0] * 4])


def test_abstract_operation_refuses_to_run() -> None:
    with pytest.raises(TypeError, match="Op is not an operation"):
        Op(("x",), "y")(gs.get_backend("numpy"), np.ones(3))


def test_spaces_describe_their_axes() -> None:
    space = gs.Scattering2D(J=2, shape=(16, 8), L=2).plan.register["x"].space
    assert space.shape == (1, 16, 8)
    assert str(space) == "path:1 × u1:16 × u2:8"
    assert space.size == 128


@pytest.mark.parametrize(
    ("front", "shape", "options", "growing"),
    [
        ("Scattering2D", (224, 224), {"J": 3}, [{"L": L} for L in (2, 4, 8, 16)]),
        ("Scattering2D", (224, 224), {"L": 8}, [{"J": J} for J in (5, 4, 3, 2)]),
        ("Scattering1D", 65536, {"J": 8}, [{"Q": Q} for Q in (1, 4, 8, 16)]),
    ],
)
def test_memory_beside_the_results_does_not_grow_with_the_paths(
    front: str, shape: Any, options: Any, growing: list[dict[str, Any]]
) -> None:
    """Depth first: results, their parts and what one branch needs are alive, never all branches."""
    beside, paths = [], []
    for more in growing:
        plan = getattr(gs, front)(shape=shape, **options, **more).plan
        results = sum(plan.register[name].floats for name, _ in plan.outputs)
        beside.append(plan.peak_floats - 2 * results)
        paths.append(results)
    assert paths == sorted(paths)
    assert max(paths) > 5 * min(paths)
    assert max(beside) <= 1.05 * beside[0]
