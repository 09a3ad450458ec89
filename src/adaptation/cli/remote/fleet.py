"""`adaptation --server URL settings`, `queue`, `workers` and `workflows`: the fleet as a whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from adaptation.cli import output
from adaptation.cli.output import percent
from adaptation.cli.queue import Deed as QueueDeed
from adaptation.cli.remote import opened_client
from adaptation.cli.remote.forms import AsJson, plain
from adaptation.cli.workers import SAID, Deed, refuse_half
from adaptation.cli.workflows import description_lines, show
from adaptation.client import Setting, Worker
from adaptation.errors import ParameterError

HEADER = ("worker", "slots", "queues", "heard", "scratch", "state")


def settings(
    name: str | None = None, value: float | None = None, /, *, as_json: AsJson = False
) -> None:
    """List the settings that count for all workers and controllers at once, or change one.

    A change takes effect at once, and needs an admin's key.

    Args:
        name: One of them.
        value: What it is from now on.
        as_json: Print a JSON array.
    """
    with opened_client() as client:
        if name is not None and value is not None:
            output.note(client.set_setting(name, int(value) if value.is_integer() else value))
        found = [one for one in client.settings() if name in {None, one.name}]
    if name is not None and not found:
        raise ParameterError(
            f"unknown setting {name!r:.80}",
            code="setting_unknown",
            hint="`adaptation settings` lists them.",
        )
    if as_json:
        output.document([_document(one) for one in found])
        return
    rows = [(one.name, f"{one.setting:g}", f"{one.default:g}", one.meaning) for one in found]
    for line in output.aligned([("setting", "value", "default", "meaning"), *rows]):
        output.data(line)


def queue(do: QueueDeed | None = None, /, *, as_json: AsJson = False) -> None:
    """Tell whether the whole queue is paused; or pause it, or let it go on, as an admin.

    While it is paused no job that waits is started; those that run go on to their ends.

    Args:
        do: pause or resume; only told of when not given.
        as_json: Print a JSON object.
    """
    with opened_client() as client:
        if do is None:
            found = client.queue()
        else:
            found = client.pause_queue() if do == "pause" else client.resume_queue()
    if as_json:
        output.document(plain(asdict(found)))
        return
    by = f" by {found.changed_by}" if found.changed_by else ""
    since = f" since {found.changed_at:%Y-%m-%d %H:%M:%S} UTC" if found.changed_at else ""
    output.data(f"The queue is paused{by}{since}." if found.paused else "The queue runs.")
    output.data(f"{found.queued} jobs wait, {found.started} run.")


def workers(do: Deed | None = None, name: str | None = None, /, *, as_json: AsJson = False) -> None:
    """List the workers and controllers, with what they run of one's own jobs; or tell one.

    A worker that is told obeys at its next heartbeat; that needs an admin's key.

    Args:
        do: drain: it ends what it runs and takes nothing new; resume: it takes tasks again; stop:
            it drains, and its process ends when nothing runs there.
        name: The worker that is told: its name, or its id or the first letters of it.
        as_json: Print a JSON array.
    """
    refuse_half(do, name)
    with opened_client() as client:
        if do is not None and name is not None:
            output.note(f"Worker {client.tell_worker(name, do)} {SAID[do]}.")
        found = client.workers()
    if as_json:
        output.document([asdict(one) for one in found])
        return
    lines = output.aligned([HEADER, *map(_row, found)])
    for line, worker in zip(lines, [None, *found], strict=True):
        output.data(line)
        for task in worker.tasks if worker else ():
            share = percent(task.progress)
            output.data(f"          {share}  job {task.job_id}, task {task.task_id}: {task.name}")


def workflows(name: str | None = None, /, *, as_json: AsJson = False) -> None:
    """List the workflows that can be submitted, or show one with its parameters and tasks.

    Args:
        name: The workflow to show; all of them in a line when not given.
        as_json: Print a JSON document; a workflow's parameters are a JSON Schema in it.
    """
    with opened_client() as client:
        if name is not None:
            described = asdict(client.workflow(name))
            show(described, description_lines(described), as_json=as_json)
            return
        found = client.workflows()
    rows = [{"name": one.name, "description": one.description} for one in found]
    show(rows, (f"{one.name}: {one.description}" for one in found), as_json=as_json)


def _document(one: Setting) -> dict[str, Any]:
    return {
        "name": one.name,
        "value": one.setting,
        "default": one.default,
        "meaning": one.meaning,
    }


def _row(one: Worker) -> tuple[str, ...]:
    scratch = one.free_scratch_bytes
    return (
        one.name,
        f"{len(one.tasks)}/{one.slots}",
        ",".join(one.queues) or "-",
        f"{one.heartbeat_seconds:.0f} s ago",
        "-" if scratch is None else output.size(scratch),
        one.state if one.slots else "controller",
    )
