"""The engine as a whole: is it well, what is it doing, how is it set."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from kombu.exceptions import OperationalError
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from adaptation import __version__
from adaptation.adapters.masking import redacted
from adaptation.api.auth import Caller, CallerOrOutage, Engine
from adaptation.api.listing import whose
from adaptation.api.problems import error_body
from adaptation.api.routes import BAD
from adaptation.api.rows import job_rows
from adaptation.api.schemas import Answer, JobRow
from adaptation.engine.callbacks import PENDING
from adaptation.engine.deliverer import QUEUE as CALLBACKS
from adaptation.engine.lists import JobQuery
from adaptation.engine.states import JobState
from adaptation.wiring import Deployment

router = APIRouter(tags=["system"])

SHOWN = 100
"""Jobs of each state on the dashboard."""
SILENT_SECONDS = 30.0
"""A worker that was not heard for so long is not counted."""
BROKEN = (OperationalError, OSError)


class Alive(Answer):
    """The server answers."""

    result: Literal["alive"] = Field(default="alive", description="alive")


class QueueHealth(Answer):
    """Who serves a queue, and what is in it."""

    workers: int = Field(description="Live workers that serve it.")
    working: int = Field(description="Tasks of it that run.")
    pending: int = Field(description="Tasks of it that may be started.")


class TaskHealth(Answer):
    """Tasks, all in all."""

    failed: int = Field(description="Tries that ended in an error, ever.")
    pending: int = Field(description="Tasks that may be started.")
    processed: int = Field(description="Tasks that were done, ever.")


class JobHealth(Answer):
    """Jobs by state, and how many may run."""

    completed: int = Field(description="Those that ended well.")
    failed: int = Field(description="Those that completed badly.")
    pending: int = Field(description="Always 0: a job is accepted whole or not at all.")
    broken: int = Field(description="Those that were given up.")
    queued: int = Field(description="Those that wait for a slot.")
    started: int = Field(description="Those that run.")
    scheduled: int = Field(description="Those that wait for a time, an address or another job.")
    paused: int = Field(description="Those that somebody holds.")
    max_jobs: int = Field(description="Jobs that may run at once.")
    priority_slots: int = Field(description="Of those, slots only for priority jobs.")


class Health(Answer):
    """How the engine is."""

    version: str = Field(description="Of the server.")
    databases: dict[str, str] = Field(description="OK, or what is wrong, by name.")
    queues: dict[str, QueueHealth] = Field(description="Each queue, by name.")
    tasks: TaskHealth = Field(description="Tasks, all in all.")
    jobs: JobHealth = Field(description="Jobs by state, of all clients.")


class Dashboard(Answer):
    """What is going on now; at most 100 jobs of each state."""

    max_jobs: int = Field(description="Jobs that may run at once.")
    priority_slots: int = Field(description="Of those, slots only for priority jobs.")
    started: list[JobRow] = Field(description="Those that run, newest first.")
    queued: list[JobRow] = Field(description="Those that wait for a slot, newest first.")
    scheduled: list[JobRow] = Field(description="Those that wait for a time or an address.")
    version: str = Field(description="Of the server.")


@router.get("/", summary="Is anybody there")
def alive() -> Alive:
    """Answer without looking at anything."""
    return Alive()


@router.get("/health", responses=BAD, summary="Is all well", response_model=Health)
def health(asking: CallerOrOutage, engine: Engine, request: Request) -> Any:
    """Databases, queues, tasks and jobs; 500 when a component is down."""
    databases = {_kind(engine.settings.database): "OK", _kind(engine.settings.broker_url): "OK"}
    found = None
    if asking is None:
        # Who asks cannot be known either, and is told no more than that.
        databases[_kind(engine.settings.database)] = "it does not answer"
    else:
        try:
            found = _health(engine, databases)
        except SQLAlchemyError as error:
            databases[_kind(engine.settings.database)] = _words(error)
    try:
        engine.engine.dispatcher.reach()
    except BROKEN as error:
        databases[_kind(engine.settings.broker_url)] = _words(error)
    wrong = [f"{name} is down: {state}" for name, state in databases.items() if state != "OK"]
    if wrong:
        request_id = request.state.request_id
        body = error_body("; ".join(wrong), "unhealthy", "Start what is down.", request_id)
        return JSONResponse(body | {"databases": databases}, 500)
    return found


@router.get("/dashboard", responses=BAD, summary="What is going on")
def dashboard(asking: Caller, engine: Engine) -> Dashboard:
    """The jobs that run, wait and are scheduled: one's own, or all for an admin."""
    rules = engine.store.rules()
    rows = {}
    for state in (JobState.STARTED, JobState.QUEUED, JobState.SCHEDULED):
        query = JobQuery(limit=SHOWN, state=state, client=whose(asking, None))
        jobs = job_rows(engine.store, engine.store.list_jobs(query))
        rows[str(state)] = [JobRow.model_validate(row) for row in jobs]
    return Dashboard(
        max_jobs=rules.max_jobs, priority_slots=rules.priority_slots, version=__version__, **rows
    )


def _health(engine: Deployment, databases: dict[str, str]) -> Health:
    store = engine.store
    counts, rules, done = store.counts(), store.rules(), store.measured()
    members = [one for one in store.members() if one.heard_seconds < SILENT_SECONDS]
    live = [one.process for one in members if one.process.slots]
    ready = counts.ready | {CALLBACKS: store.delivery_counts()[PENDING]}
    queues = {
        queue: QueueHealth(
            workers=sum(not one.queues or queue in one.queues for one in live),
            working=counts.running.get(queue, 0),
            pending=ready.get(queue, 0),
        )
        for queue in (*engine.registry.queues, CALLBACKS)
    }
    tasks = TaskHealth(
        failed=sum(one.amount for one in done if one.outcome == "failed"),
        pending=sum(counts.ready.values()),
        processed=sum(one.amount for one in done if one.outcome == "done"),
    )
    jobs = JobHealth(
        pending=0,
        max_jobs=rules.max_jobs,
        priority_slots=rules.priority_slots,
        **{name: number for name, number in counts.jobs.items() if name in JobHealth.model_fields},
    )
    return Health(version=__version__, databases=databases, queues=queues, tasks=tasks, jobs=jobs)


def _kind(url: str) -> str:
    scheme = url.partition(":")[0].partition("+")[0]
    return {"amqp": "rabbitmq", "amqps": "rabbitmq", "rediss": "redis"}.get(scheme, scheme)


def _words(error: Exception) -> str:
    return redacted(str(error.__cause__ or error).strip().splitlines()[0][:300])
