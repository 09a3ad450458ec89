"""Errors as the API answers them: a status, a sentence with its remedy, a stable code."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kombu.exceptions import OperationalError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.exceptions import HTTPException

from adaptation.adapters.masking import redacted
from adaptation.api.schemas import UNKNOWN
from adaptation.engine.control import StateForbids
from adaptation.errors import (
    AdaptationError,
    OutputError,
    ParameterError,
    SettingsError,
    SourceError,
)

logger = structlog.get_logger(__name__)

AWAY_SECONDS = 5
"""When to ask again while the database or the broker is away."""
TOO_MANY_SECONDS = 30
"""When to ask again when a client has as many unfinished jobs as it may."""
TOO_MANY = {"too_many_jobs"}
NOT_FOUND = {
    "client_unknown",
    "delivery_unknown",
    "end_point_unknown",
    "job_unknown",
    "worker_unknown",
    "workflow_unknown_here",
}
CONFLICTS = {"output_busy", "client_exists", "idempotency_conflict", "work_removed"}
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    413: "body_too_large",
    415: "not_json",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
}
"""The code of an answer that has none of its own."""
UNKNOWN_CODES = {
    "field": "field_unknown",
    "query parameter": "query_parameter_unknown",
}
_JOB_ID = re.compile("[0-9]{1,19}")


class Problem(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        hint: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or CODES[status]
        self.hint = hint
        self.headers = dict(headers or {})


def error_body(message: str, code: str, hint: str, request_id: str) -> dict[str, Any]:
    """The body of every error; `error` says what is wrong and how to mend it."""
    whole = redacted(f"{message.rstrip('.')}. {hint}" if hint else message)
    return {"error": whole, "code": code, "hint": redacted(hint), "request_id": request_id}


def unknown_field(name: str, known: Iterable[str], what: str) -> Problem:
    """A name that nobody knows, and the nearest that somebody does."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    hint = f"{meant}Known: {', '.join(names)}."
    return Problem(400, f"unknown {what} {name!r:.80}", code=UNKNOWN_CODES[what], hint=hint)


def answer_errors(app: FastAPI) -> None:
    """Give every error that a request can end in the one form."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(AdaptationError, _known)
    app.add_exception_handler(SQLAlchemyError, _away)
    app.add_exception_handler(OperationalError, _away)


def status_of(error: AdaptationError) -> int:
    """The status that says whose fault an error is."""
    if error.code in NOT_FOUND:
        return 404
    if isinstance(error, StateForbids) or error.code in CONFLICTS:
        return 409
    if error.code in TOO_MANY:
        return 429
    if isinstance(error, ParameterError | SourceError | OutputError):
        return 400
    return 503 if isinstance(error, SettingsError) and error.code.endswith("unavailable") else 500


def answer(request: Request, problem: Problem) -> JSONResponse:
    """An error as a response."""
    request_id = getattr(request.state, "request_id", "")
    body = error_body(problem.message, problem.code, problem.hint, request_id)
    if _JOB_ID.fullmatch(job_id := str(request.path_params.get("job_id", ""))):
        body["id"] = int(job_id)
    return JSONResponse(body, problem.status, problem.headers)


def _problem(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Problem):
        raise error
    return answer(request, error)


def _known(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, AdaptationError):
        raise error
    status = status_of(error)
    if status == 500:
        return unexpected(request, error)
    seconds = {429: TOO_MANY_SECONDS, 503: AWAY_SECONDS}.get(status)
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    problem = Problem(status, error.message, code=error.code, hint=error.hint, headers=headers)
    return answer(request, problem)


def _refused(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    hints = {404: "GET /openapi.json lists what there is.", 405: "See the header Allow."}
    message = {404: f"there is no {request.url.path}"}.get(error.status_code, str(error.detail))
    code = CODES.get(error.status_code, "bad_request")
    hint = hints.get(error.status_code, "")
    return answer(
        request, Problem(error.status_code, message, code=code, hint=hint, headers=error.headers)
    )


def _away(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, DBAPIError) and not _may_pass(error):
        return unexpected(request, error)
    logger.warning("the database is away", error=str(error))
    problem = Problem(
        503,
        "the database is away",
        code="database_unavailable",
        hint="Ask again in a moment; nothing was stored.",
        headers={"Retry-After": str(AWAY_SECONDS)},
    )
    return answer(request, problem)


def _may_pass(error: DBAPIError) -> bool:
    return error.connection_invalidated or type(error).__name__ in {
        "OperationalError",
        "InterfaceError",
    }


def unexpected(request: Request, error: Exception) -> JSONResponse:
    """The answer to a request that met a fault of ours, which is logged and not shown."""
    logger.error("a request failed", path=request.url.path, exc_info=error)
    problem = Problem(
        500,
        "this is a fault of the engine",
        hint="Its log tells more under the same request_id.",
    )
    return answer(request, problem)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    if place[:1] == ["path"]:
        return answer(request, Problem(404, f"there is no {request.url.path}"))
    return answer(request, _explained(first, place))


def _explained(first: Mapping[str, Any], place: Sequence[str]) -> Problem:
    name = ".".join(place[1:]) or place[0]
    where = {"query": "query parameter", "header": "header"}.get(place[0], "field")
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "")
        return Problem(400, f"the body is no JSON: {reason}", code="json_invalid")
    if first["type"] == UNKNOWN:
        return unknown_field(first["ctx"]["name"], first["ctx"]["known"], where)
    if first["type"] == "missing":
        return Problem(400, f"{where} {name!r} is missing", code="field_missing", hint="Give it.")
    reason = first["msg"].removeprefix("Value error, ")
    return Problem(400, f"{where} {name!r}: {reason}", code="field_invalid", hint=f"Change {name}.")
