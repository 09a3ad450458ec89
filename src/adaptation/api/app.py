"""The server: all routes over one deployment."""

from __future__ import annotations

from fastapi import FastAPI

from adaptation import __version__
from adaptation.api import actions, jobs, listing, operations, system, workflows
from adaptation.api.auth import FAILED_LOGINS, Gatekeeper
from adaptation.api.middleware import Doorkeeper
from adaptation.api.problems import answer_errors
from adaptation.wiring import Deployment

DESCRIPTION = """Submit video jobs, follow them, and steer them.

Every call but `GET /` needs the headers `client` and `api-key`; `adaptation client add NAME` makes
a key. Times are UTC. Every error answers `error`, `code`, `hint` and `request_id`."""
ROUTERS = tuple(part.router for part in (system, jobs, listing, actions, operations, workflows))


def make_api(deployment: Deployment, *, failed_logins: int = FAILED_LOGINS) -> FastAPI:
    """The application of one deployment, whose tables must be there.

    Args:
        deployment: the engine; it may run in this process or elsewhere.
        failed_logins: wrong keys that one address may send in a minute.
    """
    api = FastAPI(
        title="Adaptation",
        version=__version__,
        description=DESCRIPTION,
        redoc_url=None,
        # A path is written in one way: another is an error, not a second request.
        redirect_slashes=False,
    )
    api.state.gatekeeper = Gatekeeper(deployment, failed_logins)
    for router in ROUTERS:
        api.include_router(router)
    answer_errors(api)
    api.add_middleware(Doorkeeper)
    return api
