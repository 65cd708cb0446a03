"""Options from a file: what the command line leaves open, by the same names and with the same checks."""

from __future__ import annotations

import argparse
import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groupscat.data.source import printable
from groupscat.errors import ArgumentError, DataError

#: Options that stand in the configuration of a file of features itself.
APART = ("backend", "device", "dtype", "batch_size")


def fill(arguments: argparse.Namespace, file: Path, actions: Sequence[argparse.Action]) -> None:
    """Set in ``arguments`` what is None, False or empty and given in ``file``.

    Parameters
    ----------
    file : TOML, JSON, or a file of features, whose own options are taken. Keys are the names of options
        without dashes at the front; dashes inside may be underscores.
    actions : the options that may be in it.

    Raises
    ------
    ArgumentError : a key is no option, or has a value that it cannot have. DataError : it cannot be read.
    """
    known: dict[str, list[argparse.Action]] = {}
    for action in actions:
        known.setdefault(action.dest, []).append(action)
    for key, value in load(file).items():
        name = key.replace("-", "_")
        if name not in known:
            for action in actions:  # --rgb sets colour = "rgb"
                if name == action.const and f"--{name}" in action.option_strings:
                    raise ArgumentError(
                        f"{printable(file)}: there is no option {key!r}; write {action.dest} = {name!r}."
                    )
            near = difflib.get_close_matches(name, known, 1, 0) or ["J"]
            raise ArgumentError(
                f"{printable(file)}: there is no option {key!r}; the nearest is {near[0]!r}. "
                f"It may hold {', '.join(known)}."
            )
        try:
            checked = _checked(known[name], value)
        except (argparse.ArgumentTypeError, ValueError, TypeError) as error:
            raise ArgumentError(
                f"{printable(file)}: {key} = {json.dumps(value, default=str)}: {error}"
            ) from None
        if not is_given(getattr(arguments, name)):
            setattr(arguments, name, checked)


def is_given(value: Any) -> bool:
    """Whether an option has a value of its own; 0 is one."""
    return value is not None and value is not False and value != []


def load(file: Path) -> Mapping[str, Any]:
    """The options in a file, as they are."""
    name = printable(file)
    if file.suffix.lower() in (".npz", ".zarr"):
        from groupscat.data import read_features

        return _of_features(read_features(file).config, name)
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text) if file.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise DataError(f"Cannot read {name}: {error.strerror or error}.") from error
    except ValueError as error:  # of JSON, TOML or UTF-8
        raise DataError(f"Cannot read {name}: {error}. Expected TOML, or JSON in a file .json.") from error
    if not isinstance(found, dict):
        raise DataError(f"{name} holds no options: expected keys and values.")
    return _of_features(found, name) if "transform" in found and "arguments" in found else found


def _of_features(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options in the configuration of a file of features."""
    if not config.get("options"):
        raise DataError(f"{name} holds no options of a command line.")
    return dict(config["options"]) | {key: config[key] for key in APART if config.get(key) is not None}


def _checked(actions: Sequence[argparse.Action], value: Any) -> Any:
    """The value as the command line would have made it."""
    action = actions[0]
    if len(actions) > 1:  # several options that set one, as --grey and --rgb
        return _one_of(value, [action.const for action in actions])
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise ValueError("expected true or false")
        return value
    if isinstance(value, bool):
        raise ValueError("expected a value, not true or false")
    if action.nargs is None:
        if isinstance(value, list | dict):
            raise ValueError("expected one value")
        return _one(action, value)
    if not isinstance(value, list):
        raise ValueError("expected a list")
    if isinstance(action.nargs, int) and len(value) != action.nargs:
        raise ValueError(f"expected {action.nargs} values")
    return [_one(action, item) for item in value]


def _one(action: argparse.Action, value: Any) -> Any:
    kind: Any = action.type or str
    converted = kind(str(value))
    return _one_of(converted, action.choices) if action.choices is not None else converted


def _one_of(value: Any, choices: Any) -> Any:
    if value not in choices:
        raise ValueError(f"expected one of {', '.join(map(str, choices))}")
    return value
