"""The film on a job's page: what is shown of it, and its files for whoever may see the job."""

from __future__ import annotations

from pathlib import PurePosixPath

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from adaptation.adapters.media_types import MEDIA_TYPES
from adaptation.api.auth import Engine
from adaptation.api.problems import Problem
from adaptation.api.routes import One
from adaptation.api.rows import job_seen_by
from adaptation.dashboard import film
from adaptation.dashboard.answers import HEADERS
from adaptation.dashboard.painting import painted
from adaptation.dashboard.ranged import ranged
from adaptation.dashboard.session import SignedOut, Visitor, visitor
from adaptation.engine.model import Job
from adaptation.errors import AdaptationError

router = APIRouter()

MEDIA_HEADERS = {
    # A manifest is XML, and XML may bring scripts along: whoever opens it as a page runs none.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    # The same name may be another file when the asset was made anew.
    "Cache-Control": "private, no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
}
MISSING = frozenset({"file_missing", "storage_not_found", "path_outside", "parameter_invalid"})


@router.get("/jobs/{job_id}/film")
async def shown(request: Request, engine: Engine, job_id: One) -> Response:
    """What there is to see of a job by now, as a part of its page."""
    job = await run_sync(_seen, request, job_id)
    found = await run_sync(film.film_of, engine, job)
    return HTMLResponse(painted("_job_film.html", film=found), headers=HEADERS)


@router.api_route("/jobs/{job_id}/media/{name:path}", methods=["GET", "HEAD"])
async def media(request: Request, engine: Engine, job_id: One, name: str) -> Response:
    """A file that a job has made, or a part of it."""
    job = await run_sync(_seen, request, job_id)
    media_type = MEDIA_TYPES.get(PurePosixPath(name).suffix.lower(), "")
    try:
        return await ranged(request, film.opened(engine, job, name), media_type, MEDIA_HEADERS)
    except AdaptationError as error:
        if error.code not in MISSING:
            raise
        raise Problem(404, "there is no such file", code="file_missing") from error


def _seen(request: Request, job_id: int) -> Job:
    """A job that whoever asks may see.

    Raises:
        Problem: 404; 401: nobody is signed in, which no player can do.
    """
    try:
        looking: Visitor = visitor(request)
    except SignedOut as error:
        raise Problem(
            401, "nobody is signed in", hint="Sign in, and load the page again."
        ) from error
    store = request.app.state.gatekeeper.deployment.store
    return job_seen_by(store, looking.client, job_id)
