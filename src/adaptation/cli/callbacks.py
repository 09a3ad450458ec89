"""`adaptation callbacks` and `redeliver`: what was told to whom, and what is told once more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from adaptation.adapters.masking import masked
from adaptation.cli import output
from adaptation.cli.store import find_job, opened_store, plain
from adaptation.engine.callbacks import PENDING
from adaptation.engine.deliveries import Delivery

HEADER = ("callback", "event", "task", "state", "tries", "answer", "next try", "end point")


def callbacks(job: str, /, *, as_json: Annotated[bool, Parameter(name="--json")] = False) -> None:
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
    for line in output.aligned([HEADER, *map(_row, found)]):
        output.data(line)


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
