"""The page of the workers: who is there, what each runs and can do, and what it is told."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adaptation.api import operations, wishes
from adaptation.api.auth import Engine
from adaptation.api.problems import Problem
from adaptation.api.readiness import Readiness
from adaptation.dashboard.answers import go_to, page
from adaptation.dashboard.forms import Sent, need_admin
from adaptation.dashboard.rows import late_seconds
from adaptation.dashboard.said import told
from adaptation.dashboard.session import Looking, Visitor
from adaptation.wiring import Deployment

router = APIRouter()

HERE = "/ui/workers"
DEEDS = {"drain": wishes.drain, "resume": wishes.resume, "stop": wishes.stop}
KNOWN = ("adaptation", "python", "processors", "memory_bytes", "encoders", "abilities")
"""Facts that are shown in places of their own; the others are versions of tools."""


@router.get("/workers")
def workers(request: Request, looking: Looking, engine: Engine) -> Response:
    """Workers and controllers; of what they run, what the visitor may see."""
    readiness: Readiness = request.app.state.readiness
    facts: dict[str, Any] = _fleet(engine, looking)
    facts["told"] = {
        one.process.worker_id: one.process.facts
        for one in engine.store.members()
        if one.process.facts
    }
    facts |= {"known": KNOWN, "trouble": readiness.reasons()}
    return page(request, "workers.html", looking, **facts)


@router.get("/workers/rows")
def rows(request: Request, looking: Looking, engine: Engine) -> Response:
    """The list alone, for a page that is open."""
    return page(request, "_workers.html", looking, **_fleet(engine, looking))


@router.post("/workers")
def tell(sent: Sent, engine: Engine) -> Response:
    """Let a worker rest, go on, or leave."""
    need_admin(sent.visitor)
    deed = sent.one("do")
    if deed not in DEEDS:
        raise Problem(400, "it is not said what is to be done", hint="Use the page's buttons.")
    wished = DEEDS[deed](sent.visitor.client, engine, sent.one("worker"))
    return go_to(told(HERE, f"worker-{deed}", name=wished.name))


def _fleet(engine: Deployment, looking: Visitor) -> dict[str, Any]:
    counts = engine.store.counts()
    return {
        "workers": operations.workers(looking.client, engine),
        "late_seconds": late_seconds(engine.settings),
        "ready": counts.ready,
        "running": counts.running,
        "alone": engine.engine.dispatcher.local_only,
    }
