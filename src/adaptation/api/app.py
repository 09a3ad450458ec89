"""The server: all routes over one deployment."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from adaptation import __version__, tracing
from adaptation.api import (
    actions,
    callbacks,
    events,
    jobs,
    listing,
    metrics,
    operations,
    overview,
    quality,
    queue,
    readiness,
    reference,
    system,
    wishes,
    workflows,
)
from adaptation.api.auth import FAILED_LOGINS, Gatekeeper
from adaptation.api.board import Board
from adaptation.api.description import DescribedApi
from adaptation.api.hub import Hub
from adaptation.api.metrics import Metrics
from adaptation.api.middleware import QUIET, Doorkeeper
from adaptation.api.problems import answer_errors
from adaptation.api.readiness import Readiness
from adaptation.api.traffic import Traffic
from adaptation.wiring import Deployment

DESCRIPTION = """Submit video jobs, follow them, and steer them.

Every call but `GET /`, `/livez` and `/readyz` needs the headers `client` and `api-key`;
`adaptation client add NAME` makes a key. Times are UTC. Every error answers `error`, `code`, `hint`
and `request_id`."""
PARTS = (
    system,
    jobs,
    events,
    listing,
    actions,
    callbacks,
    operations,
    overview,
    quality,
    queue,
    wishes,
    workflows,
    metrics,
    readiness,
    reference,
)


def make_api(deployment: Deployment, *, failed_logins: int = FAILED_LOGINS) -> FastAPI:
    """The application of one deployment, whose tables must be there.

    Args:
        deployment: the engine; it may run in this process or elsewhere.
        failed_logins: wrong keys that one address may send in a minute.
    """
    api = DescribedApi(
        title="Adaptation",
        version=__version__,
        description=DESCRIPTION,
        # Theirs load scripts from elsewhere; ours is in `reference`.
        docs_url=None,
        redoc_url=None,
        # A path is written in one way: another is an error, not a second request.
        redirect_slashes=False,
        telemetry=_telemetry(),
    )
    api.state.gatekeeper = Gatekeeper(deployment, failed_logins)
    api.state.hub, api.state.board = Hub(deployment.store), Board(deployment.store)
    # All that must end before the server can.
    api.state.streams = [api.state.hub, api.state.board]
    traffic = Traffic()
    api.state.metrics = Metrics(deployment, traffic)
    api.state.readiness = Readiness(deployment)
    for part in PARTS:
        api.include_router(part.router)
    answer_errors(api)
    api.add_middleware(Doorkeeper, traffic=traffic)
    return api


def _telemetry() -> TelemetryConfig:
    """A span for each request, if anybody wants them; what machines ask all the time has none."""
    provider = tracing.provider()
    return TelemetryConfig(
        tracing=provider is not None,
        tracer_provider=provider,
        metrics=False,
        logs=False,
        operation_spans=False,
        auto_configure=False,
        exclude=lambda scope: scope["path"] in QUIET,
    )
