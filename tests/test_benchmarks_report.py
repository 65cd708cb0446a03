"""The report against the peers: ratios, verdicts, tables, and what is kept; no time is asserted."""

from __future__ import annotations

import doctest
import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks import __main__ as program  # noqa: E402
from benchmarks import (  # noqa: E402
    chapter,
    collect,
    contestants,
    expectations,
    records,
    report,
    scale,
    speed,
    tables,
    times,
    where,
)
from benchmarks import measured as measured_  # noqa: E402
from benchmarks.cases import AGREEMENT, CASES, Case  # noqa: E402
from benchmarks.chapter import Found, Start  # noqa: E402
from benchmarks.contestants import FLOOR, FORWARD, MAIN, NUMPY, OURS, PEER, STEP  # noqa: E402
from benchmarks.expectations import WANTED, Expectation  # noqa: E402
from benchmarks.floor import Transform, fft_floor, transforms  # noqa: E402
from benchmarks.measured import Measured, Memory, limit  # noqa: E402
from benchmarks.peers import Peer  # noqa: E402
from benchmarks.processes import per_process  # noqa: E402
from benchmarks.records import Records  # noqa: E402
from benchmarks.scale import Point  # noqa: E402
from benchmarks.timing import Effort, Timing, cores, interleaved  # noqa: E402

NAME = CASES[0].name
SMALL = Case("small", "2-D", 2, (16, 16), 2, 2)


@pytest.fixture(autouse=True)
def no_peers(monkeypatch):
    """Kymatio is mended in place for comparisons, which other tests in this process would not expect."""
    monkeypatch.setattr(chapter, "kymatio", lambda front: Peer(f"Kymatio ({front})", None, "absent: a test"))
    monkeypatch.setattr(chapter, "kymatio_main", lambda: Peer("Kymatio main", None, "absent: a test"))


def once(median: float) -> Timing:
    return Timing(median, 0.9 * median, 1.1 * median, 3)


def measured(mode: str = FORWARD, threads: int = 2, **more) -> Measured:
    found = {OURS: once(1), PEER: once(7), FLOOR: once(0.5), NUMPY: once(2)}
    return Measured(NAME, threads, mode, found, **more)


@pytest.mark.parametrize(
    "module", [program, contestants, expectations, measured_, records, report, scale, tables, where]
)
def test_examples(module):
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


class TestExpectations:
    def test_every_case_has_one(self):
        assert set(WANTED) == {case.name for case in contestants.EVERY}

    @pytest.mark.parametrize(
        ("measured", "at_most", "verdict"),
        [
            (8.0, False, "met, 1.00 times"),
            (7.999, False, "short by 0.013 %"),
            (4.0, False, "short by 50 %"),
            (8.0, True, "met, 1.00 of it"),
            (12.0, True, "over by 50 %"),
            (None, False, "not measured: no Torch"),
            (math.nan, False, "not measured: not a number"),
        ],
    )
    def test_verdicts(self, measured, at_most, verdict):
        assert Expectation("x", 8, measured, at_most=at_most, reason="no Torch").verdict() == verdict

    def test_the_tally_counts_what_is_met(self):
        rows = [Expectation("a", 2, 3), Expectation("b", 2, 1), Expectation("c", 2, None)]
        assert expectations.render(rows).endswith("1 of 3 met, 1 not measured.")


class TestRatios:
    def test_of_medians(self):
        m = measured()
        assert m.ratio(PEER, OURS) == 7
        assert m.ratio(OURS, FLOOR) == 2
        assert m.ratio(MAIN, OURS) is None

    def test_the_reference_is_the_branch_that_has_the_transform(self):
        joint = next(case for case in contestants.EVERY if case.kind == "JTFS")
        m = Measured(joint.name, 1, FORWARD, {OURS: once(1), MAIN: once(30)})
        assert times.ratio(m, times.THE_PEER, OURS) == 30
        assert times.ratio(m, MAIN, OURS) is None
        assert not contestants.takes_part(PEER, joint)
        assert contestants.takes_part(PEER, CASES[0])
        assert not contestants.takes_part(MAIN, CASES[0])

    def test_memory(self):
        answer = {FORWARD: {"extra": 4 << 20}, STEP: {"extra": 6 << 20}, "constants": 1}
        theirs = {FORWARD: {"extra": 12 << 20}, STEP: {"extra": 60 << 20}, "constants": 1}
        memory = Memory(CASES[0], {OURS: answer, PEER: theirs, NUMPY: "absent: no reason"})
        assert memory.ratio(OURS) == 3
        assert memory.ratio(OURS, STEP) == 10
        assert memory.extra(NUMPY) is None
        assert memory.ratio(NUMPY) is None
        assert memory.why_absent().startswith("no reason")
        little = {FORWARD: {"extra": 1 << 10}, "constants": 1}
        assert Memory(CASES[0], {OURS: little, PEER: answer}).ratio(OURS) == 16  # as if a step of counting
        assert Memory(CASES[0], {OURS: little, PEER: little}).ratio(OURS) is None

    @pytest.mark.parametrize("error", [1.1e-4, math.nan])
    def test_what_differs_does_not_agree(self, error):
        assert limit(CASES[0], FORWARD) == AGREEMENT["2-D"] == 1e-4
        assert measured(errors={OURS: 9e-5}).agrees(CASES[0])
        assert not measured(errors={OURS: error}).agrees(CASES[0])
        assert not measured(errors={NUMPY: 0.0, OURS: error}).agrees(CASES[0])


class TestTiming:
    def test_turns_alternate_and_the_first_is_only_looked_at(self):
        called, seen = [], []
        functions = {name: lambda name=name: called.append(name) or name for name in "ab"}
        found = interleaved(functions, Effort(0, 3, 3), lambda *pair: seen.append(pair))
        assert called == list("ab" * 4)
        assert seen == [("a", "a"), ("b", "b")]
        assert {t.calls for t in found.values()} == {3}

    def test_the_slow_are_called_once(self):
        turns = itertools.count()
        functions = {"slow": lambda: next(turns), "fast": lambda: sum(range(100_000))}
        clock = SimpleNamespace(now=0.0)

        def tick() -> float:
            clock.now += 1
            return clock.now

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("benchmarks.timing.time.perf_counter", tick)
            found = interleaved(functions, Effort(0, 3, 3, slow=0.5))
        assert {t.calls for t in found.values()} == {1}
        assert next(turns) == 2  # the round that does not count, and one
        assert str(found["slow"]) == "1 s (one call)"


class TestContestants:
    def test_on_torch_and_numpy_compute_the_same(self):
        found, absent = contestants.present([OURS, NUMPY, FLOOR], SMALL)
        assert not absent
        y, z = found[OURS].calls[FORWARD](), found[NUMPY].calls[FORWARD]()
        assert not y.requires_grad
        np.testing.assert_allclose(contestants.host(y), z, atol=1e-5)
        assert set(found[FLOOR].calls) == {FORWARD, STEP}
        assert set(found[NUMPY].calls) == {FORWARD}

    def test_the_gradient_is_that_of_the_sum_of_squares(self):
        found = contestants.contestant(OURS, SMALL)
        x = torch.from_numpy(SMALL.input())
        gradient = found.calls[STEP]()
        again = found.calls[STEP]()
        assert torch.equal(gradient, again)
        along = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        import groupscat.torch as gt

        S = SMALL.build(gt).double()
        h = 1e-6
        up, down = (S(x.double() + t * along).square().sum() for t in (h, -h))
        assert float((gradient * along).sum()) == pytest.approx(float((up - down) / (2 * h)), rel=1e-3)

    def test_an_absent_peer_says_why(self, monkeypatch):
        monkeypatch.setattr(contestants, "kymatio", lambda *front: Peer("Kymatio", None, "absent: no wheel"))
        found, absent = contestants.present([OURS, PEER], SMALL)
        assert list(found) == [OURS]
        assert absent == {PEER: "absent: no wheel"}

    def test_differences(self):
        y = np.ones((2, 3, 4, 4), np.float32)
        case = SimpleNamespace(kind="1-D", error=lambda a, b, orders: float(abs(a - b).max()))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(speed, "_orders", lambda case: [])
            found = speed.differences(case, {OURS: y + 0.5, PEER: y}, FORWARD)
        assert found == {OURS: 0.5}
        assert speed.differences(case, {OURS: y + 0.5, PEER: 2 * y}, STEP) == {OURS: 0.25}
        assert speed.differences(case, {OURS: y}, FORWARD) == {}

    def test_the_floor_is_every_transform_of_the_plan(self):
        import groupscat as gs

        S = gs.Scattering1D(J=3, shape=32, Q=1, padding="circular")
        found = transforms(S.plan, 3)
        first = sum(path.order == 1 for path in S.paths)
        second = sum(path.order == 2 for path in S.paths)
        assert first > 1
        assert second > 1
        assert found[0] == Transform("rfft", 3, (32,))
        assert sum(t.rows for t in found if t.name == "ifft") == 3 * (first + second)
        called = []
        with pytest.MonkeyPatch.context() as patch:
            for name in ("rfftn", "ifftn"):
                patch.setattr(torch.fft, name, lambda x, dim, name=name: called.append((name, len(x))))
            fft_floor(S.plan, 3)()
        assert sum(rows for name, rows in called) == sum(t.rows for t in found)


class TestRecords:
    def test_an_interrupted_run_goes_on(self, tmp_path):
        path = tmp_path / "report.records.json"
        setting = {"cores": 2, "source": "abc"}
        first = Records.begin(path, setting, resume=False)
        first.once("a", lambda: 1)
        with pytest.raises(KeyboardInterrupt):
            first.once("b", self.interrupted)
        again = Records.begin(path, setting, resume=True)
        assert again.once("a", self.interrupted) == 1
        assert again.once("b", lambda: 2) == 2
        assert json.loads(path.read_text(encoding="utf-8"))["b"] == 2
        assert Records.begin(path, setting, resume=False).found == {"setting": setting}

    @staticmethod
    def interrupted():
        raise KeyboardInterrupt

    def test_another_source_is_another_run(self, tmp_path):
        path = tmp_path / "report.records.json"
        Records.begin(path, {"source": "abc"}, resume=False)
        with pytest.raises(ValueError, match="source is def and was abc"):
            Records.begin(path, {"source": "def"}, resume=True)

    def test_another_process_adds(self, tmp_path):
        ours = Records(tmp_path / "report.records.json")
        Records(ours.path).keep("times", [measured().kept()])
        ours.read()
        assert Measured.read(ours.found["times"][0]) == measured()

    def test_kept_cases_are_not_measured_again(self, tmp_path, monkeypatch):
        calls = []

        def measure_case(case, threads, effort, others):
            calls.append((case.name, tuple(others)))
            return [Measured(case.name, threads, FORWARD, {OURS: once(1)})]

        monkeypatch.setattr(speed, "measure_case", measure_case)
        records = Records(tmp_path / "report.records.json")
        for _ in range(2):
            found = speed.measure(records, CASES[:2], 1)
        assert calls == [(case.name, ()) for case in CASES[:2]]
        assert [m.case for m in found] == [case.name for case in CASES[:2]]
        speed.measure(records, CASES[:2], 1, compiled=CASES[1].name)
        assert calls[2:] == [(CASES[1].name, (contestants.COMPILED,))]


class TestProgram:
    def test_the_list_of_cases(self, capsys):
        assert program.main(["--list"]) == 0
        assert capsys.readouterr().out.splitlines() == [case.name for case in contestants.EVERY]
        assert program.main(["--list", "--cases", "1-D|3-D"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 3
        assert program.main(["--list", "--quick"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == len(contestants.EVERY) - 1

    @pytest.mark.parametrize(
        ("given", "said"),
        [(["--cases", "4-D"], "'4-D' matches none of: 2-D 64"), (["--threads", "0"], "so 1 to")],
    )
    def test_bad_options(self, given, said, capsys):
        with pytest.raises(SystemExit):
            program.main(given)
        assert said in capsys.readouterr().err

    def test_from_records_to_the_report(self, tmp_path, monkeypatch, capsys):
        """All but the timing itself, and the exit status."""
        monkeypatch.setattr(program, "machine", lambda: {"cores used": "2"})
        monkeypatch.setattr(report, "machine", lambda: {"cores used": "2"})
        monkeypatch.setattr(collect.subprocess, "run", lambda *given, **more: SimpleNamespace(returncode=0))
        monkeypatch.setattr(collect, "peak", lambda case, who: {FORWARD: {"extra": 1 << 20}, "constants": 8})
        bad = [measured(), measured(STEP, errors={OURS: 0.5})]
        monkeypatch.setattr(speed, "measure_case", lambda *given: bad)
        output = tmp_path / "report.md"
        given = ["--cases", NAME + "$", "--threads", "1", "--output", str(output)]
        assert program.main(given) == 1
        text = " ".join(output.read_text(encoding="utf-8").split())
        for wanted in (
            "# Agreement and speed",
            "| 2-D 64×32² J=2: forward | ≥ 6× | 7× | met, 1.17 times |",
            "5.0e-01 FAIL",
            "### Forward, 2 threads",
        ):
            assert wanted in text, wanted
        assert str(tmp_path) not in text
        assert (tmp_path / "report.records.json").exists()
        bad[1] = measured(STEP, errors={OURS: 1e-5})
        assert program.main(given) == 0
        assert program.main([*given, "--resume"]) == 0
        capsys.readouterr()

    def test_a_process_that_fails_ends_the_run(self, tmp_path, monkeypatch):
        monkeypatch.setattr(collect.subprocess, "run", lambda *given, **more: SimpleNamespace(returncode=9))
        with pytest.raises(SystemExit, match="status 9"):
            collect.times(Records(tmp_path / "r.json"), CASES[:1], 1, True, "")

    def test_the_chapter(self):
        """What is found of one case on one and two threads; the expectations are those of two."""
        slow = Measured(NAME, 1, FORWARD, {OURS: once(1), PEER: once(5)})
        start = Start(
            {"import groupscat": once(0.15)},
            {"224² J=3": {OURS: {"ready": once(0.02), "first call": once(0.03)}}},
            once(3.0),
        )
        start.construction["224² J=3"][PEER] = {"ready": once(4), "first call": once(4.1)}
        text = chapter.render(Found([slow, measured(STEP, 1), measured(), measured(STEP)], {}, start))
        flat = " ".join(text.split())
        for wanted in (
            "| 2-D 64×32² J=2: forward | ≥ 6× | 7× | met, 1.17 times |",
            "| 2-D 64×32² J=2: forward+backward | ≥ 5× | 7× | met, 1.40 times |",
            "| 2-D 64×32² J=2: memory | ≥ 3× | | not measured: absent |",
            "| 2-D 64×32² J=2: groupscat NumPy over its transforms | ≤ 3× | 4× | over by 33 % |",
            "| building 224² J=3 | ≥ 200× | 200× | met, 1.00 times |",
            "| import groupscat | ≤ 0.3 s | 0.15 s | met, 0.50 of it |",
            "processor time | ≤ 1.5 s | 3 s | over by 100 % |",
            "### Forward, 1 thread ",
            "### Forward+backward, 2 threads",
            "- Kymatio main: absent: a test",
            "- escnn: ",
        ):
            assert wanted in flat, wanted


def points(name: str, cost, sizes=(64, 128, 256, 512, 1024, 2048), batch: int = 1) -> list[Point]:
    return [Point(name, n, batch, once(cost(n))) for n in sizes]


class TestScale:
    @pytest.mark.parametrize("power", [1.0, 1.4])
    def test_growth_is_a_power_of_n_log_n(self, power):
        found = points("signals", lambda n: 1e-9 * (n * math.log2(n)) ** power)
        assert scale.growth(found) == pytest.approx(power)
        found[0] = Point("signals", 64, 1, once(1.0))  # a start that costs much: the upper half decides
        assert scale.growth(found[::-1]) == pytest.approx(power)

    def test_flatness_is_that_of_the_largest_batch(self):
        found = [Point("b", 4, batch, once(cost)) for batch, cost in ((1, 9.0), (2, 4.0), (8, 24.0))]
        assert found[1].cost == 0.5
        assert scale.flatness(found) == 1.5
        assert scale.flatness(found[::-1]) == 1.5

    def test_verdicts(self):
        squares = points("images", lambda n: 1e-9 * n**2)
        lines = points("signals", lambda n: 1e-9 * n * math.log2(n))
        batches = [Point("batches of images", 4, b, once(b * 1.0)) for b in (1, 2)]
        rows = {e.name: e.verdict() for e in scale.expected([*squares, *lines, *batches], {1: 3.3, 2: 2.0})}
        assert rows["signals: time as a power of N log N"].startswith("met")
        assert rows["images: time as a power of N log N"].startswith("over by")
        assert rows["batches of images: the largest over the best, per sample"].startswith("met")
        assert rows["batches of signals: the largest over the best, per sample"].startswith("not measured")
        assert rows["two processes"] == "met, 1.03 times"
        last = scale.expected([], "absent: dask")[-1]
        assert last.verdict() == "not measured: dask"

    def test_points_tables_and_figure(self, tmp_path):
        pytest.importorskip("matplotlib")
        found = list(scale.points(11, 64, Effort(0, 1, 1), batches=(1, 2)))
        assert [(p.samples, p.batch) for p in found if p.series == "signals"] == [(1024, 1), (2048, 1)]
        assert [(p.samples, p.batch) for p in found if p.series == "images"] == [(1024, 1), (4096, 1)]
        assert [p.batch for p in found if p.series == "batches of signals"] == [1, 2]
        text = " ".join(scale.tables(found, {1: 3.2, 2: 2.0}).split())
        for wanted in ("| 2^11 ", "| 64² ", "| 2 | 2 s | 1.60× |", "| batch of 32² |"):
            assert wanted in text, wanted
        assert "processes" not in scale.tables(found, "absent: dask")
        scale.draw(found, tmp_path / "new" / "scale.svg")
        assert "ns per sample" in (tmp_path / "new" / "scale.svg").read_text(encoding="utf-8")

    def test_processes_need_cores(self):
        many = cores() + 1
        assert per_process((1, many)).startswith("absent:")
