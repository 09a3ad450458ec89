"""Kinds of things that tests are repeated for: all of them when asked, some of them every day."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest

WIDTHS = ((1280, False), pytest.param(390, True, marks=pytest.mark.long))
"""Of a browser's window, each with whether it is dark; the narrow one is for `-m long`."""

BY_RABBITMQ = pytest.mark.parametrize(
    "broker", ["rabbitmq", pytest.param("redis", marks=pytest.mark.long)], indirect=True
)
"""What the storm of every day shows over Redis; over both with `-m long`."""


def kinds(names: Iterable[str], *, seldom: Collection[str]) -> list[Any]:
    """Parameters of a test; those that are `seldom` run are marked `long`."""
    return [
        pytest.param(
            name,
            id=name.replace(" ", "_"),
            marks=[pytest.mark.long] if name in seldom else [],
        )
        for name in names
    ]
