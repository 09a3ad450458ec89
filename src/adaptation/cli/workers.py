"""`adaptation workers`: who works in the fleet, on what, and when it was last heard."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from adaptation.cli import output
from adaptation.cli.output import percent, size
from adaptation.cli.store import opened_store
from adaptation.engine.model import Member

HEADER = ("worker", "host", "pid", "slots", "queues", "heard", "scratch", "state")


def workers(*, as_json: Annotated[bool, Parameter(name="--json")] = False) -> None:
    """List the workers and controllers that have signed on, with what they run.

    One that was killed together with its machine is listed until it was silent for four leases.

    Args:
        as_json: Print a JSON array; it also has versions, encoders, processors and memory.
    """
    with opened_store() as store:
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


def _row(member: Member) -> tuple[str, ...]:
    process = member.process
    return (
        process.worker_id[:8],
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
