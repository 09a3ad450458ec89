"""The page of one job, and what can be done to one or to several."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adaptation.api import actions, callbacks
from adaptation.api.auth import Engine
from adaptation.api.problems import Problem
from adaptation.api.routes import One
from adaptation.api.rows import fit_to_be_shown, job_seen_by, task_rows
from adaptation.api.schemas import JobChange
from adaptation.dashboard.answers import go_to, page, told_of
from adaptation.dashboard.failure import failure_of
from adaptation.dashboard.forms import Sent
from adaptation.dashboard.log import SEVERITIES, LookedFor, log_page
from adaptation.dashboard.login import own_address
from adaptation.dashboard.outputs import outputs_of
from adaptation.dashboard.reported import reported
from adaptation.dashboard.rows import rows_of
from adaptation.dashboard.session import Looking
from adaptation.dashboard.tasks import shown_tasks
from adaptation.dashboard.timeline import timeline_of
from adaptation.dashboard.waiting import why_waiting
from adaptation.engine.clients import Client
from adaptation.errors import AdaptationError
from adaptation.wiring import Deployment

router = APIRouter()

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
def job(
    request: Request, looking: Looking, engine: Engine, job_id: One, looked_for: LookedFor
) -> Response:
    """Everything about one job."""
    store = engine.store
    found = job_seen_by(store, looking.client, job_id)
    row = rows_of(store, [found], request.app.state.estimates)[0]
    attempts = store.attempts_of(job_id)
    tasks = shown_tasks(task_rows(store.tasks(job_id), store.edges(job_id)), attempts)
    sent = callbacks.callbacks(looking.client, engine, job_id)
    parameters = fit_to_be_shown(found.parameters)
    facts: dict[str, Any] = {
        "job": found,
        "row": row,
        "tasks": tasks,
        "log": log_page(store, job_id, looked_for),
        "severities": SEVERITIES,
        "timeline": timeline_of(tasks.listed, attempts, found.started_at),
        "failure": failure_of(store, found, attempts),
        "waiting": why_waiting(store, found, row.place),
        "kin": store.kin_of(job_id),
        "callbacks": reported(store, job_id, sent),
        "parameters": json.dumps(parameters, indent=2, ensure_ascii=False),
        "outputs": outputs_of(engine, found),
        "again": _as_curl(request, found.workflow, parameters, found.priority),
    }
    return page(request, "job.html", looking, **facts)


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
