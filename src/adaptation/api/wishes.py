"""What people want of a worker, which it does at its next heartbeat."""

from __future__ import annotations

from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Path
from pydantic import Field

from adaptation.api.auth import Admin, Engine
from adaptation.api.problems import Problem
from adaptation.api.routes import BAD
from adaptation.api.schemas import Answer
from adaptation.engine.clients import Client
from adaptation.engine.states import Wish
from adaptation.engine.wishes import member_named, name_of
from adaptation.wiring import Deployment

logger = structlog.get_logger(__name__)

router = APIRouter(tags=["operations"])

Named = Annotated[str, Path(description="name or id of the worker, as GET /workers lists them.")]


class Wished(Answer):
    """A worker that will be told."""

    name: str = Field(description="Its name.")
    wish: Literal["work", "drain", "leave"] = Field(description="What is wanted of it now.")


@router.post("/workers/{worker:path}/drain", responses=BAD, summary="Let a worker rest")
def drain(asking: Admin, engine: Engine, worker: Named) -> Wished:
    """Give a worker no new tasks; what it runs ends as usual, and it stays."""
    return _wish(asking, engine, worker, Wish.DRAIN)


@router.post("/workers/{worker:path}/resume", responses=BAD, summary="Let a worker go on")
def resume(asking: Admin, engine: Engine, worker: Named) -> Wished:
    """Give a worker tasks again that was drained, or that was to leave and is still there."""
    return _wish(asking, engine, worker, Wish.WORK)


@router.post("/workers/{worker:path}/stop", responses=BAD, summary="Let a worker leave")
def stop(asking: Admin, engine: Engine, worker: Named) -> Wished:
    """Give a worker no new tasks, and let its process end when what it runs has ended."""
    if engine.engine.dispatcher.local_only:
        raise Problem(
            409,
            "the only worker is in the process that answers you, and would end it",
            code="state_forbids",
            hint="Drain it instead, or stop the process where it was started.",
        )
    return _wish(asking, engine, worker, Wish.LEAVE)


def _wish(asking: Client, engine: Deployment, worker: str, wanted: Wish) -> Wished:
    member = member_named(engine.store.members(), worker)
    engine.store.wish(member.process.worker_id, wanted)
    logger.info("a worker is told", worker=name_of(member), wish=wanted, by=asking.name)
    return Wished(name=name_of(member), wish=wanted.value)
