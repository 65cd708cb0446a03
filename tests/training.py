"""What the tests of training share: small data, a network of every part that trains, a loop by hand."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from groupscat import nn
from groupscat.convolution.layer import ConvNdSpec
from groupscat.training import SGD, Adam, Augment, Cosine, Dataset, Recipe, Steps

CLASSES = ("a", "b", "c")


def signals(n: int, seed: int = 0, name: str = "data", shape: tuple[int, ...] = (2, 6, 4)) -> Dataset:
    """Noise with a mean and a gradient by class."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 3)
    x = rng.normal(size=(n, *shape)) + 0.5 * y.reshape(-1, *[1] * len(shape))
    return Dataset(
        x + np.linspace(-1, 1, shape[-1]) * (y == 1).reshape(-1, *[1] * len(shape)), y, CLASSES, name=name
    )


def conv(inputs: int, outputs: int) -> ConvNdSpec:
    return ConvNdSpec(in_channels=inputs, out_channels=outputs, kernel_size=(3, 3), bias=False)


#: A convolution without bias, batch norm, ELU, max-pool, dropout, means, a matrix with bias.
WHOLE = nn.Network(
    [
        conv(2, 4),
        nn.BatchNorm(),
        nn.ELU(),
        nn.Pool(2),
        nn.Dropout(0.7),
        nn.Mean(("u1", "u2")),
        nn.Dense(3),
    ],
    input_shape=(2, 6, 4),
)
#: 22 signals in batches of 5: the last batch of an epoch is smaller.
TRAIN, VALIDATION = signals(22), signals(11, seed=1, name="validation")
RECIPE = Recipe(
    epochs=3,
    batch_size=5,
    optimiser=SGD(0.9),
    schedule=Steps(rates=(0.05, 0.02), at=(0.5,)),
    decay=0.01,
    augment=Augment(flip=True, shift=1),
    smoothing=0.1,
    precision="float64",
    seed=4,
)
#: The other rules, and another seed.
ADAM = replace(RECIPE, optimiser=Adam(0.8, 0.95), schedule=Cosine(0.02, warmup=0.2), seed=5, epochs=2)
PLAIN = replace(RECIPE, optimiser=SGD(0.5, nesterov=False), augment=None, smoothing=0.0)


def numbers(rows: Any) -> list[dict[str, Any]]:
    """Rows without what the clock says."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def table(path: Path) -> list[dict[str, str]]:
    """A CSV without what the clock says."""
    with path.open(newline="", encoding="utf-8") as file:
        return numbers(csv.DictReader(file))


def assert_equal(found: Mapping[str, Any], wanted: Mapping[str, Any], tolerance: float = 0.0) -> None:
    """Arrays by name; 0: the same bits."""
    assert list(found) == list(wanted)
    for name, a in wanted.items():
        assert found[name].dtype == a.dtype, name
        np.testing.assert_allclose(found[name], a, rtol=tolerance, atol=tolerance, err_msg=name)


def assert_same_rows(found: Any, wanted: Any, tolerance: float = 0.0) -> None:
    found, wanted = numbers(found), numbers(wanted)
    assert [list(row) for row in found] == [list(row) for row in wanted]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=tolerance, atol=tolerance)


def by_hand(
    recipe: Recipe, data: Dataset, validation: Dataset
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """``WHOLE`` trained with the modules, losses and optimisers of Torch: arrays by name, rows."""
    import torch

    parameters, state = nn.init(WHOLE, recipe.seed, "float64")
    net = torch.nn.ModuleList(
        [torch.nn.Conv2d(2, 4, 3, padding=1, bias=False), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 3)]
    ).double()
    names = {"0.weight": "0.weight", "1.weight": "1.weight", "1.bias": "1.bias"}
    names |= {"6.weight": "2.weight", "6.bias": "2.bias"}
    own = dict(net.named_parameters())
    with torch.no_grad():
        for ours, theirs in names.items():
            own[theirs].copy_(torch.tensor(parameters[ours]))
    mean, variance = torch.tensor(state["1.mean"]), torch.tensor(state["1.variance"])

    def forward(x: Any, mask: Any) -> Any:
        nonlocal mean, variance
        x = net[0](x)
        if mask is None:
            shape = (1, -1, 1, 1)
            x = (x - mean.reshape(shape)) / (variance.reshape(shape) + 1e-5).sqrt()
            x = x * net[1].weight.reshape(shape) + net[1].bias.reshape(shape)
        else:
            # Torch's own running variance divides by one less.
            mean = 0.9 * mean + 0.1 * x.detach().mean((0, 2, 3))
            variance = 0.9 * variance + 0.1 * x.detach().var((0, 2, 3), correction=0)
            x = net[1](x)
        x = torch.nn.functional.max_pool2d(torch.nn.functional.elu(x), 2)
        return net[2]((x if mask is None else x * mask / 0.7).mean((2, 3)))

    groups = [
        {"params": [p for p in own.values() if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in own.values() if p.ndim == 1], "weight_decay": 0.0},
    ]
    rule = recipe.optimiser
    optimiser: Any = (
        torch.optim.Adam(groups, betas=(rule.beta1, rule.beta2), eps=rule.eps)
        if isinstance(rule, Adam)
        else torch.optim.SGD(groups, 0.1, momentum=rule.momentum, nesterov=rule.nesterov)
    )
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=recipe.smoothing)
    rows, steps = [], math.ceil(len(data) / recipe.batch_size)
    for epoch in range(recipe.epochs):
        order = np.random.default_rng([recipe.seed, epoch]).permutation(len(data))
        losses, wrong, rate = 0.0, 0, 0.0
        for step in range(steps):
            chosen = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            x, y = data.x[chosen], torch.tensor(data.y[chosen])
            if recipe.augment is not None:
                x = recipe.augment(x, recipe.seed, epoch, chosen)
            drawn = np.random.SeedSequence([recipe.seed, epoch, step]).generate_state(1)[0]
            mask = np.random.default_rng(int(drawn)).random((len(chosen), 4, 3, 2)) < 0.7
            rate = recipe.schedule.rate((epoch * steps + step) / (recipe.epochs * steps))
            for group in optimiser.param_groups:
                group["lr"] = rate
            z = forward(torch.tensor(x.copy()), torch.tensor(mask))
            loss = loss_of(z, y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses += loss.item() * len(chosen)
            wrong += int((z.argmax(1) != y).sum())
        with torch.no_grad():
            z = forward(torch.tensor(validation.x), None)
            held = torch.nn.functional.cross_entropy(z, torch.tensor(validation.y)).item()
            error = (z.argmax(1).numpy() != validation.y).mean()
        rows.append(
            {"epoch": epoch + 1, "rate": rate, "loss": losses / len(data), "error": wrong / len(data)}
            | {"validation_loss": held, "validation_error": error}
        )
    found = {ours: own[theirs].detach().numpy() for ours, theirs in names.items()}
    return found | {"1.mean": mean.numpy(), "1.variance": variance.numpy()}, rows
