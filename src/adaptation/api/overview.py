"""The engine at one look: how many jobs stand how, what runs, what is next, what failed last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Query
from pydantic import Field

from adaptation import __version__
from adaptation.api.auth import Caller, Engine
from adaptation.api.channel import told_of_error
from adaptation.api.listing import whose
from adaptation.api.routes import BAD
from adaptation.api.rows import job_rows
from adaptation.api.schemas import Answer, JobRow, Moment
from adaptation.engine.clients import Client
from adaptation.engine.lists import JobQuery
from adaptation.engine.model import Job
from adaptation.engine.setting import PAUSED
from adaptation.engine.states import JobState
from adaptation.engine.store import Store
from adaptation.wiring import Deployment

router = APIRouter(tags=["system"])

MOST_JOBS = 100
"""Of each state."""
FAILURES = 10


class RunningTask(Answer):
    """What runs of a job."""

    name: str = Field(description="What it does.")
    progress: float = Field(ge=0, le=1, description="0 to 1.")
    speed: float | None = Field(description="In times real time; null: it does not tell.")


class JobAtWork(JobRow):
    """A job with how far it is."""

    subject: str = Field(
        description="What people know it by: its content id, else the name of its source, or an id."
    )
    started_at: Moment | None = Field(description="When it was started, UTC.")
    progress: float = Field(ge=0, le=1, description="Mean of its tasks.")
    running: list[RunningTask] = Field(description="Its tasks that run now.")
    waits_for: str | None = Field(
        description="What a task of it needs that no live worker can do; null: nothing."
    )
    error: dict[str, Any] | None = Field(
        description="code, message, hint, task and task_id of the first failure."
    )


class JobCounts(Answer):
    """Jobs of all clients, by state."""

    started: int = Field(description="Those that run.")
    queued: int = Field(description="Those that wait for a slot.")
    scheduled: int = Field(description="Those that wait for a time, an address or another job.")
    paused: int = Field(description="Those that somebody holds.")
    completed: int = Field(description="Those that ended well.")
    failed: int = Field(description="Those that ended badly.")
    broken: int = Field(description="Those that were given up.")


class Overview(Answer):
    """The engine at one moment."""

    version: str = Field(description="Of the server.")
    now_at: Moment = Field(description="By the server's clock, UTC.")
    counts: JobCounts = Field(description="Jobs of all clients, by state.")
    paused: bool = Field(description="true: somebody holds the queue, and no job is started.")
    max_jobs: int = Field(description="Jobs that may run at once.")
    priority_slots: int = Field(description="Of those, slots only for priority jobs.")
    priority_threshold: int = Field(description="A job of priority 1 to this is a priority job.")
    jobs: list[JobAtWork] = Field(
        description="Those that run, oldest first; then queued ones, next first; paused; scheduled."
    )
    failures: list[JobAtWork] = Field(description="The newest that ended badly.")


@router.get("/overview", responses=BAD, summary="The engine at one look")
def overview(
    asking: Caller,
    engine: Engine,
    limit: Annotated[
        int, Query(ge=1, le=MOST_JOBS, description="Jobs of each state at most.")
    ] = MOST_JOBS,
) -> Overview:
    """What runs, how far and how fast, what waits, what failed: one's own jobs, or all."""
    return overview_of(engine, asking, limit)


def overview_of(engine: Deployment, asking: Client, limit: int = MOST_JOBS) -> Overview:
    """What `GET /overview` answers a client.

    Args:
        limit: jobs of each state at most.
    """
    store, own = engine.store, whose(asking, None)
    rules, counts = store.rules(), store.counts().jobs
    failures = JobQuery(min(limit, FAILURES), client=own, state=JobState.COMPLETED, failed=True)
    return Overview(
        version=__version__,
        now_at=datetime.now(UTC),
        counts=JobCounts(**{name: counts[name] for name in JobCounts.model_fields}),
        paused=bool(store.setting(PAUSED)),
        max_jobs=rules.max_jobs,
        priority_slots=rules.priority_slots,
        priority_threshold=rules.priority_threshold,
        jobs=_at_work(store, [job for query in _of(own, limit) for job in store.list_jobs(query)]),
        failures=_at_work(store, store.list_jobs(failures)),
    )


def _of(client: str | None, limit: int) -> Iterator[JobQuery]:
    for state, order in (
        (JobState.STARTED, "id"),
        (JobState.QUEUED, "priority"),
        (JobState.PAUSED, "id"),
        (JobState.SCHEDULED, "id"),
    ):
        yield JobQuery(limit, order, ascending=True, client=client, state=state)


def _at_work(store: Store, jobs: list[Job]) -> list[JobAtWork]:
    started = [job.id for job in jobs if job.state is JobState.STARTED]
    far = store.standing_of([job.id for job in jobs])
    tasks, lacks = store.running_in(started), store.waits_of(started)
    return [
        JobAtWork.model_validate(
            {
                **row,
                "subject": _known_as(job),
                "started_at": job.started_at,
                "progress": far[job.id].progress if job.id in far else 0.0,
                "running": tasks.get(job.id, []),
                "waits_for": lacks.get(job.id),
                "error": told_of_error(job),
            }
        )
        for job, row in zip(jobs, job_rows(store, jobs), strict=True)
    ]


def _known_as(job: Job) -> str:
    source = PurePosixPath(urlsplit(str(job.parameters.get("url", ""))).path).name
    return job.subject or source or job.main_task_id
