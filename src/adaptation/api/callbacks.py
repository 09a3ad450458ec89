"""What was told to a job's end points, telling it once more, and which of them take nothing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from adaptation.adapters.masking import masked
from adaptation.api.auth import Caller, Engine, Writer
from adaptation.api.listing import whose
from adaptation.api.routes import BAD, One
from adaptation.api.rows import job_seen_by
from adaptation.api.schemas import MOST_ID, Answer, Asking, Moment, Performed
from adaptation.engine.callbacks import PENDING
from adaptation.engine.clients import Client
from adaptation.engine.deliveries import Delivery
from adaptation.engine.endpoints import URL_LETTERS, EndPoint

router = APIRouter(tags=["callbacks"])
DeliveryId = Annotated[int, Path(ge=1, le=MOST_ID, description="Number of the callback.")]


class DeliveryRow(Answer):
    """A callback to one end point."""

    id: int = Field(description="Number of the callback.")
    job_id: int = Field(description="Number of the job.")
    task_id: int = Field(description="0: it tells of the job itself.")
    event: str = Field(description="start, complete or fail of a task, or job.")
    url: str = Field(description="The end point, secrets in it masked.")
    webhook_id: str = Field(description="Header webhook-id, the same at every try.")
    state: str = Field(
        description="pending, delivered, dead (given up), or dropped (the end point wants none)."
    )
    attempts: int = Field(description="Tries, with the one under way.")
    status: int | None = Field(description="HTTP status of the last answer.")
    answer: str | None = Field(description="How it begins, or what went wrong.")
    body: str | None = Field(description="What is sent; null before the first try.")
    created_at: Moment = Field(description="When it was stored, UTC.")
    tried_at: Moment | None = Field(description="When it was tried last, UTC.")
    next_try_at: Moment | None = Field(description="null: there is none.")
    finished_at: Moment | None = Field(description="When it was delivered or given up, UTC.")


class EndPointRow(Answer):
    """An end point that is sent nothing, or does not take what it is sent."""

    client: str = Field(description="Whose jobs tell it.")
    url: str = Field(description="The end point, secrets in it masked.")
    state: str = Field(
        description="disabled (it said 410, or by hand) or failing (it is tried again)."
    )
    since: Moment = Field(
        description="When it was disabled, or the oldest was stored that it did not take, UTC."
    )
    status: int | None = Field(description="HTTP status of the last answer.")
    reason: str = Field(description="Why it is disabled, or how the last answer begins.")
    waiting: int = Field(description="Callbacks that wait for it.")
    next_try_at: Moment | None = Field(description="null: nothing is tried.")


class EndPointChange(Asking):
    """Which end point is meant."""

    url: str = Field(
        min_length=1,
        max_length=URL_LETTERS,
        description="In full, or as GET /callbacks/endpoints shows it.",
    )
    client: str | None = Field(
        default=None, description="Whose jobs tell it; another's only for an admin."
    )


class EndPointChanged(Answer):
    """What was done to an end point."""

    url: str = Field(description="The end point, secrets in it masked.")
    result: str = Field(description="What was done.")


@router.get("/callbacks/endpoints", responses=BAD, summary="End points that take no callbacks")
def end_points(
    asking: Caller,
    engine: Engine,
    client: Annotated[
        str | None, Query(description="Whose; another's only for an admin.", max_length=100)
    ] = None,
) -> list[EndPointRow]:
    """The disabled and failing end points of one's own jobs, or of all for an admin."""
    found = engine.store.end_points(whose(asking, client))
    return [_end_point(one) for one in found]


@router.post(
    "/callbacks/endpoints/disable", responses=BAD, summary="Send an end point nothing more"
)
def disable(asking: Writer, engine: Engine, wanted: EndPointChange) -> EndPointChanged:
    """Drop what waits for an end point, and what later jobs would tell it, as after a 410."""
    dropped = engine.store.disable_end_point(_owner(asking, wanted), wanted.url)
    return EndPointChanged(
        url=masked(wanted.url), result=f"disabled; {dropped} waiting callbacks were dropped"
    )


@router.post("/callbacks/endpoints/enable", responses=BAD, summary="Send to an end point again")
def enable(asking: Writer, engine: Engine, wanted: EndPointChange) -> EndPointChanged:
    """Tell a disabled end point of what comes from now on; try a failing one at once."""
    tried = engine.store.enable_end_point(_owner(asking, wanted), wanted.url)
    return EndPointChanged(
        url=masked(wanted.url), result=f"enabled; {tried} callbacks that failed are tried now"
    )


def _owner(asking: Client, wanted: EndPointChange) -> str:
    named = whose(asking, wanted.client)
    return asking.name if named is None else named


def _end_point(one: EndPoint) -> EndPointRow:
    return EndPointRow(
        client=one.client,
        url=masked(one.url),
        state=one.state,
        since=one.since,
        status=one.status,
        reason=one.reason,
        waiting=one.waiting,
        next_try_at=one.next_try_at,
    )


@router.get("/jobs/{job_id}/callbacks", responses=BAD, summary="What was told of a job")
def callbacks(asking: Caller, engine: Engine, job_id: One) -> list[DeliveryRow]:
    """Every callback of a job, oldest first, with what was answered and when it is tried next."""
    job_seen_by(engine.store, asking, job_id)
    return [_row(one) for one in engine.store.deliveries(job_id)]


@router.post(
    "/jobs/{job_id}/callbacks/{delivery_id}/redeliver",
    responses=BAD,
    summary="Tell it once more",
)
def redeliver(asking: Writer, engine: Engine, job_id: One, delivery_id: DeliveryId) -> Performed:
    """Send a callback again with the same id and body, also to an end point that had said 410."""
    job_seen_by(engine.store, asking, job_id)
    engine.store.redeliver(job_id, delivery_id)
    return Performed(id=job_id, result=f"callback {delivery_id} is sent once more")


def _row(one: Delivery) -> DeliveryRow:
    return DeliveryRow(
        id=one.id,
        job_id=one.job_id,
        task_id=one.task_id,
        event=one.event,
        url=masked(one.url),
        webhook_id=one.identity,
        state=one.state,
        attempts=one.attempt,
        status=one.status,
        answer=one.answer,
        body=one.body,
        created_at=one.created_at,
        tried_at=one.tried_at,
        next_try_at=one.due_at if one.state == PENDING else None,
        finished_at=one.finished_at,
    )
