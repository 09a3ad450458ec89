"""`adaptation --server URL logs` and `watch`: a job as it goes on, told by the server's events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from adaptation.cli import exits, output
from adaptation.cli.remote import opened_client
from adaptation.cli.remote.forms import AsJson, JobNumber, plain
from adaptation.client import Event, LogLine
from adaptation.client.records import record

WORDS = {10: "debug", 20: "info", 30: "warning", 40: "error"}


def logs(
    job: JobNumber,
    /,
    *,
    follow: bool = False,
    debug: bool = False,
    as_json: AsJson = False,
) -> None:
    """Print what a job has logged.

    Args:
        job: Its number.
        follow: Go on until the job has ended.
        debug: Show debug lines, too.
        as_json: Print one JSON object a line.
    """
    with opened_client() as client:
        names = {task.id: task.name for task in client.tasks(job)}
        if follow:
            lines = _lines(client.events(job, show_all=debug), names)
        else:
            lines = iter(client.logs(job, show_all=debug))
        for line in lines:
            output.data(output.compact(plain(asdict(line))) if as_json else _text(line, names))


def watch(job: JobNumber, /, *, after: int | None = None, as_json: AsJson = False) -> int:  # noqa: ARG001 - always is
    """Print what happens to a job as it happens, one JSON a line.

    Begins with the log so far and how everything stands, and ends with the job; the exit status
    tells whether it succeeded.

    Args:
        job: Its number.
        after: The `event_id` of the last line that is known: the log goes on after it.
        as_json: It always does.
    """
    ended: dict[str, Any] = {}
    with opened_client() as client:
        for event in client.events(job, after):
            output.event(event.name, event_id=event.id, **event.data)
            ended = event.data
    succeeded = ended.get("queue_state") == "completed" and not ended.get("failed")
    return exits.DONE if succeeded else exits.JOB_FAILED


def _lines(events: Iterable[Event], names: dict[int, str]) -> Iterator[LogLine]:
    """The lines of a log, while tasks that are added meanwhile get their names."""
    for event in events:
        if event.name == "task":
            names[event.data["id"]] = event.data["name"]
        elif event.name == "log":
            yield record(LogLine, event.data)


def _text(line: LogLine, names: dict[int, str]) -> str:
    moment = f"{line.created_at.astimezone():%H:%M:%S.%f}"[:-3]
    place = f"{names[line.task_id]}: " if line.task_id in names else ""
    return f"{moment}  {WORDS.get(line.severity, line.severity):<7}  {place}{line.message}"
