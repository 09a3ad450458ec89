"""`adaptation callbacks` and `redeliver`: what was told to whom, once more, and to whom no more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import App, Parameter

from adaptation.adapters.masking import masked
from adaptation.cli import columns, output
from adaptation.cli.store import find_job, opened_store, plain
from adaptation.engine.callbacks import PENDING
from adaptation.engine.deliveries import Delivery
from adaptation.engine.endpoints import EndPoint

AsJson = Annotated[bool, Parameter(name="--json")]

callbacks = App(
    name="callbacks",
    help="List what was told to a job's end points, or which of them take nothing.",
    default_parameter=Parameter(negative=(), show_default=False),
    version_flags=(),
)


@callbacks.default
def of_job(job: str, /, *, as_json: AsJson = False) -> None:
    """List what was told to a job's end points, and what is still on its way.

    Args:
        job: Its number, or the id of its main task.
        as_json: Print a JSON array; it also has what was sent and what was answered.
    """
    with opened_store() as store:
        found = store.deliveries(find_job(store, job).id)
    if as_json:
        output.document([delivery_document(one) for one in found])
        return
    for line in output.aligned([columns.CALLBACKS, *map(_row, found)]):
        output.data(line)


@callbacks.command
def endpoints(*, of: str | None = None, as_json: AsJson = False) -> None:
    """List the end points that are disabled, or do not take what they are sent.

    Args:
        of: Only this client's.
        as_json: Print a JSON array.
    """
    with opened_store() as store:
        found = store.end_points(of)
    if as_json:
        output.document([plain({**asdict(one), "url": masked(one.url)}) for one in found])
        return
    for line in output.aligned([columns.END_POINTS, *map(_end_point_row, found)]):
        output.data(line)


@callbacks.command
def disable(url: str, /, *, of: str = "") -> None:
    """Send an end point nothing more: what waits for it, and what comes, is dropped.

    Args:
        url: Its address, in full or as `callbacks endpoints` shows it.
        of: The client whose jobs tell it; jobs of no client when not given.
    """
    with opened_store() as store:
        dropped = store.disable_end_point(of, url)
    output.note(f"{masked(url)} is sent nothing more; {dropped} waiting callbacks were dropped.")


@callbacks.command
def enable(url: str, /, *, of: str = "") -> None:
    """Send to a disabled end point again, or try a failing one at once.

    What was dropped stays so: `adaptation redeliver` sends it all the same.

    Args:
        url: Its address, in full or as `callbacks endpoints` shows it.
        of: The client whose jobs tell it; jobs of no client when not given.
    """
    with opened_store() as store:
        tried = store.enable_end_point(of, url)
    output.note(f"{masked(url)} is sent callbacks again; {tried} that failed are tried now.")


def redeliver(job: str, callback: int, /) -> None:
    """Send a callback once more, with the same id and body.

    An end point that had answered 410, that it wants none, gets some again.

    Args:
        job: Its number, or the id of its main task.
        callback: Its number; `adaptation callbacks JOB` lists them.
    """
    with opened_store() as store:
        store.redeliver(find_job(store, job).id, callback)
    output.note(f"Callback {callback} is sent once more by whoever serves the queue callback.")


def delivery_document(one: Delivery) -> dict[str, Any]:
    """A callback as JSON."""
    facts = plain({**asdict(one), "url": masked(one.url)})
    facts.pop("target")  # is for the sender alone
    return facts


def _row(one: Delivery) -> tuple[str, ...]:
    return (
        str(one.id),
        one.event,
        str(one.task_id or "-"),
        one.state,
        str(one.attempt),
        str(one.status or "-"),
        one.due_at.strftime("%Y-%m-%d %H:%M:%S") if one.state == PENDING else "-",
        masked(one.url),
    )


def _end_point_row(one: EndPoint) -> tuple[str, ...]:
    return (
        one.client or "-",
        one.state,
        f"{one.since:%Y-%m-%d %H:%M:%S}",
        str(one.waiting),
        f"{one.next_try_at:%Y-%m-%d %H:%M:%S}" if one.next_try_at else "-",
        str(one.status or "-"),
        masked(one.url),
    )
