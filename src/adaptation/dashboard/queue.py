"""The page of the queue: what runs, what waits, what failed, and what can be done about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from adaptation.api.auth import Engine
from adaptation.api.listing import whose
from adaptation.api.schemas import MOST_ID
from adaptation.dashboard.answers import page
from adaptation.dashboard.curl import first_by_curl
from adaptation.dashboard.rows import Row, heard, late_seconds, rows_of
from adaptation.dashboard.session import Looking, Visitor
from adaptation.dashboard.standing import standing_of
from adaptation.engine.lists import JobQuery
from adaptation.engine.states import JobState
from adaptation.wiring import Deployment

router = APIRouter()

SHOWN = 50
"""Jobs of one page."""
CHOICES: dict[str, tuple[JobState, bool | None]] = {
    "running": (JobState.STARTED, None),
    "queued": (JobState.QUEUED, None),
    "scheduled": (JobState.SCHEDULED, None),
    "paused": (JobState.PAUSED, None),
    "done": (JobState.COMPLETED, False),
    "failed": (JobState.COMPLETED, True),
    "cancelled": (JobState.BROKEN, None),
}
"""What one may look for, by the words of the page."""


class Wanted(BaseModel):
    """What of the queue is shown; what is left empty does not matter."""

    model_config = ConfigDict(populate_by_name=True, str_strip_whitespace=True)

    search: str = Field("", max_length=200)
    state: str = Field("", max_length=20)
    client: str = Field("", max_length=100)
    workflow: str = Field("", max_length=100)
    since: str = Field("", alias="from", max_length=40)
    until: str = Field("", alias="to", max_length=40)
    kept: str = Field("", max_length=5)
    before: int = Field(0, ge=0, le=MOST_ID)

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out, on the first page."""
        return not self.fields

    @property
    def fields(self) -> dict[str, str]:
        """What was given, by the names of the form's fields."""
        given = self.model_dump(by_alias=True)
        return {name: str(value) for name, value in given.items() if value}

    def address(self, **changes: object) -> str:
        """The page with some of it changed."""
        fields = {**self.fields, **{name: str(value) for name, value in changes.items()}}
        kept = {name: value for name, value in fields.items() if value not in ("", "0")}
        return f"/ui/?{urlencode(kept)}" if kept else "/ui/"

    def query(self, visitor: Visitor) -> JobQuery:
        """The question to the store.

        Raises:
            Problem: 403.
        """
        state, failed = CHOICES.get(self.state, (None, None))
        return JobQuery(
            limit=SHOWN + 1,
            before=self.before or None,
            client=whose(visitor.client, self.client or None),
            state=state,
            failed=failed,
            since=_moment(self.since, "00:00:00"),
            until=_moment(self.until, "23:59:59.999"),
            search=self.search,
            workflow=self.workflow or None,
            persist=True if self.kept else None,
        )


@router.get("/")
def queue(
    request: Request, looking: Looking, engine: Engine, wanted: Annotated[Wanted, Query()]
) -> Response:
    """The newest jobs first, with counts of all, filters, and actions."""
    rows, older = _listed(engine, looking, wanted)
    facts: dict[str, Any] = {"wanted": wanted, "rows": rows, "older": older, "choices": CHOICES}
    facts |= {"standing": standing_of(engine, looking), "first_by_curl": first_by_curl(request)}
    facts |= {"numbers": numbers(engine), "workflows": sorted(engine.registry.workflows)}
    return page(request, "queue.html", looking, **facts)


@router.get("/rows")
def rows(
    request: Request, looking: Looking, engine: Engine, wanted: Annotated[Wanted, Query()]
) -> Response:
    """The list and the counts alone, for a page that is open."""
    found, older = _listed(engine, looking, wanted)
    facts: dict[str, Any] = {
        "wanted": wanted,
        "rows": found,
        "older": older,
        "numbers": numbers(engine),
        "standing": standing_of(engine, looking),
        "first_by_curl": first_by_curl(request),
    }
    return page(request, "_queue_rows.html", looking, **facts)


def numbers(engine: Deployment) -> dict[str, int]:
    """How many jobs there are in each state, and how many may run."""
    rules, counts = engine.store.rules(), engine.store.job_counts()
    return {
        "running": counts["started"],
        "queued": counts["queued"],
        "scheduled": counts["scheduled"],
        "paused": counts["paused"],
        "failed": counts["failed"],
        "max_jobs": rules.max_jobs,
        "priority_slots": rules.priority_slots,
        "priority_threshold": rules.priority_threshold,
    }


def _listed(engine: Deployment, visitor: Visitor, wanted: Wanted) -> tuple[list[Row], int]:
    """A page of jobs, and the number before which the next one begins; 0: there is none."""
    found = rows_of(engine.store, engine.store.list_jobs(wanted.query(visitor)))
    shown = heard(engine.store, found[:SHOWN], late_seconds(engine.settings))
    return shown, shown[-1].id if len(found) > SHOWN else 0


def _moment(words: str, usual: str) -> datetime | None:
    if not words:
        return None
    text = f"{words}T{usual}" if len(words) == len("2026-01-31") else words
    try:
        return datetime.fromisoformat(f"{text}+00:00")
    except ValueError:
        return None
