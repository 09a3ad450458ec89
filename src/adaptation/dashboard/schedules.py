"""The page of what waits for a time: the schedule itself, and the jobs that it will queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adaptation.adapters.masking import masked
from adaptation.api import operations
from adaptation.api.auth import Engine
from adaptation.api.listing import whose
from adaptation.api.schemas import ScheduleChange
from adaptation.dashboard.answers import go_to, page
from adaptation.dashboard.forms import Sent, need_admin
from adaptation.dashboard.said import told
from adaptation.dashboard.session import Looking
from adaptation.engine.lists import JobQuery
from adaptation.engine.model import Job
from adaptation.engine.states import JobState

router = APIRouter()

HERE = "/ui/schedules"
SHOWN = 200
"""Jobs, those that come first."""


@dataclass(frozen=True)
class Waiting:
    """A job that waits for something other than a slot."""

    job: Job
    run_at: datetime | None
    address: str
    """That must answer well, its secrets masked; empty: none."""


@router.get("/schedules")
def schedules(request: Request, looking: Looking, engine: Engine) -> Response:
    """What is done again and again, and the jobs whose time has not come."""
    asked = JobQuery(
        limit=SHOWN + 1,
        order_by="run_at",
        ascending=True,
        state=JobState.SCHEDULED,
        client=whose(looking.client, None),
    )
    found = [
        Waiting(job, job.run_at, masked(job.semaphore_url or ""))
        for job in engine.store.list_jobs(asked)
    ]
    facts: dict[str, Any] = {"schedules": engine.store.schedules(), "waiting": found[:SHOWN]}
    return page(request, "schedules.html", looking, more=len(found) > SHOWN, **facts)


@router.post("/schedules")
def change_schedule(sent: Sent, engine: Engine) -> Response:
    """Let a schedule rest, go on, or look now."""
    need_admin(sent.visitor)
    asking, name, deed = sent.visitor.client, sent.one("schedule"), sent.one("do")
    if deed == "run":
        operations.run_schedule(asking, engine, name)
        return go_to(told(HERE, "schedule-looks", name=name))
    wanted = ScheduleChange(schedule=name, active=deed == "resume")
    operations.change_schedule(asking, engine, wanted)
    done = "schedule-goes-on" if wanted.active else "schedule-rests"
    return go_to(told(HERE, done, name=name))
