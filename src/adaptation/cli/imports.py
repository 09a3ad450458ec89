"""How a command's modules are imported: without looking for garbage meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def uncollected() -> Iterator[None]:
    """A block that imports much.

    Modules make hundreds of thousands of objects and next to no garbage. The collector would look
    through all of them again and again: a tenth of a command's start.
    """
    gc.disable()
    try:
        yield
    finally:
        _set_aside()
        gc.enable()


@cache
def _set_aside() -> None:
    """Let no later collection look at what is there, once: it is there as long as the process."""
    gc.freeze()
