"""What an operator may change while everything runs: names, ranges, defaults, kept in SQL."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from adaptation.engine.database import Database, now
from adaptation.engine.reads import time_of
from adaptation.engine.rules import ALL
from adaptation.engine.schema import setting, setting_change
from adaptation.errors import ParameterError

Number = int | float


@dataclass(frozen=True)
class Known:
    """A setting there is."""

    name: str
    default: Number
    least: Number
    most: Number
    meaning: str
    whole: bool = True
    """Whether it is a whole number."""

    def checked(self, value: object) -> Number:
        """The value as a number.

        Args:
            value: a number, or one in writing.

        Raises:
            ParameterError: `setting_invalid`.
        """
        number = _number(value)
        fits = number is not None and self.least <= number <= self.most
        if number is None or not fits or (self.whole and number != int(number)):
            kind = "a whole number" if self.whole else "a number"
            span = f"{kind} from {self.least} to {self.most}"
            raise ParameterError(
                f"{self.name} cannot be {value!r}",
                code="setting_invalid",
                hint=f"Give {span}; {self.default} is the default.",
            )
        return int(number) if number == int(number) else number


MOST_LETTERS = 200
"""Of who has changed a setting."""
PAUSED = "queue_paused"
"""The setting that holds the whole queue."""
KNOWN = {
    known.name: known
    for known in (
        Known("max_jobs", 2, 0, 100_000, "jobs running at once; 0 starts nothing"),
        Known("priority_slots", 0, 0, 100_000, "of those, slots that only priority jobs may hold"),
        Known("priority_threshold", 5, 1, 10, "a job of priority 1 to this is a priority job"),
        Known("schedule_interval", 60, 1, 86_400, "seconds between looks at semaphores", False),
        Known("retry_delay", 5, 0, 86_400, "seconds before a failed task is tried again", False),
        Known("retry_limit", 3, 1, 1_000, "tries of a task before its job is abandoned"),
        Known("ageing_seconds", 1_800, 0, 31_536_000, "wait that makes a job one more urgent"),
        Known("most_running", ALL, 0, ALL, "jobs of one client running at once"),
        Known("retention_days", 30, 0, 36_500, "days an ended job is kept; 0: for ever", False),
        Known(PAUSED, 0, 0, 1, "1: no job that waits is started; those that run go on"),
    )
}
"""All there are, by name."""
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Changed:
    """A change of a setting."""

    name: str
    value: Number | None
    """None: the default came back into force."""
    by: str
    """A client, or who sat at the command line; empty: nobody said so."""
    at: datetime


class Choices:
    """The settings in the database, each in force at once and everywhere."""

    database: Database

    def chosen(self) -> dict[str, Number]:
        """The settings that somebody has set."""
        with self.database.read() as connection:
            found = connection.execute(select(setting.c.name, setting.c.value))
            return {row.name: row.value for row in found if row.name in KNOWN}

    def setting(self, name: str) -> Number:
        """The value in force.

        Raises:
            ParameterError: `setting_unknown`.
        """
        known = known_setting(name)
        with self.database.read() as connection:
            found = connection.execute(select(setting.c.value).where(setting.c.name == name))
            value: Number | None = found.scalar()
        return known.default if value is None else value

    def set_setting(self, name: str, value: object, by: str = "") -> bool:
        """Set a setting; whether it had not been set before.

        Args:
            name: one of `KNOWN`.
            value: a number, or one in writing.
            by: who wants it so.

        Raises:
            ParameterError: `setting_unknown`, `setting_invalid`.
        """
        number = known_setting(name).checked(value)
        facts = {"value": number, "updated_at": now()}
        with self.database.write() as connection:
            _note(connection, name, number, by)
            changed = update(setting).where(setting.c.name == name).values(facts)
            if connection.execute(changed).rowcount:
                return False
            try:
                with connection.begin_nested():
                    connection.execute(insert(setting).values(name=name, **facts))
            except IntegrityError:  # set for the first time by two at once
                connection.execute(changed)
                return False
            return True

    def unset_setting(self, name: str, by: str = "") -> bool:
        """Let the default be in force again; whether it was not.

        Raises:
            ParameterError: `setting_unknown`.
        """
        known_setting(name)
        with self.database.write() as connection:
            done = connection.execute(delete(setting).where(setting.c.name == name)).rowcount == 1
            if done:
                _note(connection, name, None, by)
            return done

    def setting_changes(self, limit: int = 100) -> list[Changed]:
        """Who has changed which setting, the newest first."""
        newest = select(setting_change).order_by(setting_change.c.id.desc()).limit(limit)
        return self._changes(newest)

    def last_changes(self) -> dict[str, Changed]:
        """The last change of each setting that anybody has changed, by its name."""
        last = select(func.max(setting_change.c.id)).group_by(setting_change.c.name)
        newest = select(setting_change).where(setting_change.c.id.in_(last))
        return {one.name: one for one in self._changes(newest)}

    def _changes(self, asked: Select[Any]) -> list[Changed]:
        with self.database.read(one=True) as connection:
            return [
                Changed(row.name, row.value, row.changed_by, time_of(row.changed_at))
                for row in connection.execute(asked)
            ]


def _note(connection: Connection, name: str, value: Number | None, by: str) -> None:
    facts = {"name": name, "value": value, "changed_by": by[:MOST_LETTERS], "changed_at": now()}
    connection.execute(insert(setting_change).values(facts))


def known_setting(name: str) -> Known:
    """The setting of that name.

    Raises:
        ParameterError: `setting_unknown`.
    """
    if name in KNOWN:
        return KNOWN[name]
    near = difflib.get_close_matches(name, KNOWN, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    raise ParameterError(
        f"no setting is called {name!r}",
        code="setting_unknown",
        hint=f"{meant}There are: {', '.join(KNOWN)}.",
    )


def _number(value: object) -> Number | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
