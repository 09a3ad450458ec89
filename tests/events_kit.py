"""A deployment of small tasks behind the API, and a client that reads its events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx2
from sqlalchemy import event as sql_event

from adaptation.engine import rows
from adaptation.engine.tasks import Registry
from adaptation.wiring import Deployment
from api_kit import Caller
from engine_kit import HandWorker, small_registry


@dataclass(frozen=True)
class SmallDeployment(Deployment):
    """A deployment whose tasks do next to nothing."""

    @cached_property
    def registry(self) -> Registry:
        return small_registry()


@dataclass(frozen=True)
class Event:
    """An event as a client receives it."""

    name: str
    id: int
    data: dict[str, Any]


def write_lines(hand: HandWorker, job_id: int, *lines: str, severity: int = 20) -> None:
    """Let a job log something."""
    with hand.store.database.write() as connection:
        rows.insert_lines(connection, job_id, 0, [(severity, line) for line in lines])


@contextmanager
def listening(
    caller: Caller, job_id: int, last: int | None = None, path: str = "events"
) -> Iterator[Iterator[Event]]:
    """The events of a job, until the server or the block ends the stream."""
    headers = {"client": caller.name, "api-key": caller.key}
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    with _streamed(f"{caller.url}jobs/{job_id}/{path}", headers) as events:
        yield events


@contextmanager
def listening_to_all(
    caller: Caller, last: int | None = None, query: str = ""
) -> Iterator[Iterator[Event]]:
    """The events of all jobs that a client may see, until the server or the block ends them."""
    headers = {"client": caller.name, "api-key": caller.key}
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    with _streamed(f"{caller.url}events{query}", headers) as events:
        yield events


@contextmanager
def _streamed(url: str, headers: dict[str, str]) -> Iterator[Iterator[Event]]:
    with (
        httpx2.Client(timeout=20, trust_env=False, verify=False) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield parsed(answer.iter_lines())


def parsed(lines: Iterator[str]) -> Iterator[Event]:
    """Events out of the lines of a stream (WHATWG HTML §9.2.6)."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line and "data" in fields:
            yield Event(fields["event"], int(fields["id"]), json.loads(fields["data"]))
        if not line:
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def until(events: Iterator[Event], name: str, **facts: Any) -> list[Event]:
    """The events up to the first of this name with these facts."""
    seen = []
    for event in events:
        seen.append(event)
        if event.name == name and facts.items() <= event.data.items():
            return seen
    raise AssertionError(f"no {name} with {facts} in {[one.name for one in seen]}")


def messages(events: list[Event]) -> list[str]:
    """What log lines say."""
    return [event.data["message"] for event in events if event.name == "log"]


class Statements:
    """The statements that the store is asked meanwhile."""

    def __init__(self, hand: HandWorker) -> None:
        self._engine = hand.store.database._engine
        self.count = 0

    def __enter__(self) -> Statements:
        sql_event.listen(self._engine, "before_cursor_execute", self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        sql_event.remove(self._engine, "before_cursor_execute", self._seen)

    def _seen(self, *_: object) -> None:
        self.count += 1
