"""Pages as they are answered: with the headers that keep scripts and frames of others out."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from kombu.exceptions import OperationalError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from adaptation import __version__
from adaptation.adapters.masking import redacted
from adaptation.api.problems import CODES, Problem, status_of
from adaptation.dashboard.painting import painted
from adaptation.dashboard.said import sentence
from adaptation.dashboard.session import COOKIE, SignedOut, Visitor, drop_cookie
from adaptation.errors import AdaptationError

# blob: is how players address what they fetch, data: the empty text they begin captions with.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " media-src 'self' blob: data:; worker-src blob:; connect-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
SEE_OTHER = 303


def page(
    request: Request, template: str, visitor: Visitor | None, status: int = 200, **facts: Any
) -> HTMLResponse:
    """A page for somebody."""
    shown = {"visitor": visitor, "version": __version__, "path": request.url.path, "status": status}
    shown["said"] = sentence(request.query_params)
    shown |= facts
    return HTMLResponse(painted(template, **shown), status, headers=HEADERS)


def go_to(address: str) -> RedirectResponse:
    """The answer to a form: the page to look at next."""
    return RedirectResponse(address, SEE_OTHER, headers=HEADERS)


def answer_errors(app: FastAPI) -> None:
    """Give every error that a page can end in a page of its own."""
    app.add_exception_handler(SignedOut, _signed_out)
    for kind in (Problem, AdaptationError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _wrong)
    app.add_exception_handler(SQLAlchemyError, _away)
    app.add_exception_handler(OperationalError, _away)


def told_of(error: Exception) -> tuple[int, str, str, str]:
    """Status, code, sentence and remedy of what went wrong."""
    if isinstance(error, Problem):
        return error.status, error.code, redacted(error.message), redacted(error.hint)
    if isinstance(error, AdaptationError):
        return status_of(error), error.code, redacted(error.message), redacted(error.hint or "")
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][1:])
        return 400, "parameter_invalid", f"{name}: {first['msg']}", "Mend it, and try again."
    status = error.status_code if isinstance(error, HTTPException) else 500
    return status, CODES.get(status, "bad_request"), "There is nothing here.", ""


async def _signed_out(request: Request, error: Exception) -> Response:  # noqa: ARG001
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    ask = f"/ui/login?to={quote(wanted, safe='')}" if request.method == "GET" else "/ui/login"
    if request.headers.get("hx-request"):
        # A part of a page that asks by itself: the whole page must go.
        response: Response = Response(status_code=401, headers={**HEADERS, "HX-Redirect": ask})
    else:
        response = go_to(ask)
    if COOKIE in request.cookies:
        # Not where another site's form came without it: it may be a good one.
        drop_cookie(response)
    return response


async def _wrong(request: Request, error: Exception) -> Response:
    status, code, message, hint = told_of(error)
    facts = {"code": code, "message": message, "hint": hint}
    facts["request_id"] = request.state.request_id
    return page(request, "error.html", None, status, **facts)


async def _away(request: Request, error: Exception) -> Response:  # noqa: ARG001
    facts = {"code": "unavailable", "request_id": request.state.request_id}
    facts["message"] = "The database does not answer."
    facts["hint"] = "Nothing is lost. Try again in a moment."
    return page(request, "error.html", None, 503, **facts)
