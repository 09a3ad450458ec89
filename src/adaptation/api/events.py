"""Jobs as they happen: server-sent events (WHATWG HTML §9.2)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from adaptation.api.auth import Caller, deployment_of
from adaptation.api.board import Board
from adaptation.api.channel import Listener, numbered
from adaptation.api.hub import Hub
from adaptation.api.listing import whose
from adaptation.api.problems import AWAY_SECONDS, Problem
from adaptation.api.routes import BAD, One
from adaptation.api.rows import job_seen_by
from adaptation.api.schemas import MOST_ID
from adaptation.api.ticking import Ticking

router = APIRouter(tags=["jobs"])

RETRY = b"retry: 2000\n\n"
"""Milliseconds after which a client connects again."""
PING = b": ping\n\n"
PING_SECONDS = 15.0
"""Silence that proxies bear with."""
MOST_SECONDS = 3600.0
"""A stream ends after so long, and its client connects again with a key that may be gone."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Nobody between keeps what is sent, or holds it back."""
LAST = Header(
    alias="Last-Event-ID",
    ge=0,
    le=MOST_ID,
    description="The id of the last event that was received: log lines go on after it.",
)
Told = Annotated[int, LAST]
ShowAll = Annotated[bool, Query(description="1: debug lines, which are not visible, too.")]


class EventStream(StreamingResponse):
    """A stream whose source is closed as soon as nobody listens any more."""

    media_type = "text/event-stream"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until they or the connection end."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self.body_iterator, AsyncGenerator):
                await self.body_iterator.aclose()


@router.get(
    "/jobs/{job_id}/events",
    responses=BAD,
    response_class=EventStream,
    summary="A job as it happens",
)
def events(
    asking: Caller,
    request: Request,
    job_id: One,
    told: Told = 0,
    show_all: ShowAll = False,
) -> EventStream:
    """Events `log`, `task` and `job` as they happen, and `end` when the job has ended.

    Each carries as its data a row of `/logs/<job>`, `/jobs/<job>/tasks`, or of the job itself with
    `progress` and `error`. A new stream first tells the log from its beginning, or from
    `Last-Event-ID`, and how everything stands.
    """
    job_seen_by(deployment_of(request).store, asking, job_id)
    hub: Hub = request.app.state.hub
    refuse_too_many(hub, f"GET /jobs/{job_id}")
    begin = partial(hub.listen, job_id, 0 if show_all else 20)
    return EventStream(stream(hub, begin, told), headers=HEADERS)


@router.get("/events", responses=BAD, response_class=EventStream, summary="All jobs as they happen")
def all_events(
    asking: Caller,
    request: Request,
    told: Annotated[int | None, LAST] = None,
    show_all: ShowAll = False,
    client: Annotated[
        str | None, Query(description="Whose; another's only for an admin.", max_length=100)
    ] = None,
) -> EventStream:
    """Events `log` and `job` of one's own jobs, or of all for an admin, as they happen.

    A new stream first tells how each unfinished job stands, one with `Last-Event-ID` also what
    was logged since, and how the jobs stand that it was logged of. Unlike the stream of one job
    it tells of no tasks, and does not end with a job.
    """
    seen = whose(asking, client)
    board: Board = request.app.state.board
    refuse_too_many(board, "GET /dashboard")
    known = None
    if told is None:
        # Before the answer begins: what happens after that is told.
        told, known = deployment_of(request).store.known_lines()
    begin = partial(board.listen, seen, 0 if show_all else 20, known=known)
    return EventStream(stream(board, begin, told), headers=HEADERS)


def refuse_too_many(source: Ticking, instead: str) -> None:
    """Refuse one more listener than a process can bear.

    Raises:
        Problem: 503.
    """
    if source.is_full:
        raise Problem(
            503,
            "too many listen to jobs",
            code="too_many_listeners",
            hint=f"Ask again in {AWAY_SECONDS} s, or ask {instead} now and then.",
            headers={"Retry-After": str(AWAY_SECONDS)},
        )


async def stream(
    hub: Ticking, begin: Callable[[], Awaitable[Listener]], told: int
) -> AsyncGenerator[bytes]:
    """Events as they are sent: first what was logged after a line, and then what happens.

    Args:
        hub: who tells.
        begin: listens.
        told: the last line that is known already.
    """
    yield RETRY
    until = time.monotonic() + MOST_SECONDS
    listener = await begin()
    try:
        # What the hub may tell once more.
        past = set(listener.known)
        async for page in hub.past(listener, told):
            past.update(line.id for line in page if line.id > listener.settled)
            told = max(told, page[-1].id)
            yield b"".join(numbered(line.event, line.id) for line in page)
        over = False
        while not over and time.monotonic() < until:
            if await _is_silent(listener):
                yield PING
            # Asked first: what waits then is the last.
            over = listener.over
            lines, states = listener.take()
            sent = list[bytes]()
            for line in lines:
                if line.id not in past:
                    told = max(told, line.id)
                    sent.append(numbered(line.event, told))
            sent += [numbered(event, told) for event in states]
            if sent:
                yield b"".join(sent)
    except SQLAlchemyError:
        # It is away, and the server stops: the client goes on elsewhere.
        return
    finally:
        hub.leave(listener)


async def _is_silent(listener: Listener) -> bool:
    try:
        await asyncio.wait_for(listener.wake.wait(), PING_SECONDS)
    except TimeoutError:
        return True
    return False
