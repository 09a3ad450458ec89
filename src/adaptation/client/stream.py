"""Server-sent events (WHATWG HTML §9.2.6): read, gone on with after a break, told once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from adaptation.client.connection import MOST_WAIT_SECONDS, Connection, pause_seconds
from adaptation.client.records import Event
from adaptation.errors import AdaptationError, ApiError

SILENCE_SECONDS = 20.0
"""A stream that is silent for longer is taken for lost: the server pings every 15 s."""
PATIENCE_SECONDS = 60.0
"""How long a server may be away that has told something before."""


@dataclass
class Repeats:
    """What has been told, so that it is not told again after a break."""

    _lines: set[int] = field(default_factory=set)
    _states: dict[tuple[str, Any], dict[str, Any]] = field(default_factory=dict)

    def is_new(self, event: Event) -> bool:
        """Whether this was not told yet; it is from now on."""
        number = event.data.get("id")
        if event.name == "log" and isinstance(number, int):
            new = number not in self._lines
            self._lines.add(number)
            return new
        about = (event.name, number)
        new = self._states.get(about) != event.data
        self._states[about] = event.data
        return new


def follow(
    connection: Connection, path: str, after: int | None, *, until: float | None = None
) -> Iterator[Event]:
    """Events up to `end`, each once, however often the connection breaks.

    Args:
        connection: the server's.
        path: of the stream.
        after: id of the last event that is known; None: from the beginning.
        until: stop then, on the clock `time.monotonic`, at most `SILENCE_SECONDS` late; None:
            at the end.

    Raises:
        ApiError: the server says no.
        ServerUnavailable: it did not answer, as many times as there are tries; after a break for
            `PATIENCE_SECONDS`.
    """
    repeats, failures, patience = Repeats(), 0, 0.0
    while until is None or time.monotonic() < until:
        why: httpx2.RequestError | ApiError = httpx2.ReadError("the stream ended early")
        try:
            for event in _one_stream(connection, path, after, until):
                failures, patience = 0, time.monotonic() + PATIENCE_SECONDS
                after = max(after or 0, event.id)
                if repeats.is_new(event):
                    yield event
                if event.name == "end":
                    return
        except (httpx2.RequestError, ApiError) as error:
            why = error
        failures += 1
        if failures >= connection.tries and time.monotonic() > patience:
            raise _final(connection, why) from why
        time.sleep(_pause_seconds(why, failures))


def _one_stream(
    connection: Connection, path: str, after: int | None, until: float | None
) -> Iterator[Event]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with connection.streaming(path, headers=headers, silence_seconds=SILENCE_SECONDS) as pieces:
        for event in events_in(pieces):
            if until is not None and time.monotonic() > until:
                return
            if event is not None:
                yield event


def _final(connection: Connection, why: httpx2.RequestError | ApiError) -> AdaptationError:
    return why if isinstance(why, ApiError) else connection.unavailable(why)


def _pause_seconds(why: Exception, failures: int) -> float:
    """How long to wait until the stream is asked for again.

    Raises:
        ApiError: another time would be no better.
    """
    pause = pause_seconds(failures)
    if not isinstance(why, ApiError):
        return pause
    if not why.retryable:
        raise why
    asked = why.retry_after_seconds
    return pause if asked is None else min(asked, MOST_WAIT_SECONDS)


def events_in(pieces: Iterable[bytes]) -> Iterator[Event | None]:
    """Events out of a stream; None for each line that is a sign of life."""
    name, number, data = "", 0, list[str]()
    for line in _lines(pieces):
        if not line:
            if data:
                yield Event(name or "message", number, _object("\n".join(data)))
            name, data = "", []
            continue
        word, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if word == "event":
            name = value
        elif word == "data":
            data.append(value)
        elif word == "id" and value.isascii() and value.isdigit():
            number = int(value)
        elif not word:
            yield None


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    # Not iter_lines: it also splits at U+2028 and the like, which may stand inside of JSON.
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode(errors="replace")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    return found if isinstance(found, dict) else {"value": found}
