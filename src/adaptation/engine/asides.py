"""What may take longer than a leader's lease, such as deleting files, while leading goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from kombu.exceptions import OperationalError
from sqlalchemy.exc import SQLAlchemyError

from adaptation.errors import SettingsError

logger = structlog.get_logger(__name__)

AWAY = (SQLAlchemyError, OperationalError, OSError, SettingsError)
"""What the database, the broker, a disk or a key that is away may raise."""


class Asides:
    """A thread for each name, one at a time."""

    def __init__(self) -> None:
        self._threads: dict[str, threading.Thread] = {}

    def begin(self, name: str, deed: Callable[[], object]) -> None:
        """Do something aside, unless that is still under way from before."""
        known = self._threads.get(name)
        if known is None or not known.is_alive():
            thread = threading.Thread(target=_tried, args=(deed,), name=name, daemon=True)
            self._threads[name] = thread
            thread.start()

    def join(self) -> None:
        """Wait until nothing is under way."""
        for thread in self._threads.values():
            thread.join()


def _tried(deed: Callable[[], object]) -> None:
    try:
        deed()
    except AWAY as error:
        # The next sweep may find it back.
        logger.warning("sweep failed", error=str(error))
