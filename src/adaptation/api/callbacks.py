"""What was told to a job's end points, and telling it once more."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from adaptation.adapters.masking import masked
from adaptation.api.auth import Caller, Engine, Writer
from adaptation.api.routes import BAD, One
from adaptation.api.rows import job_seen_by
from adaptation.api.schemas import MOST_ID, Answer, Moment, Performed
from adaptation.engine.callbacks import PENDING
from adaptation.engine.deliveries import Delivery

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
