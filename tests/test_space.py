"""Spaces: where samples lie, what is a base axis, and what is not."""

from __future__ import annotations

import copy
import pickle

import pytest

import groupscat as gs
from groupscat.groups import SE2, Similitude2, TimeFrequency
from groupscat.space import Axis, Space, signal_axes, signal_space


def test_axes_say_where_samples_lie() -> None:
    axis = Axis("u1", 5, 2)
    assert (axis.start, axis.periodic, axis.kind) == (0, False, "group")
    assert axis.middle == 4
    assert Axis("u1", 4, 2, start=0.5).middle == 3.5
    assert str(axis) == "u1:5/2"
    assert str(Axis("u1", 4, start=0.5, periodic=True)) == "u1:4@0.5~"


def test_spaces_are_values() -> None:
    space = signal_space((4, 6), SE2(8), step=2, periodic=True)
    assert space == signal_space((4, 6), SE2(8), step=2, periodic=True)
    assert hash(space) == hash(pickle.loads(pickle.dumps(space)))
    assert copy.deepcopy(space) == space
    for other in (
        signal_space((4, 6), SE2(8), step=2),
        signal_space((4, 6), SE2(8), step=2, start=1, periodic=True),
        signal_space((4, 6), SE2(8), periodic=True),
        signal_space((4, 6), step=2, periodic=True),
    ):
        assert other != space


def test_base_axes_are_neither_fibers_nor_elements() -> None:
    h, u1, u2 = signal_space((4, 6), SE2(8)).axes
    fiber = Axis("path", 3, kind="fiber")
    space = Space((u1, h, fiber, u2))
    assert space.base == {-4: u1, -1: u2}
    assert space.elements == {-3: h}
    assert Space((Axis("h", 3, kind="fiber"), u1)).elements == {}
    assert Space((fiber,)).base == {}


def test_spaces_of_signals() -> None:
    assert signal_space((7,)).axes == signal_axes((7,), (1,)) == (Axis("u1", 7),)
    assert signal_axes((7, 8), (1, 2), (0, 0.5))[1] == Axis("u2", 8, 2, start=0.5)
    assert signal_space((4, 6), Similitude2(8, 3)).shape == (24, 4, 6)
    assert signal_space((4, 6), TimeFrequency()).shape == (1, 4, 6)
    with pytest.raises(gs.ArgumentError, match=r"acts on 2 axes, got shape \(3, 4, 6\).*leave out channels"):
        signal_space((3, 4, 6), SE2(4))
