"""On what terms a job is done: for whom, when, how urgently, and how long it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from adaptation.adapters.masking import masked
from adaptation.errors import ParameterError
from adaptation.limits import Value

LEAST_URGENT = 10
ORDINARY = 5


@dataclass(frozen=True)
class Terms:
    """What a client may say of a job beside its parameters."""

    client: str = ""
    """Whose it is; clients of one priority take turns."""
    priority: int = ORDINARY
    """1 runs first, 10 last."""
    run_at: datetime | None = None
    """Not before this, aware."""
    semaphore_url: str | None = None
    """Not before this address answers with a 2xx or 3xx status."""
    persist: bool = False
    """Whether it is kept when old jobs are cleaned up."""
    most_unfinished: int | None = None
    """Jobs of the client that may be unfinished with this one; None: as many as it likes."""
    limits: dict[str, Value] | None = None
    """The client's own limits, see `adaptation.limits`; None: nothing limits it."""
    within: str | None = None
    """Path below which its outputs must lie, for a client that may not reach every file of the
    machine; None: it may."""

    @property
    def values(self) -> dict[str, Any]:
        """As they are stored.

        Raises:
            ParameterError: one cannot be.
        """
        check_priority(self.priority)
        check_semaphore(self.semaphore_url)
        return {
            "client": self.client,
            "priority": self.priority,
            "run_at": None if self.run_at is None else milliseconds(self.run_at),
            "semaphore_url": self.semaphore_url,
            "persist": self.persist,
            "most_unfinished": self.most_unfinished,
        }


def check_priority(priority: object) -> None:
    """Refuse what is no priority.

    Raises:
        ParameterError: `parameter_invalid`.
    """
    is_whole = isinstance(priority, int) and not isinstance(priority, bool)
    if not is_whole or not 1 <= int(str(priority)) <= LEAST_URGENT:
        raise ParameterError(
            f"priority cannot be {priority!r}",
            hint=f"Give a whole number from 1, the most urgent, to {LEAST_URGENT}.",
        )


def check_semaphore(url: str | None) -> None:
    """Refuse what cannot be asked.

    Raises:
        ParameterError: `parameter_invalid`.
    """
    if url is None:
        return
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        fits = False
    if not fits:
        raise ParameterError(
            f"semaphore_url is no http or https address: {masked(url)}",
            hint="Give an address such as https://example.org/ready.",
        )


def milliseconds(moment: datetime) -> int:
    """Since 1970-01-01 UTC.

    Raises:
        ParameterError: the moment does not say in which time zone.
    """
    if moment.tzinfo is None:
        raise ParameterError(
            f"run_at has no time zone: {moment.isoformat()}", hint="Write a Z for UTC at its end."
        )
    return round(moment.timestamp() * 1000)
