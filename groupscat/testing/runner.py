"""The contract outside pytest: every test of it called, every failure returned."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from groupscat.testing.base import Contract


@dataclass(frozen=True)
class Outcome:
    """What became of one case of the contract: ``error`` is None if it held, a reason if it was skipped."""

    case: str
    error: BaseException | None = None

    @property
    def skipped(self) -> bool:
        return isinstance(self.error, pytest.skip.Exception)

    @property
    def failed(self) -> bool:
        return self.error is not None and not self.skipped


def cases(contract: type[Contract], first: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name of the case, of its test method, and its arguments; methods that contain ``first`` come first."""
    methods = [name for name in dir(contract) if name.startswith("test_")]
    for method in sorted(methods, key=lambda name: not (first and first in name)):
        marks = getattr(getattr(contract, method), "pytestmark", [])
        choices = [
            [dict(zip(_names(mark.args[0]), _values(mark.args[0], row), strict=True)) for row in mark.args[1]]
            for mark in marks
            if mark.name == "parametrize"
        ]
        for chosen in itertools.product(*choices):
            arguments = {key: value for part in chosen for key, value in part.items()}
            label = ", ".join(f"{value}" for value in arguments.values())
            yield f"{method}[{label}]" if label else method, method, arguments


def run_contract(contract: type[Contract], first: str = "") -> Iterator[Outcome]:
    """Call every test of a contract, one after the other.

    Parameters
    ----------
    contract : a subclass of a contract with ``name`` set.
    first : tests whose name contains it are called first.

    >>> from groupscat.testing.composites import CompositeContract
    >>> class NumPy(CompositeContract):
    ...     name = "numpy"
    >>> outcomes = list(run_contract(NumPy))
    >>> len(outcomes) > 50, [outcome for outcome in outcomes if outcome.failed]
    (True, [])
    """
    for case, method, arguments in cases(contract, first):
        try:
            getattr(contract(), method)(**arguments)
        except pytest.skip.Exception as skip:
            yield Outcome(case, skip)
        except (Exception, pytest.fail.Exception) as error:
            yield Outcome(case, error)
        else:
            yield Outcome(case)


def _names(names: str | tuple[str, ...]) -> list[str]:
    return [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)


def _values(names: str | tuple[str, ...], row: Any) -> Any:
    return [row] if len(_names(names)) == 1 else row
