"""Sealing again what is stored, with the newest key: in small steps, whatever else goes on.

Nothing remembers how far it has come. What is sealed with the newest key stays as it is, so that
whoever begins again goes on where an earlier one stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import JSON, Column, Connection, Table, Text, cast, select, tuple_, update

from adaptation.adapters.masking import is_secret
from adaptation.adapters.sealing import Sealing
from adaptation.adapters.vault import seals_in
from adaptation.engine.addresses import Addresses, is_name, names_of
from adaptation.engine.database import Database
from adaptation.engine.schema import delivery, endpoint, job, metadata
from adaptation.engine.sealed import SealedText

BATCH = 200
"""Rows that are read at once."""
PASSES = 10
"""Looks at all rows, until one finds nothing to do: others may still write with an older key."""


@dataclass
class Resealed:
    """What has been done."""

    rows: int = 0
    """That were looked at, in the last pass."""
    changed: int = 0
    """Rows that were sealed anew, in all."""
    ids: Counter[str] = field(default_factory=Counter)
    """How many texts are sealed with each key, after the last pass."""


@dataclass(frozen=True)
class _Stored:
    """A row as it is stored."""

    key: tuple[Any, ...]
    texts: dict[str, str]
    """By the columns that may be sealed."""


class Resealing(Addresses):
    """How stored secrets come under another key."""

    database: Database

    def sealed_with(self) -> Counter[str]:
        """How many stored texts are sealed with each key, by its id; every row is read."""
        found = Counter[str]()
        for table in metadata.sorted_tables:
            for page in self._pages(table):
                found.update(
                    key for row in page for text in row.texts.values() for key in ids_in(text)
                )
        return found

    def reseal(self) -> Resealed:
        """Seal every stored secret with the newest key, and those that were not sealed yet.

        Raises:
            SettingsError: as `Vault.opened`: then what could not be read stays as it is.
        """
        done = Resealed()
        for _ in range(PASSES):
            changed = self._call_addresses()
            done.rows, done.ids = 0, Counter()
            for table in metadata.sorted_tables:
                for page in self._pages(table):
                    done.rows += len(page)
                    changed += self._reseal_page(table, page, done.ids)
            done.changed += changed
            if not changed:
                break
        return done

    def _pages(self, table: Table) -> Iterator[list[_Stored]]:
        """All rows in the order of their keys, some at a time."""
        columns, keys = _sealable(table), list(table.primary_key.columns)
        if not columns:
            return
        wanted = select(*keys, *(cast(one, Text).label(f"raw_{one.name}") for one in columns))
        wanted = wanted.order_by(*keys).limit(BATCH)
        after: tuple[Any, ...] | None = None
        while True:
            page = wanted if after is None else wanted.where(tuple_(*keys) > tuple_(*after))
            with self.database.read() as connection:
                found = [
                    _Stored(
                        tuple(row[: len(keys)]),
                        {
                            one.name: text
                            for one in columns
                            if (text := getattr(row, f"raw_{one.name}")) is not None
                        },
                    )
                    for row in connection.execute(page)
                ]
            yield found
            if len(found) < BATCH:
                return
            after = found[-1].key

    def _reseal_page(self, table: Table, page: list[_Stored], ids: Counter[str]) -> int:
        """Seal rows anew where that changes something, in one transaction; how many it was."""
        changes = [(row, values) for row in page if (values := self._fresh(table, row, ids))]
        if not changes:
            return 0
        with self.database.write() as connection:
            for row, values in changes:
                # Only if nobody has changed it since it was read: else it is looked at once more.
                same = [one == part for one, part in zip(table.primary_key, row.key, strict=True)]
                same += [cast(table.c[name], Text) == row.texts[name] for name in values]
                connection.execute(update(table).where(*same).values(values))
        return len(changes)

    def _fresh(self, table: Table, row: _Stored, ids: Counter[str]) -> dict[str, Any]:
        """The values of a row that are stored otherwise now, by their columns."""
        changed = {}
        for name, text in row.texts.items():
            value = _clear(self.database.sealing, table.c[name], text)
            fresh = _as_stored(self.database.sealing, table.c[name], value)
            ids.update(ids_in(fresh))
            if seals_in(fresh) != seals_in(text):
                changed[name] = value
        return changed

    def _call_addresses(self) -> int:
        """Give names to addresses that an older version has stored as they are."""
        with self.database.read() as connection:
            of_jobs = select(delivery.c.job_id, delivery.c.url).distinct()
            jobs = {one for one, url in connection.execute(of_jobs) if _is_bare(url)}
            ends = [row for row in connection.execute(select(endpoint)) if _is_bare(row.url)]
        if jobs or ends:
            self.prepare_names()
        for job_id in sorted(jobs):
            with self.database.write() as connection:
                self._call_of_job(connection, job_id)
        with self.database.write() as connection:
            for row in ends:
                same = endpoint.c.client == row.client, endpoint.c.url == row.url
                name = self.address_name(row.url)
                connection.execute(update(endpoint).where(*same).values(url=name))
        return len(jobs) + len(ends)

    def _call_of_job(self, connection: Connection, job_id: int) -> None:
        """In one step, so that what is told to an address stays in one line."""
        this = job.c.id == job_id
        stored = connection.execute(select(job.c.endpoints).where(this).with_for_update()).scalar()
        bare = [url for url in names_of(stored) if _is_bare(url)]
        urls = dict(zip(bare, self.named(bare), strict=True))
        fresh = [urls.get(one, one) if isinstance(one, str) else one for one in stored or ()]
        connection.execute(update(job).where(this).values(endpoints=fresh or None))
        told = select(delivery.c.url).where(delivery.c.job_id == job_id).distinct()
        for url in connection.execute(told).scalars().all():
            if _is_bare(url):
                same = delivery.c.job_id == job_id, delivery.c.url == url
                name = self.address_name(url)
                connection.execute(update(delivery).where(*same).values(url=name))


def ids_in(text: str) -> list[str]:
    """The ids of the keys with which parts of a stored text are sealed."""
    return [key for key, _ in seals_in(text)]


def _is_bare(url: str) -> bool:
    return is_secret(url) and not is_name(url)


def _sealable(table: Table) -> list[Column[Any]]:
    return [one for one in table.columns if isinstance(one.type, JSON | SealedText)]


def _clear(sealing: Sealing, column: Column[Any], text: str) -> Any:
    if isinstance(column.type, SealedText):
        return sealing.vault.opened(text, column.type.field)
    return sealing.from_text(text)


def _as_stored(sealing: Sealing, column: Column[Any], value: Any) -> str:
    if isinstance(column.type, SealedText):
        return sealing.text_to_store(value, column.type.field)
    return sealing.to_text(value)
