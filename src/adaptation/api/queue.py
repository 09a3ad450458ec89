"""The queue as a whole: held, so that nothing that waits is started, and let go on."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from adaptation.api.auth import Admin, Caller, Engine
from adaptation.api.routes import BAD
from adaptation.api.schemas import Answer, Moment
from adaptation.engine.clients import Client, Role
from adaptation.engine.setting import PAUSED
from adaptation.wiring import Deployment

router = APIRouter(tags=["operations"])


class Queue(Answer):
    """Whether jobs that wait are started."""

    paused: bool = Field(description="true: no job that waits is started; those that run go on.")
    changed_by: str | None = Field(
        description="Who paused it, or let it go on: told to admins; null: nobody, or unknown."
    )
    changed_at: Moment | None = Field(description="When, UTC; null: it never was.")
    queued: int = Field(description="Jobs of all clients that wait for a slot.")
    started: int = Field(description="Jobs of all clients that run.")


@router.get("/queue", responses=BAD, summary="Is the queue paused")
def queue(asking: Caller, engine: Engine) -> Queue:
    """Whether the whole queue is paused, since when, and by whom."""
    return _queue(asking, engine)


@router.post("/queue/pause", responses=BAD, summary="Start no more jobs")
def pause(asking: Admin, engine: Engine) -> Queue:
    """Start no job that waits, whoever's it is; those that run go on to their ends."""
    if not engine.store.setting(PAUSED):
        engine.store.set_setting(PAUSED, 1, by=asking.name)
    return _queue(asking, engine)


@router.post("/queue/resume", responses=BAD, summary="Start jobs again")
def resume(asking: Admin, engine: Engine) -> Queue:
    """Start the jobs that wait, as many as there are slots."""
    if engine.store.setting(PAUSED):
        engine.store.set_setting(PAUSED, 0, by=asking.name)
    return _queue(asking, engine)


def _queue(asking: Client, engine: Deployment) -> Queue:
    counts = engine.store.counts().jobs
    change = engine.store.last_changes().get(PAUSED)
    is_told = change is not None and asking.role is Role.ADMIN
    return Queue(
        paused=bool(engine.store.setting(PAUSED)),
        changed_by=(change.by or None) if change and is_told else None,
        changed_at=change.at if change else None,
        queued=counts["queued"],
        started=counts["started"],
    )
