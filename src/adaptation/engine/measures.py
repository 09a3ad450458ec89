"""How many attempts have ended, how, and after how long: added up, however many there were."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Select, func, insert, select, update

from adaptation.engine.database import Database, now
from adaptation.engine.schema import attempt, measure, task
from adaptation.engine.states import TaskState

UP_TO = {"name": "", "outcome": "up to"}
"""The row that says, in its amount, up to which moment attempts have been added."""
SETTLED_MS = 10_000
"""An attempt is counted this long after its end: its transaction is over by then."""
MARK = select(measure.c.amount).where(
    measure.c.name == UP_TO["name"], measure.c.outcome == UP_TO["outcome"]
)
LEAST_MS = 5_000
"""Less than this is not worth a transaction."""


@dataclass(frozen=True)
class Measure:
    """What has become of the attempts of one kind of task."""

    name: str
    """Of the task."""
    outcome: str
    """done, failed, lost, released or cancelled."""
    amount: int
    """Attempts that ended so."""
    seconds: float
    """What they took, all together."""


class Measures:
    """The sums of ended attempts."""

    database: Database

    def measured(self) -> list[Measure]:
        """The sums, some seconds old; those of deleted jobs are still in them."""
        with self.database.read() as connection:
            rows = connection.execute(select(measure).where(measure.c.name != ""))
            return [Measure(row.name, row.outcome, row.amount, row.seconds) for row in rows]

    def speeds(self) -> dict[str, float]:
        """The mean `speed` that running tasks tell of themselves, by task."""
        running = select(task.c.name, task.c.detail).where(task.c.state == TaskState.RUNNING)
        told: dict[str, list[float]] = {}
        with self.database.read() as connection:
            for row in connection.execute(running):
                if isinstance(speed := (row.detail or {}).get("speed"), int | float):
                    told.setdefault(row.name, []).append(float(speed))
        return {name: sum(all_of) / len(all_of) for name, all_of in told.items()}

    def add_up_attempts(self) -> None:
        """Add the attempts that have ended since the last time."""
        with self.database.read() as connection:
            since = connection.execute(MARK).scalar() or 0
            until = connection.execute(select(now())).scalar_one() - SETTLED_MS
        if until - since < LEAST_MS:
            return
        with self.database.write() as connection:
            self.database.lock(connection, measure.name)
            since = connection.execute(MARK).scalar() or 0
            for found in connection.execute(_ended(since, until)).all():
                facts = {"amount": found.amount, "seconds": float(found.milliseconds) / 1000}
                _add(connection, {"name": found.name, "outcome": found.outcome}, facts)
            _add(connection, UP_TO, {"amount": until - since, "seconds": 0.0})


def _ended(since: int, until: int) -> Select[str, str, int, int]:
    took = func.sum(attempt.c.finished_at - attempt.c.started_at)
    return (
        select(
            task.c.name, attempt.c.outcome, func.count().label("amount"), took.label("milliseconds")
        )
        .join(task, task.c.id == attempt.c.task_id)
        .where(attempt.c.finished_at > since, attempt.c.finished_at <= until)
        .group_by(task.c.name, attempt.c.outcome)
    )


def _add(connection: Connection, key: dict[str, str], facts: dict[str, float]) -> None:
    which = [measure.c[name] == value for name, value in key.items()]
    more = {name: measure.c[name] + amount for name, amount in facts.items()}
    if connection.execute(update(measure).where(*which).values(more)).rowcount == 0:
        connection.execute(insert(measure).values(**key, **facts))
