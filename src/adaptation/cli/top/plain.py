"""`top` once: as plain text, whole lines for files and other programs, or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from adaptation.cli import output
from adaptation.cli.output import clock, percent
from adaptation.cli.top.painting import burden
from adaptation.cli.top.scene import Scene, readable, speed_of, state_of, why
from adaptation.client import JobAtWork, Worker

JOBS = ("job", "state", "done", "speed", "ETA", "priority", "client", "what")
WORKERS = ("worker", "state", "slots", "heard", "burden", "runs")


def text(scene: Scene) -> Iterator[str]:
    """Counts, jobs and workers, line by line."""
    overview, counts = scene.overview, scene.overview.counts
    reserved = f", {overview.priority_slots} of them reserved" if overview.priority_slots else ""
    slots = f"running {counts['started']} of {overview.max_jobs} slots{reserved}"
    others = (f"{name} {counts[name]}" for name in ("queued", "scheduled", "paused", "failed"))
    yield ", ".join((slots, *others, *(["the queue is paused"] if overview.paused else [])))
    if scene.jobs:
        yield ""
        yield from output.aligned([JOBS, *(_job(scene, job) for job in scene.jobs)])
    yield ""
    yield from output.aligned([WORKERS, *map(_worker, scene.workers)])


def document(scene: Scene) -> dict[str, Any]:
    """The same as JSON."""
    overview = asdict(scene.overview)
    for row in (*overview["jobs"], *overview["failures"]):
        row["eta_seconds"] = scene.eta_seconds.get(row["id"])
    facts: dict[str, Any] = _plain({**overview, "workers": [asdict(w) for w in scene.workers]})
    return facts


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value


def _job(scene: Scene, job: JobAtWork) -> tuple[str, ...]:
    speed, left = speed_of(job), scene.eta_seconds.get(job.id)
    place = f" {job.position}" if job.position else ""
    return (
        str(job.id),
        f"{state_of(job)}{place}",
        percent(job.progress).strip() if job.queue_state in {"started", "paused"} else "-",
        f"{speed:.2g}x" if speed is not None else "-",
        clock(left) if left is not None else "-",
        str(job.priority),
        readable(job.client) or "-",
        "  ".join(readable(words) for words in (job.subject, why(job)) if words),
    )


def _worker(one: Worker) -> tuple[str, ...]:
    runs = (f"{task.job_id} {task.name} {percent(task.progress).strip()}" for task in one.tasks)
    return (
        readable(one.name),
        one.state if one.slots or one.state == "silent" else "controller",
        f"{len(one.tasks)}/{one.slots}",
        f"{one.heartbeat_seconds:.0f} s ago",
        ", ".join(burden(one)) or "-",
        ", ".join(runs) or "-",
    )
