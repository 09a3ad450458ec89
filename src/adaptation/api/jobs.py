"""Submitting jobs, and looking at one."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from adaptation.api.auth import Caller, Engine, Writer
from adaptation.api.limits import most_unfinished
from adaptation.api.problems import Problem
from adaptation.api.routes import BAD, One
from adaptation.api.rows import fit_to_be_shown, job_row, job_seen_by, log_row, task_rows
from adaptation.api.schemas import Accepted, Forecast, LogRow, OneJob, Submission, TaskRow
from adaptation.engine.clients import Client, Role
from adaptation.engine.model import Job
from adaptation.engine.terms import Terms
from adaptation.wiring import Deployment

router = APIRouter(tags=["jobs"])

UNDER_A_KEY = uuid.UUID("5b1c2f0e-9d5e-4a43-8a64-2f6e0c3a7d11")
"""Names the ids that idempotency keys stand for."""
MOST_LINES = 10_500
"""As many are kept of a job's log."""
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        description="The same key with the same body gives the first job, also after a crash.",
    ),
]


DryRun = Annotated[
    bool,
    Query(description="1: check the job and tell what it would do and cost; nothing is stored."),
]


@router.post("/job", responses=BAD, summary="Submit a job", response_model=Accepted | Forecast)
def submit(
    asking: Writer,
    engine: Engine,
    wanted: Submission,
    key: Key = None,
    dry_run: DryRun = False,
) -> Response:
    """Store a job; once it is accepted it is not lost, whatever is killed."""
    client = _owner(asking, wanted)
    found = _foretold(engine, client, wanted) if dry_run else _stored(engine, client, wanted, key)
    # Written here: FastAPI would go to a thread once more, to check what was just made.
    return Response(found.model_dump_json(), media_type="application/json")


@router.get("/jobs/{job_id}", responses=BAD, summary="One job")
def one(asking: Caller, engine: Engine, job_id: One) -> OneJob:
    """A job with its place in the queue."""
    job = job_seen_by(engine.store, asking, job_id)
    place = engine.store.positions([job.id]).get(job.id)
    return OneJob.model_validate(job_row(job, place))


@router.get("/jobs/{job_id}/tasks", responses=BAD, summary="The tasks of a job")
def tasks(asking: Caller, engine: Engine, job_id: One) -> list[TaskRow]:
    """Every task in the order they were planned, with how far it is and what it waits for."""
    job_seen_by(engine.store, asking, job_id)
    rows = task_rows(engine.store.tasks(job_id), engine.store.edges(job_id))
    return [TaskRow.model_validate(row) for row in rows]


@router.get("/logs/{job_id}", responses=BAD, summary="The log of a job")
def logs(
    asking: Caller,
    engine: Engine,
    job_id: One,
    show_all: Annotated[
        bool, Query(description="1: debug lines, which are not visible, too.")
    ] = False,
    last: Annotated[
        int | None, Query(ge=1, le=MOST_LINES, description="Only so many, the newest.")
    ] = None,
) -> list[LogRow]:
    """What a job has logged, oldest first; at most 10,500 lines."""
    job_seen_by(engine.store, asking, job_id)
    severity = 0 if show_all else 20
    if last is None:
        lines = engine.store.logs(job_id, severity=severity)
    else:
        lines = engine.store.last_lines(job_id, last, severity=severity)
    return [LogRow.model_validate(log_row(line)) for line in lines]


def _stored(engine: Deployment, client: Client, wanted: Submission, key: str | None) -> Accepted:
    fingerprint = _fingerprint(client.name, wanted)
    main_task_id = str(uuid.uuid4())
    if key:
        main_task_id = str(uuid.uuid5(UNDER_A_KEY, f"{client.name}\n{key}"))
        if (known := engine.store.job_by_main_task(main_task_id)) is not None:
            return _accepted(_the_same(known, fingerprint))
    job_id, is_new = engine.engine.accept(
        wanted.job.workflow,
        _given(engine, client, wanted),
        main_task_id=main_task_id,
        fingerprint=fingerprint,
        terms=_terms(engine, client, wanted),
    )
    if not is_new:  # another request with the same key was quicker, or this one was repeated
        _the_same(engine.store.job(job_id), fingerprint)
    return Accepted(id=job_id, job_id=job_id)


def _foretold(engine: Deployment, client: Client, wanted: Submission) -> Forecast:
    terms = _terms(engine, client, wanted)
    _ = terms.values  # raises what a job would be refused for
    found = engine.forecast(
        wanted.job.workflow,
        _given(engine, client, wanted),
        within=terms.within,
        limits=terms.limits,
    )
    shown = fit_to_be_shown(found["parameters"])
    return Forecast.model_validate({**found, "parameters": shown})


def _given(engine: Deployment, client: Client, wanted: Submission) -> dict[str, Any]:
    """The parameters of a job; of the client's defaults not those that only others know."""
    known = {
        name: set(one.parameters.model_fields)
        for name, one in engine.registry.workflows.items()
        if one.parameters is not None
    }
    own = known.get(wanted.job.workflow)
    others = set[str]().union(*known.values()) - own if own is not None else set[str]()
    kept = {name: value for name, value in client.defaults.items() if name not in others}
    return kept | wanted.parameters


def _owner(asking: Client, wanted: Submission) -> Client:
    if wanted.client is not None and wanted.client != asking.name:
        raise Problem(
            403,
            "the body names another client than the header",
            code="client_differs",
            hint="Leave the field client out, or repeat the header.",
        )
    return asking


def _terms(engine: Deployment, client: Client, wanted: Submission) -> Terms:
    own = str(client.defaults.get("output_root", ""))
    within = None if client.role is Role.ADMIN else own
    return Terms(
        client.name,
        **wanted.job.model_dump(exclude={"workflow"}),
        most_unfinished=most_unfinished(client, engine),
        limits=client.limits,
        within=within,
    )


def _fingerprint(client: str, wanted: Submission) -> str:
    document = [client, wanted.model_dump(mode="json", exclude={"client"})]
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _the_same(job: Job, fingerprint: str) -> Job:
    if job.fingerprint != fingerprint:
        raise Problem(
            409,
            f"the idempotency key belongs to job {job.id}, which was asked for in other words",
            code="idempotency_conflict",
            hint="Use a new key for another job.",
        )
    return job


def _accepted(job: Job) -> Accepted:
    return Accepted(id=job.id, job_id=job.id)
