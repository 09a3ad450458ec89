"""What tasks need of a worker, by name: an encoder, a tool. A worker claims only what it can do."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Text, bindparam, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from adaptation.engine.room import Need, Room
from adaptation.engine.schema import task

ABILITIES = "abilities"
"""Name in a worker's facts of the list of what it can do."""
WAITS_FOR = "waits_for_a_worker_with"
"""Name in the details of a task that no live worker can do."""
TOLD_BY = "abilities"
"""Who says so in a job's log."""


class is_within(FunctionElement[bool]):  # noqa: N801 - reads as the SQL function it stands for
    """Whether all that a JSON list holds is in another one, which is given as text."""

    type = Boolean()
    inherit_cache = True


@compiles(is_within, "sqlite")
def _within_sqlite(element: is_within, compiler: SQLCompiler, **options: Any) -> str:
    few, many = (compiler.process(clause, **options) for clause in element.clauses)
    there = f"SELECT value FROM json_each({many})"  # noqa: S608 - compiled, not given
    wanted = f"SELECT 1 FROM json_each({few}) AS need"  # noqa: S608
    return f"NOT EXISTS ({wanted} WHERE need.value NOT IN ({there}))"


@compiles(is_within, "postgresql")
def _within_postgresql(element: is_within, compiler: SQLCompiler, **options: Any) -> str:
    few, many = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CAST({few} AS JSONB) <@ CAST({many} AS JSONB)"


_given = bindparam("can_do", type_=Text)
MET = is_within(task.c.needs, _given)
"""Whether whoever can do `can_do` can do what a task needs that needs something."""


def can_be_done() -> ColumnElement[bool]:
    """Whether a task needs nothing, or nothing that is not in `can_do`."""
    return or_(task.c.needs.is_(None), MET)


def as_given(abilities: Iterable[str]) -> str:
    """What `can_do` is to be given."""
    return json.dumps(sorted(abilities))


def lacking(need: Need, rooms: Iterable[Room]) -> tuple[str, ...]:
    """What a task needs, if workers serve its queue and none can do it; empty: somebody may."""
    serving = [room for room in rooms if room.serves(need)]
    if not serving or any(_may_do(room.abilities, need.needs) for room in serving):
        return ()
    return need.needs


def _may_do(abilities: Collection[str] | None, needs: Iterable[str]) -> bool:
    return abilities is None or set(needs) <= set(abilities)


def sentence(need: Need) -> str:
    """What the job's log says of a task that no live worker can do."""
    wanted = ", ".join(need.needs)
    return f"{need.name} waits for a worker with {wanted}: none of the queue {need.queue} has it"
