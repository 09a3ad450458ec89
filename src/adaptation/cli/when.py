"""What `submit` can be told about when a job runs, how urgently, and how long it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from adaptation.errors import ParameterError

if TYPE_CHECKING:
    from adaptation.engine.terms import Terms

Priority = Annotated[int, Parameter(validator=Number(gte=1, lte=10))]


@Parameter(name="*")
@dataclass(frozen=True)
class Timing:
    """When a job runs, and how urgently."""

    priority: Priority = 5
    """1 runs first, 10 last; 5 when not given."""
    run_at: str | None = None
    """Not before this time, such as 2030-01-31T22:00:00Z; UTC when it names no zone."""
    semaphore_url: str | None = None
    """Not before this address answers a GET with a 2xx or 3xx status."""
    persist: bool = False
    """Keep the job when old ones are cleaned up."""


@Parameter(name="*")
@dataclass(frozen=True)
class When(Timing):
    """When a job runs, how urgently, and whose it is."""

    client: str = ""
    """Whose job it is; clients of one priority take turns."""

    def terms(self) -> Terms:
        """As the engine takes them.

        Raises:
            ParameterError: the time cannot be read.
        """
        # Only now: the help of a command must not wait for the engine.
        from adaptation.engine.terms import Terms

        return Terms(
            client=self.client,
            priority=self.priority,
            run_at=None if self.run_at is None else moment(self.run_at),
            semaphore_url=self.semaphore_url,
            persist=self.persist,
        )


def moment(text: str) -> datetime:
    """A time in ISO 8601, aware.

    Raises:
        ParameterError: it cannot be read.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ParameterError(
            f"{text!r} is no time", hint="Write it as 2030-01-31T22:00:00Z."
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
