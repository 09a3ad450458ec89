"""Pages that change while one looks: what has changed is made to HTML once, whoever looks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.sse import format_sse_event

from adaptation.api.board import Board, Owned
from adaptation.api.channel import Channel, Line, News
from adaptation.api.events import HEADERS, EventStream, refuse_too_many, stream
from adaptation.api.hub import Hub
from adaptation.api.listing import whose
from adaptation.api.routes import One
from adaptation.api.rows import job_seen_by, task_rows
from adaptation.dashboard.painting import painted
from adaptation.dashboard.queue import SHOWN
from adaptation.dashboard.rows import row_of, rows_of
from adaptation.dashboard.session import Looking
from adaptation.dashboard.tasks import shown_tasks
from adaptation.engine.lists import JobQuery
from adaptation.engine.model import LogLine, Task
from adaptation.engine.overview import Standing

router = APIRouter()

NO_LINES = 100
"""Above every severity."""


class PaintedBoard(Board):
    """Tells how all jobs stand as rows of the queue's page."""

    def _all(self, client: str | None, touched: Collection[int]) -> list[Owned]:
        # The page came with its rows, and asks for them again by itself: the newest will do.
        ids = sorted({*self._store.unfinished(client), *touched})[-SHOWN:]
        return self._events(ids, self._store.standing_of(ids))

    def _events(self, ids: Collection[int], standing: Mapping[int, Standing]) -> list[Owned]:
        query = JobQuery(job_ids=tuple(ids), limit=len(ids))
        jobs = [job for job in self._store.list_jobs(query) if job.id in standing] if ids else []
        return [
            Owned(row.client, row.id, _event(painted("_row_part.html", row=row)))
            for row in reversed(rows_of(self._store, jobs))
        ]


class PaintedHub(Hub):
    """Tells how one job stands as parts of its page."""

    def _channel(self, job_id: int, after: int) -> Channel:
        return PaintedChannel(job_id, after)

    def _line(self, line: LogLine) -> Line:
        return painted_line(line)


class PaintedChannel(Channel):
    """One job, painted."""

    def news(self, tasks: Iterable[Task], lines: Iterable[LogLine]) -> News:
        """What of this is new: the head of the page, and its tasks."""
        changed = False
        for row in task_rows(tasks, self.edges):
            if self.rows.get(row["id"]) != row:
                self.rows[row["id"]] = row
                changed = True
        if self.job is None:
            return News()
        states: list[tuple[object, bytes]] = []
        shares = [row["progress"] for row in self.rows.values()]
        shown = row_of(self.job, sum(shares) / len(shares) if shares else 0.0, self.place)
        head = painted("_job_head_part.html", row=shown, job=self.job)
        if head != self._head:
            self._head = head
            states.append(("head", _event(head)))
        if changed:
            tasks_shown = shown_tasks(self.rows.values())
            part = painted("_job_tasks_part.html", tasks=tasks_shown)
            states.append(("tasks", _event(part)))
        end = _event(painted("_job_end_part.html", job=self.job)) if self.job.ended else b""
        return News(list(self._unheard(lines)), states, end)

    def _line(self, line: LogLine) -> Line:
        return painted_line(line)

    _head = ""


@router.get("/live")
def all_jobs(request: Request, looking: Looking) -> Response:
    """Rows of the queue as they change."""
    board: PaintedBoard = request.app.state.board
    refuse_too_many(board, "/ui/")
    told, known = request.app.state.sessions.keeper.deployment.store.known_lines()
    begin = partial(board.listen, whose(looking.client, None), NO_LINES, known=known)
    return EventStream(stream(board, begin, told), headers=HEADERS)


@router.get("/jobs/{job_id}/live")
def one_job(request: Request, looking: Looking, job_id: One) -> Response:
    """Parts of a job's page as they change."""
    hub: PaintedHub = request.app.state.hub
    store = request.app.state.sessions.keeper.deployment.store
    job_seen_by(store, looking.client, job_id)
    refuse_too_many(hub, f"/ui/jobs/{job_id}")
    return EventStream(
        stream(hub, partial(hub.listen, job_id, 20), store.newest_line()), headers=HEADERS
    )


def _event(html: str) -> bytes:
    return format_sse_event(data_str=html)[:-1]


def painted_line(line: LogLine) -> Line:
    """A line of a log as a part of the page."""
    return Line(line.id, line.severity, _event(painted("_log_part.html", line=line)))
