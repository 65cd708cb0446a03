"""A hierarchical network, moved along its attributes

A small network with attributes learns handwritten digits of 8 × 8 pixels for some seconds. Then its layers
are moved along their attributes by every shift, and the layers after them say what they see. Below are the
images that are nearest to the moved layer.

The last layer, x₄(u, v₃, v₄), is averaged over v₃, so the class stays when it is moved along v₃. Along v₄ the
class turns into others, no more orderly than in random orders (dashed): the matrix that follows would do with
the filters in any order. The layer before, x₃(u, v₂, v₃), is convolved along both by filters that go on by
two samples: even shifts keep the class, odd ones do not, and the layer stays nearer to other images than in
random orders.
"""

import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import groupscat.torch
from groupscat import nn, plot
from groupscat.convolution.layer import ConvNdSpec

K, TRAINED, STEPS = 16, 1000, 100


def convolution(inputs: int, taps: tuple[int, ...], stride: int | tuple[int, ...] = 1) -> list:
    conv = ConvNdSpec(in_channels=inputs, out_channels=K, kernel_size=taps, stride=stride, bias=False)
    return [conv, nn.BatchNorm(), nn.ELU(), nn.NewAttribute()]


def trained(x: torch.Tensor, y: torch.Tensor) -> nn.Model:
    layers = convolution(1, (3, 3)) + convolution(1, (3, 3, 5), 2)
    for j in (1, 2):
        layers += [*convolution(1, (3, 3, 5, 5), (1, 1, 2, 2)), nn.Mean(f"v{j}")]
    network = nn.Network([*layers, nn.Mean(("u1", "u2", "v3")), nn.Flatten(), nn.Dense(10)], (1, 8, 8))
    torch.manual_seed(0)
    net = groupscat.torch.Network(network, seed=0)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.3, total_steps=STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(x), (50,))
        loss = torch.nn.functional.cross_entropy(net(x[rows]), y[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    parameters = {name: p.detach() for name, p in net.named_parameters()}
    return nn.Model(network, parameters, dict(net.named_buffers()))


def draw() -> Figure:
    digits = load_digits()
    x = torch.from_numpy((digits.images[:, None] / 16).astype("float32"))
    y = torch.from_numpy(digits.target)
    model = trained(x[:TRAINED], y[:TRAINED])
    x, y = x[TRAINED:], y[TRAINED:]
    found = [nn.symmetries(model, x, y.numpy(), layer, rows=range(100)) for layer in (17, 12)]
    return plot.symmetries(found, x, examples=4)


if __name__ == "__main__":
    from _picture import main

    main(draw)
