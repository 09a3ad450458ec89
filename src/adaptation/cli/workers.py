"""`adaptation workers`: who works in the fleet, on what, heard when; and what each is told."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from adaptation.cli import output
from adaptation.cli.output import percent, size
from adaptation.cli.store import opened_store
from adaptation.engine.model import Member
from adaptation.engine.states import Wish
from adaptation.engine.wishes import member_named, name_of
from adaptation.errors import ParameterError

Deed = Literal["drain", "resume", "stop"]
WISHES = {"drain": Wish.DRAIN, "resume": Wish.WORK, "stop": Wish.LEAVE}
SAID = {
    "drain": "will take no new tasks",
    "resume": "will take tasks again",
    "stop": "will end when nothing runs there",
}
HEADER = ("worker", "host", "pid", "slots", "queues", "heard", "scratch", "state")


def workers(
    do: Deed | None = None,
    name: str | None = None,
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """List the workers and controllers that have signed on, with what they run; or tell one.

    One that was killed together with its machine is listed until it was silent for four leases.
    A worker that is told obeys at its next heartbeat.

    Args:
        do: drain: it ends what it runs and takes nothing new; resume: it takes tasks again; stop:
            it drains, and its process ends when nothing runs there.
        name: The worker that is told: host/pid, or its id or the first letters of it.
        as_json: Print a JSON array; it also has versions, encoders, processors and memory.
    """
    refuse_half(do, name)
    with opened_store() as store:
        if do is not None and name is not None:
            meant = member_named(store.members(), name)
            store.wish(meant.process.worker_id, WISHES[do])
            output.note(f"Worker {name_of(meant)} {SAID[do]}.")
        members = store.members()
    if as_json:
        output.document([_document(member) for member in members])
        return
    lines = output.aligned([HEADER, *map(_row, members)])
    for line, member in zip(lines, [None, *members], strict=True):
        output.data(line)
        for task in member.running if member else ():
            share = percent(task.progress)
            output.data(f"          {share}  job {task.job_id}, task {task.task_id}: {task.name}")


def refuse_half(do: str | None, name: str | None) -> None:
    """Refuse a deed without a worker.

    Raises:
        ParameterError: `usage`.
    """
    if do is not None and name is None:
        raise ParameterError(
            f"nobody is named to {do}",
            code="usage",
            hint=f"Such as: adaptation workers {do} enc-03/4711",
        )


def _row(member: Member) -> tuple[str, ...]:
    process = member.process
    return (
        process.worker_id.rpartition("/")[2][:8],
        _host(member),
        str(process.pid),
        f"{len(member.running)}/{process.slots}",
        ",".join(process.queues) or ("all" if process.slots else "-"),
        f"{member.heard_seconds:.0f} s ago",
        "-" if process.scratch_free is None else size(process.scratch_free),
        _state(member),
    )


def _state(member: Member) -> str:
    if member.process.draining:
        return "draining"
    if member.process.wish is not Wish.WORK:
        return "is told to drain" if member.process.wish is Wish.DRAIN else "is told to leave"
    if not member.process.slots:
        return "controller"
    return "works" if member.running else "idle"


def _host(member: Member) -> str:
    # Its identity also names the boot and the process namespace.
    return member.process.host.partition("/")[0]


def _document(member: Member) -> dict[str, Any]:
    facts = asdict(member.process)
    identity = facts.pop("host")
    return {
        **facts,
        "host": _host(member),
        "host_identity": identity,
        "state": _state(member),
        "heard_seconds": round(member.heard_seconds, 3),
        "running": [asdict(task) for task in member.running],
    }
