"""What people want of a worker, in SQL: that it works, rests, or leaves when nothing runs there."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select, update

from adaptation.engine.control import StateForbids
from adaptation.engine.database import Database
from adaptation.engine.model import Member
from adaptation.engine.schema import worker
from adaptation.engine.states import Wish
from adaptation.errors import ParameterError

LEAST_LETTERS = 4
"""So many of an id are enough to name a worker."""


class Wishes:
    """What each worker is told at its next heartbeat."""

    database: Database

    def wish(self, worker_id: str, wanted: Wish) -> bool:
        """Want something of a worker; whether it is there.

        Args:
            worker_id: the whole id.
            wanted: `drain`: it finishes what runs and takes nothing new; `work`: it takes tasks
                again; `leave`: it drains, and its process ends when nothing runs there.
        """
        stored = None if wanted is Wish.WORK else wanted
        with self.database.write() as connection:
            told = update(worker).where(worker.c.id == worker_id).values(wish=stored)
            return connection.execute(told).rowcount == 1

    def wish_of(self, worker_id: str) -> Wish | None:
        """What somebody wants of a worker; None: it is not known."""
        with self.database.read(one=True) as connection:
            found = connection.execute(select(worker.c.wish).where(worker.c.id == worker_id))
            row = found.first()
            return None if row is None else Wish(row.wish or Wish.WORK)


def member_named(members: Iterable[Member], word: str) -> Member:
    """The worker that somebody means.

    Args:
        members: all there are.
        word: `host/pid`, an id, or its first letters, of which there must be four.

    Raises:
        ParameterError: `worker_unknown`: none is called so, or several are.
        StateForbids: it is a controller, which runs no tasks.
    """
    meant = [one for one in members if _is_meant(one, word)]
    if len(meant) != 1:
        what = "several workers are" if meant else "no worker is"
        raise ParameterError(
            f"{what} called {word!r:.100}",
            code="worker_unknown",
            hint="`adaptation workers` lists them: give host/pid, or more letters of the id.",
        )
    if not meant[0].process.slots:
        raise StateForbids(
            f"{word} is a controller and runs no tasks",
            hint="Name a worker: one with slots.",
        )
    return meant[0]


def name_of(one: Member) -> str:
    """What a worker is called: its host and process."""
    return f"{one.process.host.partition('/')[0]}/{one.process.pid}"


def _is_meant(one: Member, word: str) -> bool:
    is_id = len(word) >= LEAST_LETTERS and one.process.worker_id.startswith(word)
    return is_id or name_of(one) == word
