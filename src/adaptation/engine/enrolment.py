"""Clients in SQL: added with their first key, changed, listed, removed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from adaptation.engine.clients import CallbackStyle, Client, Role, client_unknown, role_of
from adaptation.engine.control import StateForbids
from adaptation.engine.database import Database, now
from adaptation.engine.keys import hash_of, make_key, new_signing_secret, prefix_of
from adaptation.engine.rows import AnyRow
from adaptation.engine.schema import client, client_key, endpoint, job
from adaptation.errors import ParameterError
from adaptation.limits import Value

CHANGEABLE = frozenset({"role", "rate", "most_unfinished", "defaults", "callback", "limits"})
"""What may be changed of a client."""
NOT_SECRET: tuple[Column[Any], ...] = (
    client.c.name,
    client.c.role,
    client.c.rate,
    client.c.most_unfinished,
    client.c.defaults,
    client.c.callback,
    client.c.limits,
    client.c.created_at,
)
HOLD = select(client.c.name).with_for_update()


class Enrolment:
    """Who is known, each change one transaction."""

    database: Database

    def add_client(  # noqa: PLR0913 - one row's worth of facts
        self,
        name: str,
        role: Role | str,
        *,
        rate: int | None = None,
        most_unfinished: int | None = None,
        defaults: dict[str, Any] | None = None,
        callback: CallbackStyle | None = None,
        limits: dict[str, Value] | None = None,
    ) -> tuple[Client, str, str]:
        """Add a client with a first key.

        Returns:
            The client, its key, which nobody can be told again, and the secret that signs its
            callbacks.

        Raises:
            ParameterError: `client_exists`, `client_invalid`, `callback_invalid`.
        """
        new = Client(
            name,
            role_of(role),
            rate,
            most_unfinished,
            defaults or {},
            callback or CallbackStyle(),
            limits or {},
        )
        key, secret = make_key(), new_signing_secret()
        return self.enrol(new, key, secret), key, secret

    def enrol(self, new: Client, key: str, secret: str) -> Client:
        """Store a client with its key and secret; once more with the same key changes nothing.

        Raises:
            ParameterError: `client_exists`, `client_invalid`, `callback_invalid`.
        """
        new.check()
        with self.database.write() as connection:
            try:
                with connection.begin_nested():
                    facts = {"name": new.name, "signing_secret": secret, "created_at": now()}
                    connection.execute(insert(client).values(facts | _columns(new)))
                    insert_key(connection, new.name, key)
            except IntegrityError as error:
                if not has_key(connection, new.name, key):
                    raise ParameterError(
                        f"there is a client {new.name} already",
                        code="client_exists",
                        hint=f"Choose another name, or: adaptation client rotate {new.name}",
                    ) from error
            return _found(connection, new.name)

    def client(self, name: str) -> Client:
        """The client of that name.

        Raises:
            ParameterError: `client_unknown`.
        """
        with self.database.read() as connection:
            return _found(connection, name)

    def clients(self) -> list[Client]:
        """All clients, by name."""
        with self.database.read() as connection:
            found = connection.execute(select(*NOT_SECRET).order_by(client.c.name))
            return [client_of(row) for row in found]

    def change_client(self, name: str, **changes: Any) -> Client:
        """Change what is known of a client; each thing named is replaced as a whole.

        Args:
            changes: `role`, `rate`, `most_unfinished`, `defaults`, `callback`, `limits`.

        Raises:
            ParameterError: `client_unknown`, `client_invalid`, `callback_invalid`.
        """
        if unknown := changes.keys() - CHANGEABLE:
            raise ParameterError(
                f"{min(unknown)} of a client cannot be changed",
                code="client_invalid",
                hint=f"There are: {', '.join(sorted(CHANGEABLE))}.",
            )
        if "role" in changes:
            changes["role"] = role_of(changes["role"])
        with self.database.write() as connection:
            hold_client(connection, name)
            changed = replace(_found(connection, name), **changes)
            changed.check()
            wanted = update(client).where(client.c.name == name)
            connection.execute(wanted.values(_columns(changed)))
            return changed

    def remove_client(self, name: str) -> None:
        """Remove a client with all its keys; its jobs stay.

        Raises:
            ParameterError: `client_unknown`.
            StateForbids: it has unfinished jobs.
        """
        self.client(name)
        self.forget_client(name)

    def forget_client(self, name: str) -> None:
        """Remove a client if it is there.

        Raises:
            StateForbids: it has unfinished jobs.
        """
        unfinished = select(job.c.id).where(job.c.client == name, job.c.finished_at.is_(None))
        with self.database.write() as connection:
            connection.execute(HOLD.where(client.c.name == name))
            if (job_id := connection.execute(unfinished.limit(1)).scalar()) is not None:
                raise StateForbids(
                    f"client {name} has unfinished jobs, such as {job_id}",
                    hint=f"Wait for them or cancel them: adaptation cancel {job_id}",
                )
            connection.execute(delete(client_key).where(client_key.c.client == name))
            connection.execute(delete(endpoint).where(endpoint.c.client == name))
            connection.execute(delete(client).where(client.c.name == name))


def hold_client(connection: Connection, name: str) -> None:
    """Hold a client's row until the transaction ends, so that changes of it come one by one.

    Raises:
        ParameterError: `client_unknown`.
    """
    if connection.execute(HOLD.where(client.c.name == name)).first() is None:
        raise client_unknown(name)


def insert_key(connection: Connection, name: str, key: str, expires_at: int | None = None) -> None:
    """Store what is kept of a key."""
    connection.execute(
        insert(client_key).values(
            client=name,
            prefix=prefix_of(key),
            hash=hash_of(key),
            created_at=now(),
            expires_at=expires_at,
        )
    )


def has_key(connection: Connection, name: str, key: str) -> bool:
    """Whether a client was given this very key, valid or not."""
    same = client_key.c.hash == hash_of(key), client_key.c.client == name
    return connection.execute(select(client_key.c.id).where(*same)).first() is not None


def client_of(row: AnyRow) -> Client:
    """A client as stored, from a row with the columns `NOT_SECRET`."""
    return Client(
        row.name,
        Role(row.role),
        row.rate,
        row.most_unfinished,
        row.defaults,
        CallbackStyle.from_json(row.callback),
        row.limits or {},
        datetime.fromtimestamp(row.created_at / 1000, UTC),
    )


def _found(connection: Connection, name: str) -> Client:
    row = connection.execute(select(*NOT_SECRET).where(client.c.name == name)).first()
    if row is None:
        raise client_unknown(name)
    return client_of(row)


def _columns(known: Client) -> dict[str, Any]:
    return {
        "role": known.role.value,
        "rate": known.rate,
        "most_unfinished": known.most_unfinished,
        "defaults": known.defaults,
        "callback": known.callback.to_json(),
        "limits": known.limits or None,
    }
