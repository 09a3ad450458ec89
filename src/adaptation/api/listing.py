"""Lists of jobs: filters, orders and limits of the contract."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from adaptation.api.auth import Caller, Engine
from adaptation.api.problems import Problem
from adaptation.api.routes import BAD
from adaptation.api.rows import job_rows
from adaptation.api.schemas import MOST_ID, Asked, Asking, ListedJob
from adaptation.engine.clients import Client, Role
from adaptation.engine.lists import ORDERS, JobQuery
from adaptation.engine.states import JobState

router = APIRouter(tags=["jobs"])

MOST_ROWS = 1_000
NOBODY = JobQuery(job_ids=())
PENDING = "pending"
STATES: dict[str, JobState | str] = {
    "0": JobState.QUEUED,
    "1": JobState.STARTED,
    "2": JobState.COMPLETED,
    "3": PENDING,
    "4": JobState.BROKEN,
    "5": JobState.SCHEDULED,
    "6": JobState.PAUSED,
}
"""By the contract's numbers; no job stays pending: it is accepted whole or not at all."""


def _ids(words: object) -> object:
    if words is None:
        return None
    # A query may name the parameter more than once: it comes as a list.
    given = words if isinstance(words, list) else [words]
    return [part for one in given for part in str(one).split(",") if part.strip()]


def _state(word: str | None) -> str | None:
    known = {**{number: str(state) for number, state in STATES.items()}}
    known |= {state: state for state in known.values()}
    if word is not None and word not in known:
        raise ValueError(f"{word!r:.40} is no state; 0 to 6, or one of {', '.join(known)}")
    return None if word is None else known[word]


def _order(word: str) -> str:
    name = {"queue_state": "state", "position": "priority"}.get(word, word)
    if name not in ORDERS:
        raise ValueError(f"{word!r:.40} is no order; one of {', '.join(sorted(ORDERS))}")
    return name


class Filters(Asking):
    """Which jobs, and in which order; what is not given does not matter."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    limit: int = Field(default=10, ge=1, le=MOST_ROWS, description="As many rows at most.")
    order_by: Annotated[str, AfterValidator(_order)] = Field(
        default="id",
        description="A property of jobs; other than id and created_at: among the"
        " newest 10,000 that fit.",
    )
    asc: bool = Field(default=False, description="1: smallest first; 0: largest first.")
    state: Annotated[str | None, AfterValidator(_state)] = Field(
        default=None,
        description="0 queued, 1 started, 2 completed, 3 pending, 4 broken, 5 scheduled, 6 paused;"
        " or the word.",
    )
    since: Asked | None = Field(default=None, alias="from", description="Created then or later.")
    until: Asked | None = Field(default=None, alias="to", description="Created then or earlier.")
    failed: bool | None = Field(
        default=None, description="Whether they ended badly; only together with state=2."
    )
    search: str = Field(
        default="",
        max_length=200,
        description="The content id, number or client of a job, or a part of its parameters.",
    )
    job_ids: Annotated[
        list[Annotated[int, Field(ge=1, le=MOST_ID)]] | None, BeforeValidator(_ids)
    ] = Field(default=None, max_length=MOST_ROWS, description="Numbers with commas between them.")
    client: str | None = Field(default=None, description="Whose; another's only for an admin.")
    persist: bool | None = Field(default=None, description="Whether they are kept at clean-up.")
    before: Annotated[int, Field(ge=1, le=MOST_ID)] | None = Field(
        default=None, description="Only older jobs than this number: the next page."
    )


@router.get("/jobs", responses=BAD, summary="List jobs")
def listed(asking: Caller, engine: Engine, wanted: Annotated[Filters, Query()]) -> list[ListedJob]:
    """The newest jobs first, 10 when nothing else is said."""
    if wanted.failed is not None and wanted.state != JobState.COMPLETED:
        raise Problem(
            400,
            "the parameter failed goes only together with state=2",
            code="parameter_invalid",
            hint="Add state=2, the completed jobs, or leave failed out.",
        )
    if wanted.state == PENDING:
        return []
    jobs = engine.store.list_jobs(_query(asking, wanted))
    return [ListedJob.model_validate(row) for row in job_rows(engine.store, jobs)]


def _query(asking: Client, wanted: Filters) -> JobQuery:
    return JobQuery(
        limit=wanted.limit,
        order_by=wanted.order_by,
        ascending=wanted.asc,
        before=wanted.before,
        client=whose(asking, wanted.client),
        state=None if wanted.state is None else JobState(wanted.state),
        failed=wanted.failed,
        since=wanted.since,
        until=wanted.until,
        search=wanted.search,
        job_ids=None if wanted.job_ids is None else tuple(wanted.job_ids),
        persist=wanted.persist,
    )


def whose(asking: Client, named: str | None) -> str | None:
    """The client whose jobs are shown; None: everybody's.

    Raises:
        Problem: 403, they are another's.
    """
    if asking.role is Role.ADMIN:
        return named
    if named is not None and named != asking.name:
        raise Problem(403, "this is another client's", hint="Leave client out.")
    return asking.name
