"""What no worker that is there can do, in SQL: tasks that wait for an ability, and their jobs."""

from __future__ import annotations

import json
from collections.abc import Collection

from sqlalchemy import Text, cast, func, select, text

from adaptation.engine.abilities import WAITS_FOR, lacking
from adaptation.engine.database import Database
from adaptation.engine.fleet import live_rooms
from adaptation.engine.room import Need
from adaptation.engine.schema import CLAIMABLE, task
from adaptation.engine.states import TaskState


class Unfit:
    """What is asked about tasks that wait for another worker than there is."""

    database: Database

    def unfit(self, silent_seconds: float) -> dict[str, int]:
        """How many ready tasks no live worker of their queue can do, by what they need.

        Args:
            silent_seconds: a worker that was not heard for so long does not count.
        """
        written = cast(task.c.needs, Text)
        facts = task.c.job_id, task.c.queue, written.label("needs")
        waiting = (
            select(*facts, func.min(task.c.id).label("first"), func.count().label("number"))
            .where(text(CLAIMABLE), task.c.needs.is_not(None))
            .group_by(task.c.job_id, task.c.queue, written)
        )
        found: dict[str, int] = {}
        with self.database.read() as connection:
            groups = connection.execute(waiting).all()
            rooms = live_rooms(connection, silent_seconds) if groups else []
        for row in groups:
            need = Need(row.first, row.job_id, "", row.queue, 0, tuple(json.loads(row.needs)))
            if missing := ", ".join(lacking(need, rooms)):
                found[missing] = found.get(missing, 0) + row.number
        return found

    def waits_of(self, job_ids: Collection[int]) -> dict[int, str]:
        """What tasks of some jobs need that no live worker can do, by job; see `tell_unfit`."""
        told = select(task.c.job_id, task.c.detail).where(
            task.c.job_id.in_(list(job_ids)),
            task.c.state == TaskState.READY,
            task.c.detail.is_not(None),
        )
        with self.database.read() as connection:
            rows = connection.execute(told.order_by(task.c.id)).all()
        return {row.job_id: str(row.detail[WAITS_FOR]) for row in rows if WAITS_FOR in row.detail}
