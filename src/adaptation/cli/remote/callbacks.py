"""`adaptation --server URL callbacks` and `redeliver`: what was told, and once more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from adaptation.cli import output
from adaptation.cli.remote import opened_client
from adaptation.cli.remote.forms import AsJson, JobNumber, plain
from adaptation.client import Delivery

HEADER = ("callback", "event", "task", "state", "tries", "answer", "next try", "end point")
LOCAL_NAMES = {"webhook_id": "identity", "attempts": "attempt", "next_try_at": "due_at"}
"""What the local command line calls them."""


def callbacks(job: JobNumber, /, *, as_json: AsJson = False) -> None:
    """List what was told to a job's end points, and what is still on its way.

    Args:
        job: Its number.
        as_json: Print a JSON array; it also has what was sent and what was answered.
    """
    with opened_client() as client:
        found = client.callbacks(job)
    if as_json:
        output.document([_document(one) for one in found])
        return
    for line in output.aligned([HEADER, *map(_row, found)]):
        output.data(line)


def redeliver(job: JobNumber, callback: int, /) -> None:
    """Send a callback once more, with the same id and body.

    An end point that had answered 410, that it wants none, gets some again.

    Args:
        job: The job's number.
        callback: Its number; `adaptation callbacks JOB` lists them.
    """
    with opened_client() as client:
        client.redeliver(job, callback)
    output.note(f"Callback {callback} is sent once more by whoever serves the queue callback.")


def _document(one: Delivery) -> dict[str, Any]:
    return {LOCAL_NAMES.get(name, name): value for name, value in plain(asdict(one)).items()}


def _row(one: Delivery) -> tuple[str, ...]:
    return (
        str(one.id),
        one.event,
        str(one.task_id or "-"),
        one.state,
        str(one.attempts),
        str(one.status or "-"),
        f"{one.next_try_at:%Y-%m-%d %H:%M:%S}" if one.next_try_at else "-",
        one.url,
    )
