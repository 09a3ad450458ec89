"""A job's log as a page shows it: filtered, page by page, as a file, and as it grows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response, StreamingResponse

from adaptation.api.auth import Engine
from adaptation.api.channel import Line
from adaptation.api.routes import One
from adaptation.api.rows import job_seen_by, log_row
from adaptation.api.schemas import MOST_ID, LogRow
from adaptation.dashboard.answers import HEADERS
from adaptation.dashboard.session import Looking
from adaptation.engine.lines import LineQuery
from adaptation.engine.model import LogLine
from adaptation.engine.store import Store

router = APIRouter()

PAGE_LINES = 200
"""Lines of one page of the log."""
SEVERITIES = {
    logging.DEBUG: "all, also debug and commands",
    logging.INFO: "info and above",
    logging.WARNING: "warnings and errors",
    logging.ERROR: "errors",
}
NOTHING = 100
"""Above every severity: who reads older pages is told of no new lines."""


@dataclass(frozen=True)
class Wanted:
    """Which lines somebody looks for."""

    severity: int = logging.INFO
    task_id: int | None = None
    words: str = ""
    before: int | None = None
    """Only lines with a lower id: an older page."""

    @property
    def is_all(self) -> bool:
        """Whether nothing is filtered, nor turned back to."""
        return self == Wanted()

    def query(self, job_id: int) -> LineQuery:
        """The same as the store is asked."""
        return LineQuery(
            job_id,
            severity=self.severity,
            task_id=self.task_id,
            words=self.words,
            before=self.before,
        )

    def fits(self, line: Line) -> bool:
        """Whether a line that has just come is among them."""
        is_task = self.task_id is None or line.task_id == self.task_id
        return is_task and self.words.casefold() in line.text.casefold()

    def address(self, before: int | None = None) -> str:
        """The query of an address that asks for the same, up to a line; empty: for all."""
        named = {
            "severity": self.severity if self.severity != logging.INFO else None,
            "task": self.task_id,
            "words": self.words or None,
            "before": before,
        }
        given = {name: value for name, value in named.items() if value is not None}
        return f"?{urlencode(given)}" if given else ""


def wanted(
    severity: Annotated[int, Query(ge=0, le=NOTHING)] = logging.INFO,
    task: Annotated[str, Query(pattern=r"^\d{0,18}$")] = "",
    words: Annotated[str, Query(max_length=200)] = "",
    before: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
) -> Wanted:
    """What the fields of the form, or an address, ask for."""
    return Wanted(severity, int(task) if task else None, words.strip(), before)


LookedFor = Annotated[Wanted, Depends(wanted)]


@dataclass(frozen=True)
class LogPage:
    """One page of a log."""

    lines: tuple[LogLine, ...]
    """Oldest first."""
    wanted: Wanted
    older: int | None
    """Where the page before ends; None: there is none."""
    last: int
    """The id after which new lines come."""

    @property
    def is_tail(self) -> bool:
        """Whether new lines belong to its end."""
        return self.wanted.before is None

    @property
    def stream(self) -> str:
        """The query of the address that tells what comes after it."""
        now = self.wanted if self.is_tail else Wanted(severity=NOTHING)
        query = now.address()
        return f"{query}{'&' if query else '?'}after={self.last}"


def log_page(store: Store, job_id: int, looked_for: Wanted) -> LogPage:
    """The newest lines that fit, or the page that is asked for."""
    last = store.newest_line()  # before: what comes meanwhile is told by the stream
    query = replace(looked_for.query(job_id), limit=PAGE_LINES + 1)
    lines = store.lines(query)
    older = lines[1].id if len(lines) > PAGE_LINES else None
    return LogPage(tuple(lines[-PAGE_LINES:]), looked_for, older, last)


@router.get("/jobs/{job_id}/log")
def log(looking: Looking, engine: Engine, job_id: One, looked_for: LookedFor) -> Response:
    """The lines that fit as a file, one JSON document a line; all, if nothing is asked for."""
    job_seen_by(engine.store, looking.client, job_id)
    named = {"Content-Disposition": f'attachment; filename="job-{job_id}.jsonl"'}
    return StreamingResponse(
        _documents(engine.store, looked_for.query(job_id)),
        headers={**HEADERS, **named},
        media_type="application/x-ndjson",
    )


def _documents(store: Store, query: LineQuery) -> Iterator[str]:
    """Page by page: nobody else waits for a long log."""
    after = 0
    while page := store.lines(replace(query, after=after, limit=1000)):
        yield "".join(f"{LogRow.model_validate(log_row(one)).model_dump_json()}\n" for one in page)
        after = page[-1].id
