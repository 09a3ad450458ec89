"""The commands that the tasks of a job ran, each as a shell can be given it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from adaptation.api.auth import Engine
from adaptation.api.routes import One
from adaptation.api.rows import job_seen_by
from adaptation.api.schemas import MOST_ID
from adaptation.dashboard.answers import page
from adaptation.dashboard.session import Looking
from adaptation.engine.commands import ON, PROMPT, commands_in
from adaptation.engine.lines import LineQuery
from adaptation.engine.model import LogLine
from adaptation.engine.store import Store

router = APIRouter()

PAGE_LINES = 200
"""Of the log that one page is made of."""


@dataclass(frozen=True)
class Command:
    """One command of a task."""

    line_id: int
    task_id: int
    text: str
    at: datetime


@router.get("/jobs/{job_id}/commands")
def commands(  # noqa: PLR0913, PLR0917 - each part of the address is one
    request: Request,
    looking: Looking,
    engine: Engine,
    job_id: One,
    task: Annotated[int | None, Query(ge=0, le=MOST_ID)] = None,
    before: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
) -> Response:
    """What was run, the newest page of it, or those before."""
    job = job_seen_by(engine.store, looking.client, job_id)
    found, older = commands_of(engine.store, job_id, task, before)
    names = {one.id: one.name for one in engine.store.tasks(job_id)}
    facts: dict[str, Any] = {"job": job, "commands": found, "older": older, "names": names}
    return page(request, "commands.html", looking, **facts, task=task)


def commands_of(
    store: Store, job_id: int, task_id: int | None = None, before: int | None = None
) -> tuple[list[Command], int | None]:
    """Commands in the order they were started, and before which line there are more."""
    query = LineQuery(
        job_id,
        severity=logging.DEBUG,
        task_id=task_id,
        begins=(PROMPT, ON),
        before=before,
        limit=PAGE_LINES,
    )
    lines = store.lines(query)
    older = lines[0].id if len(lines) == PAGE_LINES else None
    by_task: dict[int, list[LogLine]] = {}
    for line in lines:
        by_task.setdefault(line.task_id, []).append(line)
    found = []
    for own in by_task.values():
        begun = [line for line in own if line.message.startswith(PROMPT)]
        texts = commands_in(line.message for line in own)
        pairs = zip(begun, texts, strict=True)
        found += [Command(line.id, line.task_id, text, line.created_at) for line, text in pairs]
    return sorted(found, key=lambda one: one.line_id), older
