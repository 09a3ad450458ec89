"""`adaptation --server URL callbacks` and `redeliver`: what was told, once more, or no more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from cyclopts import App, Parameter

from adaptation.adapters.masking import masked
from adaptation.cli import columns, output
from adaptation.cli.remote import opened_client
from adaptation.cli.remote.forms import AsJson, JobNumber, plain
from adaptation.client import Delivery, EndPoint

LOCAL_NAMES = {"webhook_id": "identity", "attempts": "attempt", "next_try_at": "due_at"}
"""What the local command line calls them."""


callbacks = App(
    name="callbacks",
    help="List what was told to a job's end points, or which of them take nothing.",
    default_parameter=Parameter(negative=(), show_default=False),
    version_flags=(),
)


@callbacks.default
def of_job(job: JobNumber, /, *, as_json: AsJson = False) -> None:
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
    for line in output.aligned([columns.CALLBACKS, *map(_row, found)]):
        output.data(line)


@callbacks.command
def endpoints(*, of: str | None = None, as_json: AsJson = False) -> None:
    """List the end points that are disabled, or do not take what they are sent.

    Args:
        of: Only this client's; another's needs an admin's key, which shows all when not given.
        as_json: Print a JSON array.
    """
    with opened_client() as client:
        found = client.end_points(of)
    if as_json:
        output.document([plain(asdict(one)) for one in found])
        return
    for line in output.aligned([columns.END_POINTS, *map(_end_point_row, found)]):
        output.data(line)


@callbacks.command
def disable(url: str, /, *, of: str | None = None) -> None:
    """Send an end point nothing more: what waits for it, and what comes, is dropped.

    Args:
        url: Its address, in full or as `callbacks endpoints` shows it.
        of: The client whose jobs tell it; another than oneself needs an admin's key.
    """
    with opened_client() as client:
        done = client.disable_end_point(url, of)
    output.note(f"{masked(url)} is {done}.")


@callbacks.command
def enable(url: str, /, *, of: str | None = None) -> None:
    """Send to a disabled end point again, or try a failing one at once.

    What was dropped stays so: `adaptation redeliver` sends it all the same.

    Args:
        url: Its address, in full or as `callbacks endpoints` shows it.
        of: The client whose jobs tell it; another than oneself needs an admin's key.
    """
    with opened_client() as client:
        done = client.enable_end_point(url, of)
    output.note(f"{masked(url)} is {done}.")


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


def _end_point_row(one: EndPoint) -> tuple[str, ...]:
    return (
        one.client or "-",
        one.state,
        f"{one.since:%Y-%m-%d %H:%M:%S}",
        str(one.waiting),
        f"{one.next_try_at:%Y-%m-%d %H:%M:%S}" if one.next_try_at else "-",
        str(one.status or "-"),
        one.url,
    )
