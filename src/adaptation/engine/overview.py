"""What happens to all jobs: as few questions, however many jobs there are and whoever asks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, text

from adaptation.engine.database import Database, now
from adaptation.engine.model import LogLine
from adaptation.engine.reads import time_of
from adaptation.engine.rows import AnyRow
from adaptation.engine.schema import UNFINISHED, job, log, task, worker
from adaptation.engine.states import JOB_ENDS, JobState, TaskState
from adaptation.engine.watching import late_ms_of

MOST_LINES = 10_000
"""Log lines of one look; the next goes on after them."""
MOST_UNFINISHED = 1_000
"""As many of the newest unfinished jobs are shown to whoever begins to listen."""
PAGE_IDS = 10_000
"""Log lines, of whatever jobs, that one page of what was logged before is looked for in."""
MOST_IDS = 200_000
"""Log lines, of whatever jobs, for which somebody can have been away: what is longer ago is not
told once more."""

NEWEST = select(func.max(log.c.id))
GOING_ON = [state for state in JobState if state not in JOB_ENDS]
"""In the words of the index of unfinished jobs, which begins with their state."""


@dataclass(frozen=True)
class Standing:
    """How far a job is."""

    client: str
    """Whose it is."""
    updated_ms: int
    """When its row changed."""
    progress: float
    """Mean of its tasks, 0 to 1."""


@dataclass(frozen=True)
class UnderWork:
    """A task that runs."""

    name: str
    progress: float
    """0 to 1."""
    detail: dict[str, Any]
    """What it says of itself, such as `speed`: seconds of film a second."""

    @property
    def speed(self) -> float | None:
        """In times real time; None: it does not tell."""
        told = self.detail.get("speed")
        return float(told) if isinstance(told, int | float) else None


@dataclass(frozen=True)
class Happenings:
    """What one look at all jobs found."""

    now_ms: int
    """The database's clock."""
    last_line_id: int
    """All log lines up to it that were visible are in `lines`."""
    lines: list[tuple[str, LogLine]]
    """Each with whose job it is of, oldest first; debug lines, too."""
    standing: dict[int, Standing]
    """Of the jobs that run or were asked for."""


class Overview:
    """What is asked again and again about all jobs."""

    database: Database

    @property
    def _late_ms(self) -> int:
        return late_ms_of(self.database)

    def happenings(self, log_after: int, known: Collection[int]) -> Happenings:
        """Look at all jobs: four statements, however many they are.

        Every change of a job's state writes a log line, so that these tell which have changed.

        Args:
            log_after: only log lines with a higher id.
            known: lines that have been looked at; their jobs are of no interest.
        """
        logged = (
            select(*log.c, job.c.client)
            .join(job, job.c.id == log.c.job_id)
            .where(log.c.id > log_after)
            .order_by(log.c.id)
            .limit(MOST_LINES)
        )
        with self.database.read() as connection:
            now_ms = connection.execute(select(now())).scalar_one()
            last = connection.execute(NEWEST).scalar() or log_after
            lines = [_with_owner(row) for row in connection.execute(logged)]
            touched = {line.job_id for _, line in lines if line.id not in known}
            told = _standing(connection, running_or(touched))
        if len(lines) == MOST_LINES:
            last = min(last, lines[-1][1].id)
        return Happenings(now_ms, last, lines, told)

    def standing_of(self, job_ids: Collection[int]) -> dict[int, Standing]:
        """How far some jobs are; those that are not there any more are left out."""
        with self.database.read() as connection:
            return _standing(connection, job.c.id.in_(list(job_ids)))

    def running_in(self, job_ids: Collection[int]) -> dict[int, list[UnderWork]]:
        """The tasks of some jobs that run now, by job, in the order they began."""
        asked = (
            select(task.c.job_id, task.c.name, task.c.progress, task.c.detail)
            .where(task.c.job_id.in_(list(job_ids)), task.c.state == TaskState.RUNNING)
            .order_by(task.c.job_id, task.c.started_at, task.c.id)
        )
        found: dict[int, list[UnderWork]] = {}
        with self.database.read() as connection:
            for row in connection.execute(asked):
                facts = UnderWork(row.name, float(row.progress or 0), row.detail or {})
                found.setdefault(row.job_id, []).append(facts)
        return found

    def unheard(self, job_ids: Collection[int]) -> dict[int, float]:
        """Jobs of which something runs at a worker.

        Returns:
            For each the seconds since the worker was heard, the longest.
        """
        asked = (
            select(task.c.job_id, (now() - func.min(worker.c.heartbeat_at)).label("silent_ms"))
            .join(worker, worker.c.id == task.c.worker_id)
            .where(task.c.job_id.in_(list(job_ids)), task.c.state == TaskState.RUNNING)
            .group_by(task.c.job_id)
        )
        with self.database.read() as connection:
            return {row.job_id: row.silent_ms / 1000 for row in connection.execute(asked)}

    def unfinished(self, client: str | None) -> list[int]:
        """The newest unfinished jobs of a client, or of all, the oldest of them first."""
        with self.database.read() as connection:
            return list(reversed(connection.execute(unfinished(client)).scalars().all()))

    def newest_line(self) -> int:
        """The highest id of a log line that is visible; 0: there is none."""
        with self.database.read() as connection:
            return int(connection.execute(NEWEST).scalar() or 0)

    def known_lines(self) -> tuple[int, frozenset[int]]:
        """What there is of the log now: the highest id, and the ids among which more may appear."""
        settled = select(log.c.id).order_by(log.c.id.desc()).limit(1)
        if late_ms := self._late_ms:
            settled = settled.where(log.c.created_at < now() - late_ms)
        among = select(log.c.id).where(log.c.id > func.coalesce(settled.scalar_subquery(), 0))
        with self.database.read() as connection:
            ids = frozenset(connection.execute(among).scalars())
            return max(ids) if ids else int(connection.execute(NEWEST).scalar() or 0), ids

    def where_all_go_on(self, told: int) -> int:
        """The id after which the log of all jobs goes on for who was told up to a line.

        On PostgreSQL lines from before it may have become visible since, so that some are told
        twice.
        """
        late_ms = self._late_ms
        moment = select(log.c.created_at).where(log.c.id == told)
        before = (
            select(log.c.id)
            .where(log.c.id <= told, log.c.created_at < moment.scalar_subquery() - late_ms)
            .order_by(log.c.id.desc())
            .limit(1)
        )
        with self.database.read() as connection:
            newest = connection.execute(NEWEST).scalar() or 0
            # A line that was deleted with its job tells no time.
            if late_ms and connection.execute(moment).scalar() is not None:
                told = int(connection.execute(before).scalar() or 0)
        return max(told, newest - MOST_IDS)

    def log_page_of_all(
        self, client: str | None, after: int, severity: int
    ) -> list[tuple[str, LogLine]]:
        """The lines among the next ids that a client may see, oldest first, each with whose it is.

        Args:
            client: only of this one's jobs; None: of all.
            after: an id; `after + PAGE_IDS` is the last that is looked at.
            severity: the lowest that is shown.
        """
        page = (
            select(*log.c, job.c.client)
            .join(job, job.c.id == log.c.job_id)
            .where(log.c.id > after, log.c.id <= after + PAGE_IDS, log.c.severity >= severity)
            .order_by(log.c.id)
        )
        if client is not None:
            page = page.where(job.c.client == client)
        with self.database.read() as connection:
            return [_with_owner(row) for row in connection.execute(page)]


def unfinished(client: str | None) -> Select[int]:
    """The ids of the newest unfinished jobs of a client, or of all, newest first."""
    found = select(job.c.id).where(text(UNFINISHED), job.c.state.in_(GOING_ON))
    if client is not None:
        # In words that no index has: that of a client's jobs leads to all that have ended.
        found = found.where(job.c.client.concat("") == client)
    return found.order_by(job.c.id.desc()).limit(MOST_UNFINISHED)


def running_or(job_ids: Collection[int]) -> ColumnElement[bool]:
    """The jobs that run, and some more."""
    return or_(job.c.state == JobState.STARTED, job.c.id.in_(list(job_ids)))


def standing(which: ColumnElement[bool]) -> Select[Any]:
    """How far jobs are, with one row for each."""
    return (
        select(
            job.c.id, job.c.client, job.c.updated_at, func.avg(task.c.progress).label("progress")
        )
        .outerjoin(task, task.c.job_id == job.c.id)
        .where(which)
        .group_by(job.c.id, job.c.client, job.c.updated_at)
    )


def _standing(connection: Connection, which: ColumnElement[bool]) -> dict[int, Standing]:
    return {
        row.id: Standing(row.client, row.updated_at, float(row.progress or 0))
        for row in connection.execute(standing(which))
    }


def _with_owner(row: AnyRow) -> tuple[str, LogLine]:
    facts = row._asdict()
    owner = facts.pop("client")
    return owner, LogLine(**{**facts, "created_at": time_of(row.created_at)})
