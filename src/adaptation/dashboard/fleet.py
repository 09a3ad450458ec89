"""The page of the workers: who is there, what each runs, and what it can do."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adaptation.api import operations
from adaptation.api.auth import Engine
from adaptation.dashboard.answers import page
from adaptation.dashboard.session import Looking
from adaptation.engine.wishes import name_of

router = APIRouter()


@router.get("/workers")
def workers(request: Request, looking: Looking, engine: Engine) -> Response:
    """Workers and controllers; of what they run, what the visitor may see."""
    rows = operations.workers(looking.client, engine)
    known = {name_of(one): one.process.facts for one in engine.store.members()}
    told = {row.name: known.get(row.name, {}) for row in rows}
    ready = engine.store.counts().ready
    return page(request, "workers.html", looking, workers=rows, told=told, ready=ready)
