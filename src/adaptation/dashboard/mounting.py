"""Puts the pages below `/ui` of the server that answers the API."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import Headers
from starlette.routing import Match, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from adaptation.api.middleware import PAGES
from adaptation.dashboard import (
    clients,
    codes,
    commands,
    deeds,
    entry,
    fleet,
    jobs,
    live,
    log,
    login,
    player,
    quality,
    queue,
    sample,
    schedules,
    settings,
    storages,
    submission,
)
from adaptation.dashboard.answers import answer_errors
from adaptation.dashboard.entry import Passes
from adaptation.dashboard.eta import Estimates
from adaptation.dashboard.live import PaintedBoard, PaintedHub
from adaptation.dashboard.login import HOME
from adaptation.dashboard.painting import STATIC
from adaptation.dashboard.rows import late_seconds
from adaptation.dashboard.session import Sessions

PARTS = (
    *(login, entry, queue, live, deeds, jobs, player),
    *(quality, sample, submission),
    *(log, commands, codes),
    *(fleet, schedules, settings, clients, storages),
)
KEPT = "public, max-age=31536000, immutable"
"""Addresses of files change with their content."""


def mount(api: FastAPI) -> None:
    """Answer everything below `/ui`, on the deployment of the API."""
    pages = FastAPI(title="Adaptation", openapi_url=None, docs_url=None, redoc_url=None)
    keeper = api.state.gatekeeper
    pages.state.gatekeeper, pages.state.sessions = keeper, Sessions(keeper)
    # Whoever runs the server in its own process may grant links.
    pages.state.passes = api.state.passes = Passes()
    store = keeper.deployment.store
    pages.state.readiness = api.state.readiness
    tasks = keeper.deployment.registry.tasks
    expanders = frozenset(name for name, known in tasks.items() if known.expands)
    pages.state.estimates = estimates = Estimates(store, expanders)
    late = late_seconds(keeper.deployment.settings)
    pages.state.board = PaintedBoard(store, estimates, late)
    pages.state.hub = PaintedHub(store, estimates)
    api.state.streams += [pages.state.board, pages.state.hub]
    for part in PARTS:
        pages.include_router(part.router)
    pages.mount("/static", _Files(directory=STATIC))
    answer_errors(pages)
    api.mount(PAGES, pages)
    # Before the API's own answer: whoever asks for HTML is a person.
    api.router.routes.insert(0, _Home("/", _home, include_in_schema=False))


class _Home(Route):
    """The server's root for browsers; programs are answered by the API."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if "text/html" in Headers(scope=scope).get("accept", ""):
            return super().matches(scope)
        return Match.NONE, {}


async def _home(request: Request) -> Response:  # noqa: ARG001
    return RedirectResponse(HOME, 303)


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if Request(scope).query_params.get("v"):
            response.headers["Cache-Control"] = KEPT
        return response
