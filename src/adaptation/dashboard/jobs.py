"""The page of one job."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adaptation.api import callbacks
from adaptation.api.auth import Engine
from adaptation.api.problems import Problem
from adaptation.api.routes import One
from adaptation.api.rows import fit_to_be_shown, job_seen_by, task_rows
from adaptation.dashboard.answers import go_to, page
from adaptation.dashboard.curl import as_curl
from adaptation.dashboard.failure import failure_of
from adaptation.dashboard.film import film_of
from adaptation.dashboard.forms import Sent
from adaptation.dashboard.gone import why_gone
from adaptation.dashboard.log import SEVERITIES, LookedFor, log_page
from adaptation.dashboard.outputs import outputs_of
from adaptation.dashboard.quality import shown_quality
from adaptation.dashboard.reported import reported
from adaptation.dashboard.rows import rows_of
from adaptation.dashboard.session import Looking
from adaptation.dashboard.tasks import shown_tasks
from adaptation.dashboard.timeline import timeline_of
from adaptation.dashboard.waiting import why_waiting

router = APIRouter()


@router.get("/jobs/{job_id}")
def job(
    request: Request, looking: Looking, engine: Engine, job_id: One, looked_for: LookedFor
) -> Response:
    """Everything about one job."""
    store = engine.store
    try:
        found = job_seen_by(store, looking.client, job_id)
    except Problem as error:
        hint = why_gone(store, looking.client, job_id)
        raise Problem(error.status, error.message, code=error.code, hint=hint) from error
    row = rows_of(store, [found], request.app.state.estimates)[0]
    attempts = store.attempts_of(job_id)
    tasks = shown_tasks(task_rows(store.tasks(job_id), store.edges(job_id)), attempts)
    sent = callbacks.callbacks(looking.client, engine, job_id)
    parameters = fit_to_be_shown(found.parameters)
    facts: dict[str, Any] = {
        "quality": shown_quality(engine, found),
        "job": found,
        "row": row,
        "tasks": tasks,
        "log": log_page(store, job_id, looked_for),
        "severities": SEVERITIES,
        "timeline": timeline_of(tasks.listed, attempts, store.could_run_since(job_id)),
        "failure": failure_of(store, found, attempts),
        "waiting": why_waiting(store, found, row.place),
        "kin": store.kin_of(job_id),
        "callbacks": reported(store, job_id, sent),
        "parameters": json.dumps(parameters, indent=2, ensure_ascii=False),
        "outputs": outputs_of(engine, found),
        "film": film_of(engine, found, far=False),
        "again": as_curl(request, found),
    }
    return page(request, "job.html", looking, **facts)


@router.post("/jobs/{job_id}/callbacks/{delivery_id}/redeliver")
def redeliver(sent: Sent, engine: Engine, job_id: One, delivery_id: One) -> Response:
    """Send a callback once more."""
    callbacks.redeliver(sent.visitor.client, engine, job_id, delivery_id)
    return go_to(f"/ui/jobs/{job_id}#callbacks")
