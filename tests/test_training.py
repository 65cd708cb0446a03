"""Training against its definitions, against Torch's own parts, and the same in every framework."""

from __future__ import annotations

import importlib
import math
from dataclasses import replace

import numpy as np
import pytest

from groupscat import nn
from groupscat.backend import get_backend
from groupscat.errors import ArgumentError, BackendError, DataError, ShapeError, TrainingError
from groupscat.training import SGD, Adam, Augment, Cosine, Dataset, Recipe, Steps, train
from groupscat.training.recipe import from_data, to_data
from groupscat.training.step import cross_entropy
from tests.frameworks import missing, needs
from tests.training import (
    ADAM,
    PLAIN,
    RECIPE,
    TRAIN,
    VALIDATION,
    WHOLE,
    assert_equal,
    assert_same_rows,
    by_hand,
    conv,
    signals,
)

if missing("torch") or missing("safetensors"):
    pytest.skip('pip install "groupscat[torch,safetensors]"', allow_module_level=True)
import torch

if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

RECIPES = {"nesterov": RECIPE, "momentum": PLAIN, "adam": ADAM}


# --------------------------------------------------------------------------------------- its parts


@pytest.mark.parametrize(
    ("rule", "theirs"),
    [
        (SGD(0.0, nesterov=False), lambda p: torch.optim.SGD(p)),
        (SGD(0.9, nesterov=False), lambda p: torch.optim.SGD(p, momentum=0.9)),
        (SGD(0.7), lambda p: torch.optim.SGD(p, momentum=0.7, nesterov=True)),
        (Adam(), torch.optim.Adam),
        (Adam(0.5, 0.9, 1e-3), lambda p: torch.optim.Adam(p, betas=(0.5, 0.9), eps=1e-3)),
    ],
)
def test_optimisers_are_those_of_torch(rule, theirs):
    xp, rng = get_backend("torch"), np.random.default_rng(0)
    w = torch.tensor(rng.normal(size=(3, 4)))
    own = torch.nn.Parameter(w.clone())
    other, slots = theirs([own]), tuple(torch.zeros_like(w) for _ in rule.slots)
    for step in range(1, 12):
        rate = 0.3 / step
        # Also gradients of 0, where Adam divides by eps alone, and large ones.
        g = torch.tensor(
            rng.normal(size=(3, 4)) * 10.0 ** rng.integers(-6, 4, (3, 4)) * (rng.random((3, 4)) < 0.8)
        )
        other.param_groups[0]["lr"], own.grad = rate, g
        other.step()
        given = {k: torch.tensor(value, dtype=torch.float64) for k, value in rule.numbers(rate, step).items()}
        w, slots = rule.update(xp, w, g, slots, given)
        np.testing.assert_allclose(w.numpy(), own.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "name", ["numpy", *(pytest.param(n, marks=needs(n)) for n in ("torch", "tensorflow", "jax"))]
)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_cross_entropy_is_that_of_torch(name, smoothing):
    xp, rng = get_backend(name), np.random.default_rng(0)
    y, k = rng.normal(size=(40, 5)) * 10.0 ** rng.integers(-3, 5, (40, 1)), rng.integers(0, 5, 40)
    y[0], y[1], y[2] = 1e300, -1e300, (8e300, -8e300, 0, 0, 0)  # whose exponentials are no numbers
    targets = np.eye(5)[k] * (1 - smoothing) + smoothing / 5
    found = xp.to_numpy(cross_entropy(xp, xp.asarray(y), xp.asarray(targets)))
    wanted = torch.nn.functional.cross_entropy(
        torch.tensor(y), torch.tensor(k), reduction="none", label_smoothing=smoothing
    )
    assert np.isfinite(found[:2]).all()
    np.testing.assert_allclose(found[:2], math.log(5), rtol=1e-12)
    np.testing.assert_allclose(found[2:], wanted.numpy()[2:], rtol=1e-12, atol=1e-12)


def test_schedules():
    steps = Steps(rates=(0.4, 0.2, 0.1), at=(0.25, 0.5))
    times = (0, 0.2499, 0.25, 0.4999, 0.5, 0.999)
    assert [steps.rate(t) for t in times] == [0.4, 0.4, 0.2, 0.2, 0.1, 0.1]
    cosine = Cosine(0.3, warmup=0.2)
    for t in np.linspace(0, 1, 101):
        wanted = 0.3 * t / 0.2 if t < 0.2 else 0.3 * math.cos(math.pi / 2 * (t - 0.2) / 0.8) ** 2
        assert cosine.rate(t) == pytest.approx(wanted, rel=1e-12, abs=1e-15)
    assert Cosine(0.3).rate(0) == 0.3


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: SGD(1.0), r"momentum=1\.0"),
        (lambda: SGD(-0.1), r"momentum=-0\.1"),
        (lambda: SGD("fast"), "momentum='fast'"),
        (lambda: SGD(math.nan), "momentum=nan"),
        (lambda: Adam(beta2=1), "beta2=1"),
        (lambda: Adam(eps=0), "eps=0"),
        (lambda: Steps((0.1, 0.2), ()), "one fewer than rates"),
        (lambda: Steps((0.1, 0.2, 0.3), (0.5, 0.5)), "rising times"),
        (lambda: Steps((0.1, 0.2), (math.nan,)), "between 0 and 1"),
        (lambda: Steps((0.1, -0.2), (0.5,)), "rates=-0.2"),
        (lambda: Steps(0.1, ()), r"rates=0\.1"),
        (lambda: Cosine(math.inf), "peak=inf"),
        (lambda: Cosine(0.1, warmup=1.0), r"warmup=1\.0"),
        (lambda: Recipe(epochs=0), "epochs=0"),
        (lambda: Recipe(batch_size=2.5), r"batch_size=2\.5"),
        (lambda: Recipe(seed=-1), "seed=-1"),
        (lambda: Recipe(optimiser="sgd"), "optimiser='sgd'"),
        (lambda: Recipe(schedule=0.1), r"schedule=0\.1"),
        (lambda: Recipe(augment=True), "augment=True"),
        (lambda: Recipe(decay=math.nan), "decay=nan"),
        (lambda: Recipe(decay=-1.0), r"decay=-1\.0"),
        (lambda: Recipe(smoothing=1.0), r"smoothing=1\.0"),
        (lambda: Recipe(smoothing="much"), "smoothing='much'"),
        (lambda: Recipe(precision="float16"), "precision='float16'"),
    ],
)
def test_recipes_that_are_none(make, match):
    with pytest.raises(ArgumentError, match=match):
        make()


def test_recipes_are_data():
    for recipe in (*RECIPES.values(), Recipe()):
        assert from_data(to_data(recipe)) == recipe
    with pytest.raises(ArgumentError, match="names no part"):
        from_data({"class": "os.system"})
    with pytest.raises(ArgumentError, match="does not make a SGD"):
        from_data({"class": "SGD", "momentum": 0.9, "speed": 3})


def test_numbers_of_numpy_make_a_recipe_that_can_be_kept(tmp_path):
    recipe = Recipe(
        epochs=np.int64(1), batch_size=np.int32(8), seed=np.uint8(3), decay=np.float32(0.5),
        smoothing=np.float32(0.25), augment=Augment(shift=np.int64(1)),
        optimiser=SGD(np.float32(0.5)), schedule=Steps(np.array([0.5, 0.25], np.float32), np.array([0.5])),
    )  # fmt: skip
    assert recipe == replace(
        recipe, epochs=1, batch_size=8, seed=3, decay=0.5, smoothing=0.25, optimiser=SGD(0.5),
        schedule=Steps((0.5, 0.25), (0.5,)),
    )  # fmt: skip
    train(WHOLE, TRAIN, recipe, output=tmp_path / "run", backend="torch")


# ---------------------------------------------------------------------------------- all of training


@pytest.mark.parametrize("name", RECIPES)
def test_training_is_the_loop_written_by_hand(name):
    wanted, rows = by_hand(RECIPES[name], TRAIN, VALIDATION)
    result = train(WHOLE, TRAIN, RECIPES[name], validation=VALIDATION, backend="torch")
    assert_equal(result.model.arrays(), wanted, 1e-10)
    assert_same_rows(result.rows, rows, 1e-10)
    assert result.model.classes == TRAIN.classes
    assert result.test is None


def test_training_learns():
    """An error far below chance, on signals that it has not seen."""
    recipe = replace(RECIPE, epochs=25, decay=0.0, augment=None)
    test = signals(60, seed=9)
    score = train(WHOLE, signals(90), recipe, test=test, backend="torch").test
    assert score.error < 0.15
    assert score.error == (score.predicted != test.y).mean()


def test_single_and_double_precision_are_one_training():
    single = train(WHOLE, TRAIN, replace(PLAIN, precision="float32"), backend="torch")
    double = train(WHOLE, TRAIN, PLAIN, backend="torch")
    for name, a in double.model.arrays().items():
        assert single.model.arrays()[name].dtype == np.float32
        # Both start from numbers of their own precision.
        np.testing.assert_allclose(single.model.arrays()[name], a, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_near_and_keeps_parameters_in_single_precision():
    recipe = replace(PLAIN, precision="float32", epochs=1)
    mixed = train(WHOLE, TRAIN, replace(recipe, precision="bfloat16"), backend="torch")
    exact = train(WHOLE, TRAIN, recipe, backend="torch")
    apart = [np.abs(mixed.model.arrays()[k] - a).max() for k, a in exact.model.arrays().items()]
    assert {a.dtype for a in mixed.model.arrays().values()} == {np.dtype("float32")}
    assert 1e-6 < max(apart) < 0.05


def test_statistics_are_not_rounded_with_the_products():
    """Means far from 0: with eight bits their third digits would be wrong."""
    layers = [nn.Conv1x1(4, bias=False), nn.BatchNorm(momentum=1.0), nn.Mean(("u1", "u2")), nn.Dense(3)]
    network, data = nn.Network(layers, (2, 32, 32)), signals(24, shape=(2, 32, 32))
    data = replace(data, x=data.x + 3)
    recipe = replace(PLAIN, epochs=1, batch_size=24, precision="bfloat16")
    state = train(network, data, recipe, backend="torch").model.state
    first, _ = nn.init(network, recipe.seed, "float32")
    w, x = (torch.tensor(a).float().bfloat16().double().numpy() for a in (first["0.weight"], data.x))
    y = np.einsum("oc,bcuv->obuv", w, x).reshape(4, -1)
    np.testing.assert_allclose(state["1.mean"], y.mean(1), rtol=1e-4)
    np.testing.assert_allclose(state["1.variance"], y.var(1), rtol=1e-3)


def test_seeds_differ_and_repeat():
    again = [
        train(WHOLE, TRAIN, replace(RECIPE, seed=seed), backend="torch").model.arrays() for seed in (1, 1, 2)
    ]
    assert_equal(again[0], again[1])
    assert not np.array_equal(again[0]["6.weight"], again[2]["6.weight"])


def test_a_model_is_trained_further():
    model = train(WHOLE, TRAIN, replace(RECIPE, epochs=1), backend="torch").model
    before = {name: a.copy() for name, a in model.arrays().items()}
    further = train(model, TRAIN, replace(RECIPE, epochs=1, schedule=Cosine(1e-12)), backend="torch").model
    assert_equal(model.arrays(), before)  # nothing is changed in place
    assert_equal(further.parameters, model.parameters, 1e-9)


def test_data_are_left_as_they_are():
    x, first = TRAIN.x.copy(), nn.init(WHOLE, 0, "float64")
    train(nn.Model(WHOLE, *first), TRAIN, RECIPE, backend="torch")
    np.testing.assert_array_equal(TRAIN.x, x)
    assert_equal(
        first[0] | first[1], {k: a for part in nn.init(WHOLE, 0, "float64") for k, a in part.items()}
    )


CONSTRAINED = nn.Network(
    [
        nn.Standardise((0.1, -0.2), (1.5, 0.8)),
        conv(2, 4),
        nn.BatchNorm(affine=False),
        nn.ReLU(fraction=0.5),
        nn.Residual([nn.Conv1x1(4, constraint=nn.SpectralBound(0.5)), nn.Modulus()]),
        nn.Dropout(0.8),
        nn.Mean(("u1", "u2")),
        nn.Dense(5, constraint=nn.Parseval(0.1)),
        nn.ELU(),
        nn.Dense(3, constraint=nn.SpectralBound()),
    ],
    input_shape=(2, 6, 4),
)


@pytest.mark.slow
@pytest.mark.parametrize("network", [WHOLE, CONSTRAINED], ids=["whole", "constrained"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=needs(n)) for n in ("tensorflow", "jax")])
def test_frameworks_train_alike(name, network):
    recipe = ADAM if network is WHOLE else RECIPE
    data = TRAIN if name == "jax" else TRAIN.subset(np.arange(20))  # one shape of batches: one trace
    found, wanted = (
        train(network, data, recipe, validation=VALIDATION.subset(np.arange(10)), backend=b)
        for b in (name, "torch")
    )
    assert_equal(found.model.arrays(), wanted.model.arrays(), 1e-10)
    assert_same_rows(found.rows, wanted.rows, 1e-10)


def test_constraints_hold_after_training():
    recipe = replace(RECIPE, schedule=Cosine(0.5))
    free = nn.Network([*CONSTRAINED.layers[:-1], nn.Dense(3)], CONSTRAINED.input_shape)
    norms = [
        np.linalg.norm(train(n, TRAIN, recipe, backend="torch").model.parameters["9.weight"], 2)
        for n in (CONSTRAINED, free)
    ]
    assert norms[0] <= 1 + 1e-9
    assert norms[1] > 1.1  # the condition is what keeps it there


# ------------------------------------------------------------------------------------- frozen front


def hybrid() -> nn.Network:
    """A scattering transform, batch norm and a matrix."""
    front = nn.scattering_mlp(J=1, hidden=(), input_shape=(1, 8, 8), classes=3)
    return nn.Network([nn.Standardise((0.2,), (1.5,)), *front.layers], (1, 8, 8))


def test_computed_once_is_computed_in_every_step():
    network, data, test = hybrid(), signals(22, shape=(1, 8, 8)), signals(9, 3, shape=(1, 8, 8))
    recipe = replace(RECIPE, augment=None)
    always, once, by_default = (
        train(network, data, recipe, validation=test, test=test, backend="torch", precompute=mode)
        for mode in (0, 1, None)
    )
    assert list(once.model.arrays()) == [*network.parameters, *network.state]
    assert_equal(once.model.arrays(), always.model.arrays(), 1e-10)
    assert_equal(once.model.arrays(), by_default.model.arrays())
    assert_same_rows(once.rows, always.rows, 1e-10)
    np.testing.assert_array_equal(once.test.predicted, always.test.predicted)
    x = test.batch(np.arange(9), "float64")
    np.testing.assert_array_equal(once.model(x).argmax(1), once.test.predicted)


def test_the_front_is_computed_once(monkeypatch):
    module = importlib.import_module("groupscat.training.train")
    seen: list[int] = []
    original = module.computed
    monkeypatch.setattr(
        module, "computed", lambda head, data, *rest: seen.append(len(data)) or original(head, data, *rest)
    )
    recipe = replace(RECIPE, augment=None, epochs=1)
    data = signals(22, shape=(1, 8, 8))
    train(hybrid(), data, recipe, backend="torch")
    assert seen == [22]
    train(hybrid(), data, replace(recipe, augment=Augment(shift=1)), backend="torch")
    train(hybrid(), data, recipe, backend="torch", precompute=0)
    notes: list[str] = []
    monkeypatch.setattr(module, "LIMIT", 1)
    train(hybrid(), data, recipe, backend="torch", note=notes.append)
    assert seen == [22]
    assert "computed anew in every epoch" in notes[0]
    with pytest.raises(ArgumentError, match="precompute=1: one version of each signal"):
        train(hybrid(), data, RECIPE, backend="torch", precompute=1)
    for wrong in (-1, 1.5, True, "all"):
        with pytest.raises(ArgumentError, match=f"precompute={wrong!r}: expected an integer"):
            train(hybrid(), data, RECIPE, backend="torch", precompute=wrong)


def test_versions_of_augmented_signals_are_those_of_their_epochs():
    """As many as there are epochs: what is computed in every step. Fewer: they come again."""
    data, recipe = signals(22, shape=(1, 8, 8)), replace(RECIPE, epochs=3)
    always, three, two = (
        train(hybrid(), data, recipe, backend="torch", precompute=versions) for versions in (0, 3, 2)
    )
    assert_equal(three.model.arrays(), always.model.arrays(), 1e-10)
    assert_same_rows(two.rows[:2], always.rows[:2], 1e-10)
    assert abs(two.rows[2]["loss"] - always.rows[2]["loss"]) > 1e-6


# ---------------------------------------------------------------------------------------- bad input


def test_a_loss_that_is_not_finite_stops_with_its_step(tmp_path):
    network = nn.Network([nn.Flatten(), nn.Dense(3)], WHOLE.input_shape)
    data = signals(64)
    recipe = Recipe(
        epochs=5, batch_size=4, schedule=Steps((1e-3, 1e200), (0.45,)), precision="float64", decay=1.0
    )
    # Step 36 of 80 is the first at that rate; the overflow shows in a loss soon after, in epoch 3.
    with pytest.raises(TrainingError, match=r"after step (\d+) of 16 in epoch 3.*Lower the rate") as caught:
        train(network, data, recipe, output=tmp_path, backend="torch")
    step = int(str(caught.value).partition("after step ")[2].split()[0])
    assert 5 <= step <= 8
    assert str(caught.value).startswith("The loss is")
    kept = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="in epoch 3"):
        train(network, data, recipe, output=tmp_path, backend="torch")
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == kept
    assert nn.load(tmp_path / "model.safetensors").parameters["1.weight"].shape == (3, 48)
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 3


def test_weights_that_are_not_finite_are_not_kept(tmp_path):
    """The last step of an epoch spoils them: no loss has shown it yet."""
    network = nn.Network([nn.Flatten(), nn.Dense(3)], WHOLE.input_shape)
    recipe = Recipe(
        epochs=2, batch_size=16, schedule=Steps((1e-3, 1e308), (0.35,)), precision="float64", decay=1e9
    )
    with pytest.raises(TrainingError, match=r"'1\.\w+' is no longer finite after step 5 of 5 in epoch 1"):
        train(network, signals(80), recipe, output=tmp_path, validation=VALIDATION, backend="torch")
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_signals_and_classes_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"signals of shape \(2, 6, 5\).* takes \(2, 6, 4\)"):
        train(WHOLE, signals(9, shape=(2, 6, 5)), backend="torch")
    with pytest.raises(ShapeError, match=r"signals of shape \(1, 6, 4\)"):
        train(WHOLE, TRAIN, test=signals(9, shape=(1, 6, 4)), backend="torch")
    two = Dataset(TRAIN.x[:4], np.array([0, 1, 0, 1]), ("a", "b"))
    with pytest.raises(ShapeError, match=r"expected one number for each of the 2 classes.*classes=2"):
        train(WHOLE, two, backend="torch")
    with pytest.raises(DataError, match="3 labels of data are out of range, first 3 at row 1"):
        Dataset(TRAIN.x[:4], np.array([0, 3, 4, -1]), TRAIN.classes)
    others = Dataset(TRAIN.x[:2], np.array([0, 2]), ("a", "b", "z"))
    with pytest.raises(DataError, match="has the class 'z'"):
        train(WHOLE, TRAIN, test=others, backend="torch")
    model = nn.Model(WHOLE, *nn.init(WHOLE), classes=("x", "y", "z"))
    with pytest.raises(DataError, match="has the class 'a'"):
        train(model, TRAIN, backend="torch")
    square = nn.Network([conv(2, 3)], WHOLE.input_shape)
    with pytest.raises(ShapeError, match="expected one number for each of the 3 classes"):
        train(square, TRAIN, backend="torch")


def test_classes_in_another_order_are_matched():
    """Test data, and data for a model: by name."""
    order = ("c", "a", "b")
    turned = VALIDATION.matched(order)
    assert not np.array_equal(turned.y, VALIDATION.y)
    results = [
        train(WHOLE, TRAIN, RECIPE, validation=d, test=d, backend="torch") for d in (VALIDATION, turned)
    ]
    assert_same_rows(results[1].rows, results[0].rows)
    assert results[1].test.error == results[0].test.error < 2 / 3
    np.testing.assert_array_equal(results[1].test.predicted, results[0].test.predicted)
    model = nn.Model(WHOLE, *nn.init(WHOLE, RECIPE.seed, "float64"), classes=TRAIN.classes)
    assert_equal(
        train(model, TRAIN.matched(order), RECIPE, backend="torch").model.arrays(), results[0].model.arrays()
    )


def test_what_cannot_train():
    with pytest.raises(BackendError, match=r"numpy.*torch"):
        train(WHOLE, TRAIN, backend="numpy")
    with pytest.raises(BackendError, match="nothing"):
        train(WHOLE, TRAIN, backend="nothing")
    for wrong in ("hcnn", None, [nn.Dense(3)]):
        with pytest.raises(ArgumentError, match=r"expected a groupscat\.nn\.Network"):
            train(wrong, TRAIN, backend="torch")
    with pytest.raises(ArgumentError, match=r"minutes=0\.0"):
        train(WHOLE, TRAIN, minutes=0.0, backend="torch")
    with pytest.raises(ArgumentError, match=r"data is a tuple: expected a groupscat\.datasets\.Dataset"):
        train(WHOLE, (TRAIN.x, TRAIN.y), backend="torch")
    with pytest.raises(ArgumentError, match=r"expected a groupscat\.training\.Recipe"):
        train(WHOLE, TRAIN, {"epochs": 3}, backend="torch")
    nothing = nn.Network([nn.Mean(("u1", "u2"))], (3, 6, 4))
    with pytest.raises(ArgumentError, match="nothing to learn"):
        train(nothing, signals(9, shape=(3, 6, 4)), backend="torch")


@pytest.mark.parametrize("name", [pytest.param(n, marks=needs(n)) for n in ("tensorflow", "jax")])
def test_mixed_precision_elsewhere(name):
    with pytest.raises(BackendError, match=r"no mixed precision\. Use torch"):
        train(WHOLE, TRAIN, replace(RECIPE, precision="bfloat16"), backend=name)


def test_several_processes_elsewhere(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("tensorflow", "jax"):
        if not missing(name):
            with pytest.raises(BackendError, match=rf"WORLD_SIZE=2.*{name}.*Use torch, or start one process"):
                train(WHOLE, TRAIN, backend=name)


def test_float64_where_it_is_off(monkeypatch):
    if missing("jax"):
        pytest.skip('pip install "groupscat[jax]"')
    with jax.enable_x64(False), pytest.raises(Exception, match="x64") as caught:
        train(WHOLE, TRAIN, RECIPE, backend="jax")
    assert type(caught.value).__module__.startswith("groupscat")


def test_the_last_batch_may_be_one_signal():
    result = train(WHOLE, signals(11), replace(PLAIN, epochs=1), backend="torch")
    assert np.isfinite(result.rows[0]["loss"])


def test_scores_by_batches_are_those_of_all_at_once():
    network, test = WHOLE, signals(13, seed=8)
    result = train(network, TRAIN, replace(PLAIN, batch_size=4), test=test, backend="torch")
    y = torch.tensor(result.model(test.x))
    loss = torch.nn.functional.cross_entropy(y, torch.tensor(test.y)).item()
    assert result.test.loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_array_equal(result.test.predicted, y.argmax(1).numpy())
