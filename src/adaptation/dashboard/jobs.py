"""The page of one job."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from adaptation.api import callbacks
from adaptation.api.auth import Engine
from adaptation.api.routes import One
from adaptation.api.rows import fit_to_be_shown, job_seen_by, log_row, task_rows
from adaptation.api.schemas import LogRow
from adaptation.dashboard.answers import HEADERS, go_to, page
from adaptation.dashboard.curl import as_curl
from adaptation.dashboard.film import film_of
from adaptation.dashboard.forms import Sent
from adaptation.dashboard.rows import rows_of
from adaptation.dashboard.session import Looking
from adaptation.dashboard.tasks import shown_tasks
from adaptation.engine.model import Job
from adaptation.wiring import Deployment

router = APIRouter()

LINES = 500
"""Log lines that a page shows; all of them are to be had as a file."""
BANNER_LINES = 5


@router.get("/jobs/{job_id}")
def job(request: Request, looking: Looking, engine: Engine, job_id: One) -> Response:
    """Everything about one job."""
    store = engine.store
    found = job_seen_by(store, looking.client, job_id)
    row = rows_of(store, [found])[0]
    lines = store.logs(job_id, severity=20)
    tasks = shown_tasks(task_rows(store.tasks(job_id), store.edges(job_id)))
    sent = callbacks.callbacks(looking.client, engine, job_id)
    parameters = fit_to_be_shown(found.parameters)
    facts: dict[str, Any] = {
        "job": found,
        "row": row,
        "tasks": tasks,
        "lines": lines[-LINES:],
        "left_out": max(0, len(lines) - LINES),
        "last_lines": [line for line in lines if line.severity >= 20][-BANNER_LINES:],
        "callbacks": sent,
        "parameters": json.dumps(parameters, indent=2, ensure_ascii=False),
        "outputs": _outputs(engine, found),
        "film": film_of(engine, found, far=False),
        "again": as_curl(request, found),
    }
    return page(request, "job.html", looking, **facts)


@router.get("/jobs/{job_id}/log")
def log(looking: Looking, engine: Engine, job_id: One) -> Response:
    """All lines of the log as a file, one JSON document a line."""
    job_seen_by(engine.store, looking.client, job_id)
    rows = [LogRow.model_validate(log_row(line)) for line in engine.store.logs(job_id, severity=0)]
    text = "".join(f"{row.model_dump_json()}\n" for row in rows)
    named = {"Content-Disposition": f'attachment; filename="job-{job_id}.jsonl"'}
    return PlainTextResponse(text, headers={**HEADERS, **named}, media_type="application/x-ndjson")


@router.post("/jobs/{job_id}/callbacks/{delivery_id}/redeliver")
def redeliver(sent: Sent, engine: Engine, job_id: One, delivery_id: One) -> Response:
    """Send a callback once more."""
    callbacks.redeliver(sent.visitor.client, engine, job_id, delivery_id)
    return go_to(f"/ui/jobs/{job_id}#callbacks")


def _outputs(engine: Deployment, job: Job) -> dict[str, Any]:
    """What a finished job tells of what it made."""
    workflow = engine.registry.workflows.get(job.workflow)
    return workflow.report(job.result) if workflow and job.succeeded and job.result else {}
