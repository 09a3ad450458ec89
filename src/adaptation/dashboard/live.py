"""Pages that change while one looks: what has changed is made to HTML once, whoever looks."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from fastapi.sse import format_sse_event

from adaptation.api.board import Board, Owned
from adaptation.api.channel import Channel, Line, News
from adaptation.api.events import HEADERS, LAST, EventStream, refuse_too_many, stream
from adaptation.api.hub import Hub
from adaptation.api.listing import whose
from adaptation.api.routes import One
from adaptation.api.rows import job_seen_by, task_rows
from adaptation.api.schemas import MOST_ID
from adaptation.dashboard.eta import Estimates
from adaptation.dashboard.failure import failure_of
from adaptation.dashboard.log import LookedFor
from adaptation.dashboard.painting import painted
from adaptation.dashboard.queue import SHOWN
from adaptation.dashboard.rows import heard, row_of, rows_of
from adaptation.dashboard.session import Looking
from adaptation.dashboard.tasks import shown_tasks
from adaptation.dashboard.timeline import timeline_of
from adaptation.dashboard.waiting import why_waiting
from adaptation.engine.attempts import Attempt
from adaptation.engine.lists import JobQuery
from adaptation.engine.model import Job, LogLine, Task
from adaptation.engine.overview import Standing
from adaptation.engine.states import JobState
from adaptation.engine.store import Store

router = APIRouter()

NO_LINES = 100
"""Above every severity."""
JUDGED_SECONDS = 2.0
"""Time between two estimates of when a job will be done."""
LEAST_SECONDS, SECONDS_A_TASK = 0.4, 0.01
"""Time between two pictures of a job's tasks."""


class PaintedBoard(Board):
    """Tells how all jobs stand as rows of the queue's page."""

    def __init__(self, store: Store, estimates: Estimates, late: float) -> None:
        super().__init__(store)
        self._estimates = estimates
        self._late = late

    def _all(self, client: str | None, touched: Collection[int]) -> list[Owned]:
        # The page came with its rows, and asks for them again by itself: the newest will do.
        ids = sorted({*self._store.unfinished(client), *touched})[-SHOWN:]
        return self._events(ids, self._store.standing_of(ids))

    def _events(self, ids: Collection[int], standing: Mapping[int, Standing]) -> list[Owned]:
        query = JobQuery(job_ids=tuple(ids), limit=len(ids))
        jobs = [job for job in self._store.list_jobs(query) if job.id in standing] if ids else []
        rows = heard(self._store, rows_of(self._store, jobs, self._estimates), self._late)
        return [
            Owned(row.client, row.id, _event(painted("_row_part.html", row=row)))
            for row in reversed(rows)
        ]


class PaintedHub(Hub):
    """Tells how one job stands as parts of its page."""

    def __init__(self, store: Store, estimates: Estimates) -> None:
        super().__init__(store)
        self._estimates = estimates

    def _channel(self, job_id: int, after: int) -> Channel:
        return PaintedChannel(job_id, after, store=self._store, estimates=self._estimates)

    def _line(self, line: LogLine) -> Line:
        return painted_line(line)


@dataclass(eq=False, kw_only=True)
class PaintedChannel(Channel):
    """One job, painted."""

    store: Store
    estimates: Estimates
    _head: str = ""
    _left: float | None = None
    _judged_at: float = 0.0
    _is_stale: bool = False
    """Whether tasks have changed since they were painted."""
    _painted_at: float = 0.0

    def news(self, tasks: Iterable[Task], lines: Iterable[LogLine]) -> News:
        """What of this is new: the head of the page, its tasks, and who works on them."""
        for row in task_rows(tasks, self.edges):
            if self.rows.get(row["id"]) != row:
                self.rows[row["id"]] = row
                self._is_stale = True
        if self.job is None:
            return News()
        paints = self._is_stale and (self.job.ended or self._is_due)
        attempts = self.store.attempts_of(self.job_id) if paints or self.job.error else []
        states = [*self._new_head(self.job, attempts)]
        if paints:
            self._is_stale, self._painted_at = False, time.monotonic()
            shown = shown_tasks(self.rows.values(), attempts)
            since = self.store.could_run_since(self.job_id)
            timeline = timeline_of(shown.listed, attempts, since)
            states.append(("tasks", _event(painted("_job_tasks_part.html", tasks=shown))))
            part = painted("_job_timeline_part.html", timeline=timeline)
            states.append(("timeline", _event(part)))
        end = _event(painted("_job_end_part.html", job=self.job)) if self.job.ended else b""
        return News(list(self._unheard(lines)), states, end)

    @property
    def _is_due(self) -> bool:
        """Whether tasks may be painted again: the more there are, the longer it takes to look."""
        wait = max(LEAST_SECONDS, len(self.rows) * SECONDS_A_TASK)
        return time.monotonic() - self._painted_at >= wait

    def _new_head(self, job: Job, attempts: Sequence[Attempt]) -> Iterable[tuple[object, bytes]]:
        shares = [row["progress"] for row in self.rows.values()]
        progress = sum(shares) / len(shares) if shares else 0.0
        row = row_of(job, progress, self.place, eta_seconds=self._eta(job))
        failure = failure_of(self.store, job, attempts)
        why = why_waiting(self.store, job, self.place)
        head = painted("_job_head_part.html", row=row, job=job, failure=failure, waiting=why)
        if head != self._head:
            self._head = head
            yield "head", _event(head)

    def _eta(self, job: Job) -> float | None:
        """The time left, judged anew every few seconds: nobody wants to see it tremble."""
        if job.state is not JobState.STARTED:
            return None
        if time.monotonic() - self._judged_at >= JUDGED_SECONDS:
            self._judged_at = time.monotonic()
            self._left = self.estimates.of([job.id]).get(job.id)
        return self._left

    def _line(self, line: LogLine) -> Line:
        return painted_line(line)


@router.get("/live")
def all_jobs(request: Request, looking: Looking) -> Response:
    """Rows of the queue as they change."""
    board: PaintedBoard = request.app.state.board
    refuse_too_many(board, "/ui/")
    told, known = request.app.state.sessions.keeper.deployment.store.known_lines()
    begin = partial(board.listen, whose(looking.client, None), NO_LINES, known=known)
    return EventStream(stream(board, begin, told), headers=HEADERS)


@router.get("/jobs/{job_id}/live")
def one_job(  # noqa: PLR0913 - each part of the address is one
    request: Request,
    looking: Looking,
    job_id: One,
    looked_for: LookedFor,
    *,
    after: Annotated[int | None, Query(ge=0, le=MOST_ID)] = None,
    told: Annotated[int | None, LAST] = None,
) -> Response:
    """Parts of a job's page as they change, and the lines that come after one of its log."""
    hub: PaintedHub = request.app.state.hub
    store = request.app.state.sessions.keeper.deployment.store
    job_seen_by(store, looking.client, job_id)
    refuse_too_many(hub, f"/ui/jobs/{job_id}")
    begin = partial(hub.listen, job_id, looked_for.severity, looked_for.fits)
    known = next((one for one in (told, after) if one is not None), None)
    return EventStream(
        stream(hub, begin, store.newest_line() if known is None else known), headers=HEADERS
    )


def _event(html: str) -> bytes:
    return format_sse_event(data_str=html)[:-1]


def painted_line(line: LogLine) -> Line:
    """A line of a log as a part of the page."""
    event = _event(painted("_log_part.html", line=line))
    return Line(line.id, line.severity, event, line.task_id, line.message)
