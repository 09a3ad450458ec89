"""The client: what the REST API can do, as methods."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack
from urllib.parse import quote, urlencode

from adaptation.client.connection import Connection, pause_seconds
from adaptation.client.records import (
    Changes,
    Delivery,
    EndPoint,
    Event,
    Filters,
    Job,
    LogLine,
    Overview,
    Queue,
    Setting,
    Submitted,
    Task,
    Terms,
    Worker,
    Workflow,
    record,
)
from adaptation.client.stream import SILENCE_SECONDS, follow
from adaptation.errors import ApiError, NotEnded, ServerUnavailable

T = TypeVar("T")

POLL_SECONDS = 0.5
WRITTEN = {"since": "from", "until": "to"}
"""Filters that are words of Python in the API."""


class Client:
    """One client of one server.

    Every method raises `ApiError` when the server says no, and `ServerUnavailable` when it cannot
    be reached. Answers 429 and 503 are waited for as the server asks, within the tries; a request
    whose answer was lost is sent again where that does no harm. TLS certificates are checked;
    proxies and certificates of the environment count, but for a server on this machine.
    """

    def __init__(
        self, server: str, name: str, key: str, *, timeout_seconds: float = 30, tries: int = 3
    ) -> None:
        """Get ready; nothing is sent yet.

        Args:
            server: its address, such as https://adaptation.example.org.
            name: of the client.
            key: one of its keys.
            timeout_seconds: how long to wait for the connection, and for each piece of an answer.
            tries: of each request.

        Raises:
            SettingsError: `server_invalid`, or `credentials_missing`.
        """
        self._connection = Connection(
            server, name, key, timeout_seconds=timeout_seconds, tries=tries
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def submit(
        self,
        workflow: str,
        parameters: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        **terms: Unpack[Terms],
    ) -> Submitted:
        """Store a job, once, also if an answer is lost and the request sent again.

        Args:
            workflow: its name.
            parameters: as the workflow takes them.
            idempotency_key: the same key gives the same job, from any program, also after this
                one was ended; a fresh one when not given.
            terms: `priority`: 1 is first, 10 last, 5 when not given; `run_at`: not before, UTC
                when it names no zone; `semaphore_url`: not before this address answers well;
                `persist`: keep the job at clean-up.
        """
        body = _submission(workflow, parameters, terms)
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        answer = self._connection.ask("POST", "/job", body, headers=headers, repeatable=True)
        return self._read(Submitted, answer)

    def plan(
        self, workflow: str, parameters: Mapping[str, Any], **terms: Unpack[Terms]
    ) -> dict[str, Any]:
        """What a job would do and cost; nothing is stored.

        Raises:
            ApiError: `dry_run_unknown`: the server is too old; the job it stored is cancelled.
        """
        body = _submission(workflow, parameters, terms)
        path = _with("/job", dry_run=True)
        # Not repeated after a lost answer: an old server takes it for a job.
        found = self._object(self._connection.ask("POST", path, body))
        if found.get("result") == "accepted":
            job = self._read(Submitted, found)
            self.cancel(job.id)
            raise ApiError(
                200,
                f"the server stored job {job.id} instead of planning it; the job is cancelled",
                code="dry_run_unknown",
                hint="Update the server.",
            )
        return found

    def job(self, job_id: int) -> Job:
        """One job as it stands."""
        return self._read(Job, self._connection.ask("GET", f"/jobs/{job_id}"))

    def jobs(self, **filters: Unpack[Filters]) -> list[Job]:
        """The newest jobs, 10 when no `limit` is given; see `Filters`."""
        query = {WRITTEN.get(name, name): value for name, value in filters.items()}
        rows = self._connection.ask("GET", _with("/jobs", **query))
        return self._read_all(Job, rows)

    def tasks(self, job_id: int) -> list[Task]:
        """The tasks of a job in the order they were planned."""
        rows = self._connection.ask("GET", f"/jobs/{job_id}/tasks")
        return self._read_all(Task, rows)

    def quality(self, job_id: int) -> dict[str, Any]:
        """How good each segment of a job's asset is: the answer of `GET /jobs/ID/quality`."""
        return self._object(self._connection.ask("GET", f"/jobs/{job_id}/quality"))

    def measure(self, job_id: int) -> int:
        """Have a job's asset measured; the number of the job that does it."""
        return self._read(Submitted, self._connection.ask("POST", f"/jobs/{job_id}/quality")).id

    def logs(
        self, job_id: int, *, show_all: bool = False, last: int | None = None
    ) -> list[LogLine]:
        """What a job has logged, oldest first.

        Args:
            job_id: its number.
            show_all: debug lines, too.
            last: only so many lines, the newest; None: all.
        """
        end = {} if last is None else {"last": last}
        rows = self._connection.ask("GET", _with(f"/logs/{job_id}", show_all=show_all, **end))
        return self._read_all(LogLine, rows)

    def events(
        self, job_id: int, after: int | None = None, *, show_all: bool = False
    ) -> Iterator[Event]:
        """What happens to a job, up to its end; each once, however often the connection breaks.

        Args:
            job_id: its number.
            after: id of the last event that is known; log lines go on after it.
            show_all: debug lines, too.
        """
        return follow(self._connection, _with(f"/jobs/{job_id}/events", show_all=show_all), after)

    def wait(self, job_id: int, timeout_seconds: float | None = None) -> Job:
        """A job once it has ended, well or badly.

        Raises:
            NotEnded: the time is up first.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        if deadline is None or timeout_seconds is None or timeout_seconds > SILENCE_SECONDS:
            self._listen(job_id, None if deadline is None else deadline - SILENCE_SECONDS)
        while not (job := self.job(job_id)).ended:
            left = POLL_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise NotEnded(
                    f"job {job_id} is {job.queue_state} after {timeout_seconds:g} s",
                    hint="Wait longer, or look at its log.",
                )
            time.sleep(min(left, POLL_SECONDS))
        return job

    def change(self, job_id: int, **wanted: Unpack[Changes]) -> str:
        """Let a job be other than it is; what was done, in words."""
        body = {name: _json(value) for name, value in wanted.items()}
        return self._act("PATCH", f"/jobs/{job_id}", body, repeatable=True)

    def cancel(self, job_id: int) -> str:
        """End a job; what runs of it is stopped within seconds."""
        return self._act("POST", f"/jobs/{job_id}/cancel", repeatable=True)

    def pause(self, job_id: int) -> str:
        """Hold a job; what runs is stopped within seconds and handed back."""
        return self._act("POST", f"/jobs/{job_id}/pause", repeatable=True)

    def resume(self, job_id: int) -> str:
        """Let a paused job go on from its finished tasks."""
        return self._act("POST", f"/jobs/{job_id}/resume")

    def retry(self, job_id: int) -> str:
        """Run again what failed or never ran; finished tasks are kept."""
        return self._act("POST", f"/jobs/{job_id}/retry")

    def rerun(self, job_id: int) -> Submitted:
        """Store a new job with the same parameters; the old one becomes broken."""
        return self._read(Submitted, self._connection.ask("POST", f"/jobs/{job_id}/rerun"))

    def callbacks(self, job_id: int) -> list[Delivery]:
        """What was told to a job's end points, oldest first, and when it is tried next."""
        rows = self._connection.ask("GET", f"/jobs/{job_id}/callbacks")
        return self._read_all(Delivery, rows)

    def redeliver(self, job_id: int, delivery: int) -> str:
        """Send a callback once more, with the same id and body."""
        return self._act("POST", f"/jobs/{job_id}/callbacks/{delivery}/redeliver")

    def end_points(self, client: str | None = None) -> list[EndPoint]:
        """End points that are disabled or failing, one's own or another's, which needs an admin."""
        query = {} if client is None else {"client": client}
        return self._read_all(
            EndPoint, self._connection.ask("GET", _with("/callbacks/endpoints", **query))
        )

    def disable_end_point(self, url: str, client: str | None = None) -> str:
        """Send an end point nothing more; what waits for it is dropped."""
        return self._act_on_end_point("disable", url, client)

    def enable_end_point(self, url: str, client: str | None = None) -> str:
        """Send to a disabled end point again; try a failing one at once."""
        return self._act_on_end_point("enable", url, client)

    def overview(self, limit: int = 100) -> Overview:
        """The engine at one look: counts, what runs, waits and failed last.

        Args:
            limit: jobs of each state at most, 1 to 100.
        """
        return self._read(Overview, self._connection.ask("GET", _with("/overview", limit=limit)))

    def workers(self) -> list[Worker]:
        """Workers and controllers, with what they run of one's own jobs."""
        return self._read_all(Worker, self._connection.ask("GET", "/workers"))

    def tell_worker(self, name: str, do: Literal["drain", "resume", "stop"]) -> str:
        """Let a worker rest, go on, or leave when nothing runs there; needs an admin's key.

        Args:
            name: of the worker, or its id or the first letters of it.
            do: what it does from its next heartbeat on.

        Returns:
            Its name.
        """
        path = f"/workers/{quote(name, safe='/')}/{do}"
        answer = self._connection.ask("POST", path, repeatable=True)
        return str(self._object(answer).get("name", name))

    def queue(self) -> Queue:
        """Whether the whole queue is paused."""
        return self._read(Queue, self._connection.ask("GET", "/queue"))

    def pause_queue(self) -> Queue:
        """Start no job that waits, whoever's it is; needs an admin's key."""
        return self._read(Queue, self._connection.ask("POST", "/queue/pause", repeatable=True))

    def resume_queue(self) -> Queue:
        """Start jobs again; needs an admin's key."""
        return self._read(Queue, self._connection.ask("POST", "/queue/resume", repeatable=True))

    def settings(self) -> list[Setting]:
        """All settings of the fleet."""
        answer = self._object(self._connection.ask("GET", "/settings"))
        return self._read_all(Setting, answer.get("settings"))

    def set_setting(self, name: str, value: float) -> str:
        """Change a setting of the whole fleet, at once; needs an admin's key."""
        body = {"name": name, "setting": value}
        answer = self._connection.ask("POST", "/settings", body, repeatable=True)
        return str(self._object(answer).get("message", ""))

    def health(self) -> dict[str, Any]:
        """How databases, queues, tasks and jobs are.

        Raises:
            ApiError: status 500: something is down; the message says what.
        """
        return self._object(self._connection.ask("GET", "/health"))

    def workflows(self) -> list[Workflow]:
        """What can be submitted."""
        return self._read_all(Workflow, self._connection.ask("GET", "/workflows"))

    def workflow(self, name: str) -> Workflow:
        """One workflow with its tasks and the JSON Schema of its parameters."""
        path = f"/workflows/{quote(name, safe='')}"
        return self._read(Workflow, self._connection.ask("GET", path))

    def _act(self, method: str, path: str, body: object = None, *, repeatable: bool = False) -> str:
        answer = self._connection.ask(method, path, body, repeatable=repeatable)
        return str(self._object(answer).get("result", ""))

    def _act_on_end_point(self, what: str, url: str, client: str | None) -> str:
        body = {"url": url} if client is None else {"url": url, "client": client}
        return self._act("POST", f"/callbacks/endpoints/{what}", body)

    def _object(self, answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise self._connection.unreadable(200)
        return answer

    def _read_all(self, kind: type[T], rows: Any) -> list[T]:
        if not isinstance(rows, list):
            raise self._connection.unreadable(200)
        return [self._read(kind, row) for row in rows]

    def _read(self, kind: type[T], row: Any) -> T:
        try:
            return record(kind, row)
        except (TypeError, ValueError, AttributeError) as error:
            raise self._connection.unreadable(200) from error

    def _listen(self, job_id: int, until: float | None) -> None:
        """Let time pass up to the job's end, as long as there are events."""
        path = f"/jobs/{job_id}/events"
        try:
            for _ in follow(self._connection, path, None, until=until):
                pass
        except (ApiError, ServerUnavailable) as error:
            # Too many listen, or something between lets no stream pass: it is asked now and then.
            if isinstance(error, ApiError) and error.status in {401, 403}:
                raise
            time.sleep(pause_seconds(1))


def _with(path: str, **query: Any) -> str:
    words = urlencode({name: _word(value) for name, value in query.items()})
    return f"{path}?{words}" if words else path


def _submission(
    workflow: str, parameters: Mapping[str, Any], terms: Mapping[str, Any]
) -> dict[str, Any]:
    given = {name: _json(value) for name, value in terms.items() if value is not None}
    return {"job": {"workflow": workflow, **given}, "parameters": dict(parameters)}


def _json(value: object) -> object:
    if not isinstance(value, datetime):
        return value
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat()


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime):
        return str(_json(value))
    return str(value) if isinstance(value, str | int) else ",".join(map(str, value))
