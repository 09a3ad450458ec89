"""Whether this process lives, and whether it can do its work."""

from __future__ import annotations

import threading
import time

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from kombu.exceptions import OperationalError
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from adaptation.api.operations import SILENT_SECONDS
from adaptation.api.problems import AWAY_SECONDS, error_body
from adaptation.api.schemas import Answer, Error
from adaptation.engine.migrations import HEAD
from adaptation.errors import SettingsError
from adaptation.wiring import Deployment

router = APIRouter(tags=["system"])

KEPT_SECONDS = 1.0
"""What is behind it is asked no sooner again, however many probe."""


class Standing(Answer):
    """The process can do its work."""

    result: str = Field(default="ready", description="ready")
    warnings: list[str] | None = Field(
        default=None, description="What it does not hinder, but somebody should look at."
    )


class Living(Answer):
    """The process answers."""

    result: str = Field(default="alive", description="alive")


class Readiness:
    """Whether the database and the broker answer."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._lock = threading.Lock()
        self._reasons: list[str] = []
        self._warnings: list[str] = []
        self._asked_at = -KEPT_SECONDS

    def reasons(self) -> list[str]:
        """Why requests could not be answered; none: they can."""
        with self._lock:
            self._ask()
            return self._reasons

    def warnings(self) -> list[str]:
        """What hinders no request, but somebody should look at."""
        with self._lock:
            self._ask()
            return self._warnings

    def _ask(self) -> None:
        if time.monotonic() - self._asked_at > KEPT_SECONDS:
            self._reasons = [*self._of_the_database(), *self._of_the_broker()]
            self._warnings = [] if self._reasons else self._of_the_fleet()
            self._asked_at = time.monotonic()

    def _of_the_fleet(self) -> list[str]:
        try:
            unfit = self._deployment.store.unfit(SILENT_SECONDS)
        except SQLAlchemyError:
            return []
        return [
            f"{number} {'task waits' if number == 1 else 'tasks wait'} for a worker with {needs}"
            for needs, number in sorted(unfit.items())
        ]

    def _of_the_database(self) -> list[str]:
        try:
            found = self._deployment.store.database.version()
        except (SettingsError, SQLAlchemyError):
            return ["the database does not answer"]
        if found != HEAD:
            return [f"the tables have version {found}, and this program works with {HEAD}"]
        return []

    def _of_the_broker(self) -> list[str]:
        try:
            self._deployment.engine.dispatcher.reach()
        except (OperationalError, OSError):
            return ["the broker does not answer"]
        return []


@router.get("/livez", summary="Does the process answer")
async def livez() -> Living:
    """Answer without looking at anything, even when all threads are busy."""
    return Living()


@router.get(
    "/readyz",
    response_model=Standing,
    response_model_exclude_none=True,
    responses={503: {"model": Error, "description": "What is behind it is away."}},
    summary="Can the process do its work",
)
def readyz(request: Request) -> Standing | JSONResponse:
    """503 with the reasons while the database or the broker is away, or tables are not right."""
    readiness: Readiness = request.app.state.readiness
    reasons = readiness.reasons()
    if not reasons:
        return Standing(warnings=readiness.warnings() or None)
    hint = "Start what is away; after an update: adaptation migrate."
    body = error_body("; ".join(reasons), "not_ready", hint, request.state.request_id)
    return JSONResponse(body, 503, {"Retry-After": str(AWAY_SECONDS)})
