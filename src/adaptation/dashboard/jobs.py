"""The page of one job, and what can be done to one or to several."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from adaptation.api import actions, callbacks
from adaptation.api.auth import Engine
from adaptation.api.problems import Problem
from adaptation.api.routes import One
from adaptation.api.rows import fit_to_be_shown, job_seen_by, log_row, task_rows
from adaptation.api.schemas import JobChange, LogRow
from adaptation.dashboard.answers import HEADERS, go_to, page, told_of
from adaptation.dashboard.film import film_of
from adaptation.dashboard.forms import Sent
from adaptation.dashboard.login import own_address
from adaptation.dashboard.rows import rows_of
from adaptation.dashboard.session import Looking
from adaptation.dashboard.tasks import shown_tasks
from adaptation.engine.clients import Client
from adaptation.engine.model import Job
from adaptation.errors import AdaptationError
from adaptation.wiring import Deployment

router = APIRouter()

LINES = 500
"""Log lines that a page shows; all of them are to be had as a file."""
BANNER_LINES = 5
Deed = Callable[[Client, Deployment, int], object]
DEEDS: dict[str, Deed] = {
    "cancel": actions.cancel,
    "pause": actions.pause,
    "resume": actions.resume,
    "retry": actions.retry,
    "rerun": actions.rerun,
    "keep": lambda asking, engine, job_id: _change(asking, engine, job_id, persist=True),
    "unkeep": lambda asking, engine, job_id: _change(asking, engine, job_id, persist=False),
}
"""What the buttons do, by their names: the API's own functions."""


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
        "again": _as_curl(request, found.workflow, parameters, found.priority),
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


@router.post("/jobs/do")
def do(request: Request, sent: Sent, engine: Engine) -> Response:
    """Do something to one job or to several; what was refused is told, the others are done."""
    name = sent.one("do")
    deed = DEEDS.get(name) or _priority(sent.one("priority")) if name else None
    wanted = [*request.query_params.getlist("id"), *sent.all("id")]
    ids = list(dict.fromkeys(int(word) for word in wanted if word.isdecimal()))
    if deed is None or not ids:
        raise Problem(400, "nothing is chosen", hint="Choose jobs, and what is to be done.")
    refused = []
    for job_id in ids:
        try:
            deed(sent.visitor.client, engine, job_id)
        except (Problem, AdaptationError) as error:
            _, _, message, hint = told_of(error)
            refused.append((job_id, message, hint))
    back = own_address(sent.one("back"))
    if not refused:
        return go_to(back)
    facts = {"name": name, "refused": refused, "done": len(ids) - len(refused), "back": back}
    return page(request, "refused.html", sent.visitor, 409, **facts)


def _outputs(engine: Deployment, job: Job) -> dict[str, Any]:
    """What a finished job tells of what it made."""
    workflow = engine.registry.workflows.get(job.workflow)
    return workflow.report(job.result) if workflow and job.succeeded and job.result else {}


def _priority(words: str) -> Deed:
    if not words.isdecimal() or not 1 <= int(words) <= 10:
        raise Problem(400, "priority is 1 (first) to 10 (last)", hint="Choose one of these.")
    return lambda asking, engine, job_id: _change(asking, engine, job_id, priority=int(words))


def _change(asking: Client, engine: Deployment, job_id: int, **values: Any) -> object:
    return actions.change(asking, engine, job_id, JobChange.model_validate(values))


def _as_curl(request: Request, workflow: str, parameters: object, priority: int) -> str:
    """How the same job is submitted by hand."""
    body = json.dumps(
        {"job": {"workflow": workflow, "priority": priority}, "parameters": parameters}
    )
    quoted = body.replace("'", "'\\''")
    address = f"{request.url.scheme}://{request.url.netloc}/job"
    return (
        f"curl {address} -H 'client: NAME' -H 'api-key: KEY' -H 'Content-Type: application/json'"
        f" -d '{quoted}'"
    )
