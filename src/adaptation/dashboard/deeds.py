"""What is done to jobs by buttons, to one or to several, and to the queue as a whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from adaptation.api import actions, queue
from adaptation.api.auth import Engine
from adaptation.api.problems import Problem
from adaptation.api.routes import One
from adaptation.api.rows import job_seen_by
from adaptation.api.schemas import Accepted, JobChange
from adaptation.dashboard.answers import HEADERS, go_to, page, told_of
from adaptation.dashboard.curl import as_curl
from adaptation.dashboard.forms import Form, Sent, need_admin
from adaptation.dashboard.login import own_address
from adaptation.dashboard.said import told
from adaptation.dashboard.session import Looking
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
    "now": lambda asking, engine, job_id: _change(
        asking, engine, job_id, run_at=None, semaphore_url=None
    ),
}
"""What the buttons do, by their names: the API's own functions."""


@router.post("/jobs/do")
def do(request: Request, sent: Sent, engine: Engine) -> Response:
    """Do something to one job or to several; what was refused is told, the others are done."""
    name = sent.one("do")
    deed = _deed(name, sent, request)
    wanted = [*request.query_params.getlist("id"), *sent.all("id")]
    ids = list(dict.fromkeys(int(word) for word in wanted if word.isdecimal()))
    if not ids:
        raise Problem(400, "no job is chosen", hint="Tick the jobs that are meant, and try again.")
    refused, done = [], []
    for job_id in ids:
        try:
            done.append(deed(sent.visitor.client, engine, job_id))
        except (Problem, AdaptationError) as error:
            _, _, message, hint = told_of(error)
            refused.append((job_id, message, hint))
    back = own_address(sent.one("back"))
    if not refused:
        facts: dict[str, object] = {"one": ids[0]} if len(ids) == 1 else {"n": len(ids)}
        new = [one.id for one in done if isinstance(one, Accepted)]
        return go_to(told(back, name, **facts, **({"new": new[0]} if len(new) == 1 else {})))
    known = {"name": name, "refused": refused, "done": len(done), "back": back}
    return page(request, "refused.html", sent.visitor, 409, **known)


@router.get("/jobs/{job_id}/curl")
def curl(request: Request, looking: Looking, engine: Engine, job_id: One) -> Response:
    """The command that submits the same job once more."""
    words = as_curl(request, job_seen_by(engine.store, looking.client, job_id))
    return PlainTextResponse(f"{words}\n", headers=HEADERS)


@router.post("/queue")
def hold(sent: Sent, engine: Engine) -> Response:
    """Pause the whole queue, or let it go on."""
    need_admin(sent.visitor)
    pauses = sent.one("do") == "pause"
    (queue.pause if pauses else queue.resume)(sent.visitor.client, engine)
    return go_to(told(own_address(sent.one("back")), f"queue-{'paused' if pauses else 'resumed'}"))


def _deed(name: str, sent: Form, request: Request) -> Deed:
    """What a button means.

    Raises:
        Problem: 400.
    """
    if name == "priority":
        return _priority(request.query_params.get("priority") or sent.one("priority"))
    if name == "later":
        return _later(sent.one("run_at"))
    if name not in DEEDS:
        raise Problem(400, "it is not said what is to be done", hint="Use the page's buttons.")
    return DEEDS[name]


def _priority(words: str) -> Deed:
    if not words.isdecimal() or not 1 <= int(words) <= 10:
        raise Problem(400, "priority is 1 (first) to 10 (last)", hint="Choose one of these.")
    return lambda asking, engine, job_id: _change(asking, engine, job_id, priority=int(words))


def _later(words: str) -> Deed:
    try:
        datetime.fromisoformat(words)
    except ValueError as error:
        raise Problem(
            400, f"{words!r:.60} is no moment", hint="Write it as 2040-06-06T10:00, in UTC."
        ) from error
    return lambda asking, engine, job_id: _change(asking, engine, job_id, run_at=words)


def _change(asking: Client, engine: Deployment, job_id: int, **values: Any) -> object:
    return actions.change(asking, engine, job_id, JobChange.model_validate(values))
