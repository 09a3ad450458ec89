"""A real store whose database clock a test sets: the databases' own functions are covered up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import event, text

from adaptation.engine.model import NewJob
from adaptation.engine.plan import Plan
from adaptation.engine.rules import Rules
from adaptation.engine.schema import metadata, setting
from adaptation.engine.store import Store

UNIX_EPOCH_DAY = 2_440_587.5
"""1970-01-01 in `julianday`'s count."""
DAY_MS = 86_400_000.0
NO_GAP = {
    True: "UPDATE sqlite_sequence SET seq = (SELECT MAX(id) FROM job) WHERE name = 'job'",
    False: "SELECT setval(pg_get_serial_sequence('job', 'id'), (SELECT MAX(id) FROM job))",
}
"""By whether it is SQLite: the next job's number follows the last one's."""
COVER_UP = """
    CREATE SCHEMA clock;
    CREATE TABLE clock.moment (ms BIGINT NOT NULL);
    INSERT INTO clock.moment VALUES (0);
    CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
        AS 'SELECT to_timestamp(0) + ms * interval ''1 millisecond'' FROM clock.moment';
"""


class ClockedStore(Store):
    """The store on an empty database that believes the time is what `set_clock` said."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._ms = 0
        if self.database.is_sqlite:
            # A function of the connection comes before the built-in one of its name.
            event.listen(self.database._engine, "connect", self._give_clock)
        else:
            with self.database.write() as connection:
                connection.execute(text(COVER_UP))
                name = connection.execute(text("SELECT current_database()")).scalar_one()
                path = f'ALTER DATABASE "{name}" SET search_path = public, clock, pg_catalog'
                connection.execute(text(path))
            self.close()
        self.create()

    def _give_clock(self, connection: Any, _: object) -> None:
        def julianday(when: str) -> float:
            assert when == "now"
            # Half a millisecond more, because the sum that makes an integer of it cuts off.
            return UNIX_EPOCH_DAY + (self._ms + 0.5) / DAY_MS

        connection.create_function("julianday", 1, julianday)
        connection.execute("PRAGMA synchronous=OFF")

    def set_clock(self, ms: int) -> None:
        """From now on it is `ms` milliseconds after 1970 in the database."""
        self._ms = ms
        if not self.database.is_sqlite:
            with self.database.write() as connection:
                connection.execute(text("UPDATE clock.moment SET ms = :ms"), {"ms": ms})

    def set_rules(self, rules: Rules) -> None:
        """Store the limits for jobs."""
        for name, value in asdict(rules).items():
            with self.database.write() as connection:
                stored = {"name": name, "value": value, "updated_at": 0}
                connection.execute(setting.insert().values(stored))

    def submit(self, new: NewJob, plan: Plan, queues: Mapping[str, str]) -> int:
        """As the store's; a job submitted twice leaves no gap between numbers, as in the model."""
        job_id, is_new = self.submit_once(new, plan, queues)
        if not is_new:
            with self.database.write() as connection:
                connection.execute(text(NO_GAP[self.database.is_sqlite]))
        return job_id

    def forget_everything(self) -> None:
        """Empty all tables, and let ids begin at 1 again."""
        names = [table.name for table in reversed(metadata.sorted_tables)]
        with self.database.write() as connection:
            if self.database.is_sqlite:
                wipe: list[str] = [f"DELETE FROM {name}" for name in names]
                wipe.append("DELETE FROM sqlite_sequence")
            else:
                wipe = [f"TRUNCATE {', '.join(names)} RESTART IDENTITY"]
            for statement in wipe:
                connection.execute(text(statement))


def rows_of(store: Store, queries: Mapping[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each query, as plain tuples."""
    with store.database.read() as connection:
        return {
            what: [tuple(row) for row in connection.exec_driver_sql(query)]
            for what, query in queries.items()
        }
