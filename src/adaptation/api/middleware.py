"""What happens to every request before and after its route: an id, limits, one line of log."""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from typing import Any, NoReturn

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adaptation import tracing
from adaptation.api.problems import Problem, error_body, unexpected
from adaptation.api.traffic import Traffic

logger = structlog.get_logger(__name__)

MOST_BODY_BYTES = 1_048_576
MOST_DEPTH = 32
"""How deep objects and lists of a body may lie in each other."""
FORM = "application/x-www-form-urlencoded"
"""What a page sends: only to pages, which know by a token that it was one of theirs."""
PAGES = "/ui"
"""Below it lie pages for people."""
QUIET = frozenset({"/livez", "/readyz", "/metrics", "/"})
"""Paths that machines ask all the time."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


class Doorkeeper:
    """Refuses what no route needs to look at, and tells of every request."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        seen = _Seen(send, request_id)
        tracing.note(request_id=request_id)
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            tracing.asked_by(headers.get("traceparent")),
        ):
            try:
                body = await _body(scope, headers, receive)
            except Problem as problem:
                facts = error_body(problem.message, problem.code, problem.hint, request_id)
                response = JSONResponse(facts, problem.status, problem.headers)
                await response(scope, receive, seen)
            else:
                await self._answer(scope, _replayed(body, receive), seen)
            finally:
                self._tell(scope, seen)

    async def _answer(self, scope: Scope, receive: Receive, seen: _Seen) -> None:
        try:
            await self._app(scope, receive, seen)
        except Exception as error:
            # Here, so that this answer has an id, too, and is counted and told of.
            if seen.status:
                raise
            await unexpected(Request(scope), error)(scope, receive, seen)

    def _tell(self, scope: Scope, seen: _Seen) -> None:
        method, client = scope["method"], scope["state"].get("client", "")
        route = getattr(scope.get("route"), "path", "")
        self._traffic.count(method, route, seen.status, seen.answered_seconds)
        log = logger.debug if scope["path"] in QUIET else logger.info
        facts = {"method": method, "path": scope["path"], "status": seen.status}
        log("request", **facts, client=client, ms=seen.milliseconds)


class _Seen:
    """Passes an answer on with the headers that all have, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self._began = time.monotonic()
        self.status = 0
        self.answered_seconds = 0.0
        """When the answer began; a stream may go on for long."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answered_seconds = time.monotonic() - self._began
            headers = MutableHeaders(raw=message["headers"])
            headers["X-Request-Id"] = self._request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
            message["headers"] = headers.raw
        await self._send(message)

    @property
    def milliseconds(self) -> float:
        """Since the request came."""
        return round(1000 * (time.monotonic() - self._began), 1)


async def _body(scope: Scope, headers: Headers, receive: Receive) -> bytes:
    """The whole body, checked as far as that needs no route.

    Raises:
        Problem: 400, 413, 415.
    """
    if b"%00" in scope["query_string"]:
        raise Problem(400, "the query holds a NUL character", code="text_invalid")
    body = b""
    if int(headers.get("content-length", "0") or 0) > MOST_BODY_BYTES:
        raise _too_large()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body"):
            break
    is_form = scope["path"].startswith(f"{PAGES}/") and _media_type(headers) == FORM
    if body and not is_form:
        _check_json(headers, body)
    return body


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_json(headers: Headers, body: bytes) -> None:
    media_type = _media_type(headers)
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise Problem(
            415,
            f"the body is {media_type or 'of no known type'}, not JSON",
            hint="Send the header Content-Type: application/json.",
        )
    if _depth(body) > MOST_DEPTH:
        raise Problem(400, f"the body is more than {MOST_DEPTH} levels deep", code="json_too_deep")
    try:
        document = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
        # Half of a pair of surrogates cannot be stored.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Problem(
            400, f"the body is no JSON: {error}", code="json_invalid", hint="See RFC 8259."
        ) from error
    if _holds_nul(document):
        raise Problem(400, "a text holds a NUL character", code="text_invalid", hint="Remove it.")


def _depth(body: bytes) -> int:
    if body.count(b"{") + body.count(b"[") <= MOST_DEPTH:
        return 0
    depth = deepest = 0
    for found in _BRACKETS.finditer(body):
        if found[0] in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif found[0] in b"]}":
            depth -= 1
    return deepest


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits:.40} is too large a number")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _holds_nul(document: Any) -> bool:
    if isinstance(document, str):
        return "\0" in document
    if isinstance(document, dict):
        return any(_holds_nul(key) or _holds_nul(value) for key, value in document.items())
    return isinstance(document, list) and any(map(_holds_nul, document))


def _too_large() -> Problem:
    return Problem(
        413,
        f"the body is larger than {MOST_BODY_BYTES} bytes",
        hint="Put large metadata into a file and pass its address.",
    )


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
