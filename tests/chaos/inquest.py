"""What is asked of the database and the disks when a run is over, for the oracle to judge."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import fields
from pathlib import Path

from sqlalchemy import select

from adaptation.engine.schema import attempt, job, outbox
from adaptation.engine.store import Store
from chaos import films
from chaos.oracle import Attempt, Ended
from chaos.supervisor import SHARED, Supervisor

MS = 1000


def jobs(store: Store) -> dict[str, Ended]:
    """All jobs there are, by the client's ids."""
    told = defaultdict(list)
    with store.database.read() as connection:
        to_receiver = select(outbox).where(outbox.c.address == films.RECEIVER)
        for row in connection.execute(to_receiver):
            told[row.job_id].append((row.identity, _seconds(row.sent_at)))
        return {
            row.main_task_id: Ended(
                job_id=row.id,
                state=row.state,
                failed=row.failed,
                error=str((row.error or {}).get("message", "")),
                told=tuple(told[row.id]),
                ended_at=_seconds(row.finished_at),
            )
            for row in connection.execute(select(job))
        }


def attempts(store: Store) -> list[Attempt]:
    """All attempts there were."""
    columns = [attempt.c[field.name] for field in fields(Attempt)]
    with store.database.read() as connection:
        return [Attempt(*row) for row in connection.execute(select(*columns))]


def left_behind(fleet: Supervisor) -> list[str]:
    """Files that should be gone when all jobs have ended."""
    scratch = [file for each in fleet.members for file in _files(fleet.scratch(each.host))]
    shared = [file for name in SHARED for file in _files(fleet.folder / name)]
    return [str(file.relative_to(fleet.folder)) for file in (*scratch, *shared)]


def _files(root: Path) -> list[Path]:
    """All files below a folder, in which others may delete meanwhile."""
    return [Path(folder, name) for folder, _, names in os.walk(root) for name in names]


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / MS
