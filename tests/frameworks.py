"""Which frameworks are installed, and what to do where one is not."""

from __future__ import annotations

import importlib.util
import os

import pytest


def missing(framework: str) -> bool:
    """Whether a framework is absent; GROUPSCAT_REQUIRE=name,… makes that a failure instead of a skip."""
    required = os.environ.get("GROUPSCAT_REQUIRE", "").split(",")
    return importlib.util.find_spec(framework) is None and framework not in required


def needs(framework: str) -> pytest.MarkDecorator:
    """Skip a test where ``framework`` is absent, and say what to install."""
    return pytest.mark.skipif(missing(framework), reason=f'pip install "groupscat[{framework}]"')
