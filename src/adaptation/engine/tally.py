"""Ends of jobs and callbacks added up, so that a count costs the same however many there are.

Each end adds a row, so that nobody waits for a counter; a sweep adds the rows up.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, func, insert, select

from adaptation.engine.schema import tally
from adaptation.engine.states import JobState

FAILED = "failed"
"""The kind of a job that completed, and failed; the others are counted by their state."""
INSERT_TALLY = insert(tally)
EVER = "+"
"""Before the kind of a row that counts how often jobs, or callbacks, came to an end, whatever
became of them."""
SUMS = select(tally.c.kind, func.sum(tally.c.amount).label("amount")).group_by(tally.c.kind)


def kind_of(state: str, *, failed: bool) -> str:
    """What an ended job counts as."""
    return FAILED if failed and state == JobState.COMPLETED else str(state)


def count(connection: Connection, state: str, *, failed: bool, amount: int) -> None:
    """Note that `amount` jobs have come to this end; less than 0: have left it."""
    connection.execute(INSERT_TALLY, {"kind": kind_of(state, failed=failed), "amount": amount})


def count_end(connection: Connection, state: str, *, failed: bool) -> None:
    """Note that a job has just come to this end."""
    kind = kind_of(state, failed=failed)
    rows = [{"kind": name, "amount": 1} for name in (kind, EVER + kind)]
    connection.execute(INSERT_TALLY, rows)


def count_callbacks(connection: Connection, ends: Mapping[str, int]) -> None:
    """Note how many callbacks have just come to which end: delivered, dead or dropped."""
    rows = [{"kind": EVER + kind, "amount": amount} for kind, amount in ends.items() if amount]
    if rows:
        connection.execute(INSERT_TALLY, rows)


def sums(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """How many jobs there are of each kind of end, and how often what ever came to an end."""
    amounts = {row.kind: int(row.amount) for row in connection.execute(SUMS)}
    ever = {kind.removeprefix(EVER): n for kind, n in amounts.items() if kind.startswith(EVER)}
    return {kind: n for kind, n in amounts.items() if not kind.startswith(EVER)}, ever


def length(connection: Connection) -> int:
    """How many rows there are to add up."""
    return int(connection.execute(select(func.count()).select_from(tally)).scalar_one())


def fold(connection: Connection) -> None:
    """Replace the rows there are by one of each kind; what comes meanwhile stays."""
    taken = connection.execute(delete(tally).returning(tally.c.kind, tally.c.amount)).all()
    amounts: dict[str, int] = {}
    for row in taken:
        amounts[row.kind] = amounts.get(row.kind, 0) + row.amount
    if amounts:
        rows = [{"kind": kind, "amount": amount} for kind, amount in amounts.items()]
        connection.execute(INSERT_TALLY, rows)
