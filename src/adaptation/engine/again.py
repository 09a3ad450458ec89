"""What the database broke off is tried again, whole: one place for every read and transition.

A connection may be lost, a server restarted, a deadlock resolved at one transaction's cost. Each
transition compares and sets, so to repeat one that was committed unheard changes nothing more.
"""

from __future__ import annotations

import functools
import inspect
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

from adaptation.engine.database import Database

logger = structlog.get_logger(__name__)

PATIENCE_SECONDS = 5.0
"""How long a call is tried again: whoever asked is still there, and can ask once more."""
SETTLE_SECONDS = 30.0
"""How long the end of an attempt is tried again, about a lease: hours of work may hang on it."""
FIRST_WAIT_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 1.0


class HasDatabase(Protocol):
    """Whatever talks to a database."""

    database: Database


Store = TypeVar("Store", bound=HasDatabase)


def tried_again(patience_seconds: Mapping[str, float]) -> Callable[[type[Store]], type[Store]]:
    """Let all public methods of a class, inherited ones too, outlive what passes.

    Args:
        patience_seconds: for the methods with a patience of their own, by name; 0: not repeated.
    """

    def decorate(kind: type[Store]) -> type[Store]:
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            patience = patience_seconds.get(name, PATIENCE_SECONDS)
            if patience and not name.startswith("_"):
                setattr(kind, name, _persistent(method, patience))
        return kind

    return decorate


def _persistent(method: Callable[..., Any], patience_seconds: float) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: HasDatabase, *words: Any, **named: Any) -> Any:
        wait = FIRST_WAIT_SECONDS
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                return method(self, *words, **named)
            except DBAPIError as error:
                if not self.database.may_pass(error) or time.monotonic() + wait > deadline:
                    raise
                facts = {"call": method.__name__, "error": str(error.orig).strip()}
                logger.warning("the database broke off, trying again", **facts)
            # Not all at the same moment: it was a crowd that met a deadlock or a restart.
            time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    return call
