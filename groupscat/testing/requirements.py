"""What the contract needs beyond the library; imported before the rest of the package."""

from __future__ import annotations

try:
    import hypothesis  # noqa: F401
    import pytest
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'groupscat.testing needs {error.name}: pip install "groupscat[testing]"', name=error.name
    ) from error

# Assertions of these modules are to be explained like those of test modules.
pytest.register_assert_rewrite(
    *(
        f"groupscat.testing.{part}"
        for part in ("base", "primitives", "composites", "convolutions", "operators", "layers")
    )
)
