"""Keys and signing secrets of clients in SQL: shown, replaced with no downtime, made invalid."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Text, bindparam, case, func, or_, select, type_coerce, update

from adaptation.engine import rows
from adaptation.engine.clients import Client, Key, client_unknown
from adaptation.engine.database import Database, now
from adaptation.engine.enrolment import NOT_SECRET, client_of, has_key, hold_client, insert_key
from adaptation.engine.keys import hash_of, is_well_formed, make_key, new_signing_secret
from adaptation.engine.schema import client, client_key
from adaptation.errors import ParameterError

USED_EVERY_MS = 60_000
"""How exactly it is known when a key was last used."""
LONGEST_OVERLAP_SECONDS = 31_536_000
"""A year: a key that is to live longer needs no successor yet."""

_LIVE = (
    client_key.c.revoked_at.is_(None),
    or_(client_key.c.expires_at.is_(None), client_key.c.expires_at > now()),
)
_STALE = or_(client_key.c.used_at.is_(None), client_key.c.used_at <= now() - USED_EVERY_MS)


OF_KEY = (
    select(*NOT_SECRET, client_key.c.id, client_key.c.hash, _STALE.label("stale"))
    .join_from(client_key, client)
    .where(client_key.c.hash == bindparam("digest"), *_LIVE)
)
"""Every request asks for this: it is built once."""
BY_KEY = (
    select(*NOT_SECRET)
    .join_from(client_key, client)
    .where(client_key.c.id == bindparam("key_id"), *_LIVE)
)
"""The same for who has shown the key before."""


class Credentials:
    """What clients prove themselves with, each change one transaction."""

    database: Database

    def authenticate(self, name: str, key: str) -> Client | None:
        """The client of that name, if the key is one of its live ones.

        Found by the key alone: a name that nobody has takes as long as a wrong key.
        """
        found = self.authenticated(name, key)
        return found and found[0]

    def authenticated(self, name: str, key: str) -> tuple[Client, int] | None:
        """The same with the number of the key, by which `holder` knows whether it is still live."""
        if not is_well_formed(key):
            return None
        digest = hash_of(key)
        with self.database.read(one=True) as connection:
            row = connection.execute(OF_KEY, {"digest": digest}).first()
        if row is None or not hmac.compare_digest(row.hash, digest):
            return None
        if not hmac.compare_digest(row.name.encode(), name.encode("utf-8", "replace")):
            return None
        if row.stale:
            self._note_use(row.id)
        return client_of(row), row.id

    def holder(self, key_id: int) -> Client | None:
        """Whose key that is; None: it is live no more."""
        with self.database.read(one=True) as connection:
            row = connection.execute(BY_KEY, {"key_id": key_id}).first()
        return None if row is None else client_of(row)

    def _note_use(self, key_id: int) -> None:
        with self.database.write() as connection:
            # Whoever else is just noting it says the same: nobody waits.
            free = rows.unlocked(connection, client_key.c.id, client_key.c.id == key_id, _STALE)
            noted = update(client_key).where(client_key.c.id.in_(free))
            connection.execute(noted.values(used_at=now()))

    def keys(self, name: str) -> list[Key]:
        """All keys a client has had, newest first.

        Raises:
            ParameterError: `client_unknown`.
        """
        owned = select(client_key).where(client_key.c.client == name)
        with self.database.read() as connection:
            found = connection.execute(owned.order_by(client_key.c.id.desc())).all()
            if not found:
                _expect(connection, name)
            return [_key(row) for row in found]

    def has_keys(self) -> bool:
        """Whether anybody has a key that is live."""
        with self.database.read() as connection:
            found = select(client_key.c.id).where(*_LIVE).limit(1)
            return connection.execute(found).first() is not None

    def keys_of_all(self) -> dict[str, list[Key]]:
        """All keys there are by client, newest first."""
        found: dict[str, list[Key]] = {}
        with self.database.read() as connection:
            for row in connection.execute(select(client_key).order_by(client_key.c.id.desc())):
                found.setdefault(row.client, []).append(_key(row))
        return found

    def rotate_key(
        self, name: str, *, overlap_seconds: float, expires_at: datetime | None = None
    ) -> str:
        """Give a client a new key; the newest before it lives on for a while, all others end.

        Args:
            overlap_seconds: how long both are valid, at most a year.
            expires_at: when the new one ends, aware; None: no end is set.

        Returns:
            The key, which nobody can be told again.

        Raises:
            ParameterError: `client_unknown`, `parameter_invalid`.
        """
        key = make_key()
        self.renew_key(name, key, overlap_seconds=overlap_seconds, expires_at=expires_at)
        return key

    def renew_key(
        self, name: str, key: str, *, overlap_seconds: float, expires_at: datetime | None = None
    ) -> None:
        """Store a key that takes the place of others; once more with the same changes nothing.

        Raises:
            ParameterError: `client_unknown`, `parameter_invalid`.
        """
        _check_overlap(overlap_seconds)
        end = None if expires_at is None else _end(expires_at)
        live = select(client_key.c.id).where(client_key.c.client == name, *_LIVE)
        with self.database.write() as connection:
            hold_client(connection, name)
            if has_key(connection, name, key):
                return
            found = connection.execute(live.order_by(client_key.c.id.desc())).scalars().all()
            _revoke(connection, found[1:])
            _shorten(connection, found[:1], int(overlap_seconds * 1000))
            insert_key(connection, name, key, end)

    def revoke_key(self, name: str, prefix: str) -> None:
        """Make a key invalid at once; one that is already stays as it is.

        Args:
            prefix: what it begins with, as it is listed.

        Raises:
            ParameterError: `client_unknown`, `key_unknown`.
        """
        named = client_key.c.client == name, client_key.c.prefix == prefix
        with self.database.write() as connection:
            hold_client(connection, name)
            found = connection.execute(select(client_key.c.id).where(*named)).scalars().all()
            if not found:
                raise ParameterError(
                    f"client {name} has no key that begins with {prefix!r:.20}",
                    code="key_unknown",
                    hint=f"`adaptation client show {name}` lists its keys.",
                )
            _revoke(connection, found)

    def rotate_secret(self, name: str) -> str:
        """Give a client a new signing secret; the former one signs as well until the next time.

        Raises:
            ParameterError: `client_unknown`.
        """
        secret = new_signing_secret()
        self.renew_secret(name, secret)
        return secret

    def renew_secret(self, name: str, secret: str) -> None:
        """Store a new signing secret; once more with the same changes nothing.

        Raises:
            ParameterError: `client_unknown`.
        """
        forms = self.database.sealing.forms(secret, "signing_secret")
        other = client.c.name == name, type_coerce(client.c.signing_secret, Text).not_in(forms)
        kept = {"signing_secret_before": client.c.signing_secret, "signing_secret": secret}
        with self.database.write() as connection:
            if not connection.execute(update(client).where(*other).values(kept)).rowcount:
                _expect(connection, name)

    def signing_secrets(self, name: str) -> tuple[str, ...]:
        """The secrets that sign what a client is told, newest first; none: nobody has the name."""
        secrets = select(client.c.signing_secret, client.c.signing_secret_before)
        with self.database.read() as connection:
            row = connection.execute(secrets.where(client.c.name == name)).first()
        return tuple(secret for secret in row or () if secret is not None)


def _revoke(connection: Connection, ids: Sequence[int]) -> None:
    valid = client_key.c.id.in_(ids), client_key.c.revoked_at.is_(None)
    connection.execute(update(client_key).where(*valid).values(revoked_at=now()))


def _shorten(connection: Connection, ids: Sequence[int], overlap_ms: int) -> None:
    """Let keys end after `overlap_ms`, or earlier where they end earlier."""
    end = now() + overlap_ms
    ending = case((client_key.c.expires_at < end, client_key.c.expires_at), else_=end)
    connection.execute(update(client_key).where(client_key.c.id.in_(ids)).values(expires_at=ending))


def _expect(connection: Connection, name: str) -> None:
    there = select(func.count()).select_from(client).where(client.c.name == name)
    if not connection.execute(there).scalar():
        raise client_unknown(name)


def _check_overlap(overlap_seconds: float) -> None:
    if not 0 <= overlap_seconds <= LONGEST_OVERLAP_SECONDS:
        raise ParameterError(
            f"the former key cannot live on for {overlap_seconds} s",
            hint=f"Give 0 to {LONGEST_OVERLAP_SECONDS} s.",
        )


def _end(expires_at: datetime) -> int:
    if expires_at.tzinfo is None or expires_at <= datetime.now(UTC):
        raise ParameterError(
            f"a new key cannot end at {expires_at.isoformat()}",
            hint="Give a time to come, with its time zone.",
        )
    return round(expires_at.timestamp() * 1000)


def _key(row: rows.AnyRow) -> Key:
    return Key(
        row.id,
        row.prefix,
        _time(row.created_at),
        _time_or_none(row.expires_at),
        _time_or_none(row.used_at),
        _time_or_none(row.revoked_at),
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _time_or_none(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else _time(milliseconds)
