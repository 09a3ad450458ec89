"""`adaptation logs`: what a job has logged, now and as it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

from cyclopts import Parameter

from adaptation.cli import output
from adaptation.cli.progress import track_names
from adaptation.cli.store import find_job, line_document, opened_store
from adaptation.engine.model import LogLine, Task
from adaptation.engine.store import Store

POLL_SECONDS = 0.3
DEBUG, INFO = 10, 20
WORDS = {10: "debug", 20: "info", 30: "warning", 40: "error"}


def logs(
    job: str,
    /,
    *,
    follow: bool = False,
    debug: bool = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Print what a job has logged.

    Args:
        job: Its number, or the id of its main task.
        follow: Go on until the job has ended.
        debug: Show debug lines, too.
        as_json: Print one JSON object a line.
    """
    with opened_store() as store:
        found = find_job(store, job)
        severity, last = DEBUG if debug else INFO, 0
        while True:
            # Asked before the lines are read: what comes with the end is not missed.
            ended = store.job(found.id).ended
            lines = store.logs(found.id, after=last, severity=severity)
            form = _json if as_json else _text(store, found.id)
            for line in lines:
                output.data(form(line))
            last = lines[-1].id if lines else last
            if ended or not follow:
                return
            time.sleep(POLL_SECONDS)


def _json(line: LogLine) -> str:
    return output.compact(line_document(line))


def _text(store: Store, job_id: int) -> Callable[[LogLine], str]:
    tasks = {task.id: task for task in store.tasks(job_id)}
    names = track_names(tasks.values())

    def form(line: LogLine) -> str:
        moment = f"{line.created_at.astimezone():%H:%M:%S.%f}"[:-3]
        place = _place(tasks.get(line.task_id), names.get(line.task_id))
        return f"{moment}  {WORDS.get(line.severity, line.severity):<7}  {place}{line.message}"

    return form


def _place(task: Task | None, track: str | None) -> str:
    if task is None:
        return ""
    return f"{task.name} {track}: " if track else f"{task.name}: "
