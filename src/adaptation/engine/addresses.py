"""Names of the addresses that are told of jobs, fit to be stored and to be compared.

An address with a secret in it is called by what may be shown of it and a mark that tells it from
others that look the same: `https://example.org/hook?token=***#1f0e9d8c7b6a5948`. The mark is a
keyed hash: nobody can try out passwords on it who has not got the key, which is stored sealed.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from adaptation.adapters.masking import is_secret, masked
from adaptation.engine.database import Database, now
from adaptation.engine.schema import job, setting

MOST_LETTERS = 2_000
"""Of a name, as many as the columns hold."""
MARK_LETTERS = 16
_MARK = re.compile(f"[0-9a-f]{{{MARK_LETTERS}}}")
KEY_NAME = "address_key"
"""Under which the key of the marks is kept, among the settings."""
Stored = str | dict[str, str]
"""An address of a job as it is stored: itself, or its `name` and its `url`, which is sealed."""


class Addresses:
    """How addresses are called."""

    database: Database
    _address_key: str | None = None

    def named(self, urls: Iterable[str]) -> tuple[Stored, ...]:
        """Addresses as they are stored with a job, in order."""
        return tuple(self._named(url) for url in urls)

    def address_name(self, url: str) -> str:
        """What an address is called: itself, if there is no secret in it."""
        stored = self._named(url)
        return stored if isinstance(stored, str) else stored["name"]

    def _named(self, url: str) -> Stored:
        if not self.database.sealing.seals or not is_secret(url):
            return url
        mark = hmac.digest(self.prepare_names(), url.encode(), "sha256").hex()
        shown = masked(url)[: MOST_LETTERS - MARK_LETTERS - 1]
        return {"name": f"{shown}#{mark[:MARK_LETTERS]}", "url": url}

    def prepare_names(self) -> bytes:
        """The key of the marks, made if there is none; afterwards no transaction is needed."""
        if self._address_key is None:
            self._address_key = self._stored_key()
        return self._address_key.encode()

    def _stored_key(self) -> str:
        wanted = select(setting.c.value).where(setting.c.name == KEY_NAME)
        with self.database.read() as connection:
            found = connection.execute(wanted).scalar()
        if found is None:
            value = {"secret": secrets.token_hex(32)}
            with self.database.write() as connection:
                try:
                    with connection.begin_nested():
                        facts = {"name": KEY_NAME, "value": value, "updated_at": now()}
                        connection.execute(insert(setting).values(facts))
                except IntegrityError:  # another process was faster: its key is ours
                    pass
                found = connection.execute(wanted).scalar_one()
        return str(found["secret"])


def is_name(text: str) -> bool:
    """Whether this is what an address is called, and not an address with a secret in it."""
    shown, _, mark = text.rpartition("#")
    return _MARK.fullmatch(mark) is not None and not is_secret(shown)


def names_of(stored: Iterable[Stored] | None) -> tuple[str, ...]:
    """What a job's addresses are called."""
    return tuple(one if isinstance(one, str) else one["name"] for one in stored or ())


def urls_of(connection: Connection, job_ids: Iterable[int]) -> Mapping[tuple[int, str], str]:
    """The addresses of jobs that are called otherwise, by the job and the name."""
    wanted = select(job.c.id, job.c.endpoints).where(job.c.id.in_(set(job_ids)))
    return {
        (row.id, one["name"]): one["url"]
        for row in connection.execute(wanted)
        for one in _sealed(row.endpoints)
    }


def _sealed(stored: Any) -> Iterable[dict[str, str]]:
    return (one for one in stored or () if isinstance(one, dict))
