"""Parts of a job's log: the newest lines that somebody looks for, and page by page those before."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select

from adaptation.engine.database import Database
from adaptation.engine.model import LogLine
from adaptation.engine.reads import line_of
from adaptation.engine.schema import log


@dataclass(frozen=True)
class LineQuery:
    """Which lines of a job's log."""

    job_id: int
    severity: int = 20
    """The lowest, as in the module `logging`; 10 shows debug lines."""
    task_id: int | None = None
    """Only this task's; 0: only what is said of the job itself. None: all."""
    words: str = ""
    """A part of the message, in capitals or not."""
    begins: tuple[str, ...] = ()
    """How the message begins, in one of these ways; none: in any."""
    progname: str = ""
    """Who says it, such as `callback`."""
    before: int | None = None
    """Only lines with a lower id: the page before."""
    after: int | None = None
    """Only lines with a higher id: the page after, from its beginning on."""
    limit: int | None = None
    """As many at most; None: all."""


class Lines:
    """What is looked for in logs."""

    database: Database

    def lines(self, query: LineQuery) -> list[LogLine]:
        """The lines that fit, oldest first: the newest of them, or those right after a line."""
        found = select(log).where(*_filters(query)).limit(query.limit)
        is_newest = query.after is None
        found = found.order_by(log.c.id.desc() if is_newest else log.c.id)
        with self.database.read() as connection:
            rows = [line_of(row) for row in connection.execute(found)]
        return rows[::-1] if is_newest else rows


def _filters(query: LineQuery) -> list[ColumnElement[bool]]:
    found = [log.c.job_id == query.job_id, log.c.severity >= query.severity]
    if query.task_id is not None:
        found.append(log.c.task_id == query.task_id)
    if query.words:
        found.append(log.c.message.icontains(query.words, autoescape=True))
    if query.begins:
        begins = (log.c.message.startswith(one, autoescape=True) for one in query.begins)
        found.append(or_(*begins))
    if query.progname:
        found.append(log.c.progname == query.progname)
    if query.before is not None:
        found.append(log.c.id < query.before)
    if query.after is not None:
        found.append(log.c.id > query.after)
    return found
