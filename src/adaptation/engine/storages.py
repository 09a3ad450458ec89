"""Configured storages in SQL: added, replaced, listed, removed; their keys are sealed."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from adaptation.adapters.storage_config import StorageConfig, storage_unknown
from adaptation.engine.database import Database, now
from adaptation.engine.schema import storage
from adaptation.errors import ParameterError


class Storages:
    """Which storages there are, each change one transaction."""

    database: Database

    def add_storage(self, new: StorageConfig) -> None:
        """Store where a storage is; once more with the same facts changes nothing.

        Raises:
            ParameterError: `storage_exists`, `storage_invalid`.
        """
        new.check()
        row = {"name": new.name, "facts": new.to_json(), "updated_at": now()}
        with self.database.write() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(insert(storage).values(row))
            except IntegrityError as error:
                same = select(storage.c.facts).where(storage.c.name == new.name)
                if connection.execute(same).scalar() != new.to_json():
                    raise ParameterError(
                        f"there is a storage {new.name} already",
                        code="storage_exists",
                        hint="Choose another name, or --replace what is known of it.",
                    ) from error

    def replace_storage(self, new: StorageConfig) -> None:
        """Change where a storage is, or its key, from the next task on.

        Raises:
            ParameterError: `storage_unknown`, `storage_invalid`.
        """
        new.check()
        changed = update(storage).where(storage.c.name == new.name)
        with self.database.write() as connection:
            values = {"facts": new.to_json(), "updated_at": now()}
            if not connection.execute(changed.values(values)).rowcount:
                raise storage_unknown(new.name)

    def storages(self) -> list[StorageConfig]:
        """All of them, by name."""
        with self.database.read() as connection:
            found = connection.execute(select(storage.c.facts).order_by(storage.c.name))
            return [StorageConfig(**facts) for facts in found.scalars()]

    def storage(self, name: str) -> StorageConfig:
        """The storage of that name.

        Raises:
            ParameterError: `storage_unknown`.
        """
        with self.database.read(one=True) as connection:
            facts = connection.execute(
                select(storage.c.facts).where(storage.c.name == name)
            ).scalar()
        if facts is None:
            raise storage_unknown(name)
        return StorageConfig(**facts)

    def has_storage(self, name: str) -> bool:
        """Whether there is a storage of that name."""
        known = select(storage.c.name).where(storage.c.name == name)
        with self.database.read(one=True) as connection:
            return connection.execute(known).first() is not None

    def remove_storage(self, name: str) -> None:
        """Forget a storage; what lies in it stays there.

        Jobs that name it fail from now on.

        Raises:
            ParameterError: `storage_unknown`.
        """
        self.storage(name)
        self.forget_storage(name)

    def forget_storage(self, name: str) -> None:
        """Forget a storage if it is there."""
        with self.database.write() as connection:
            connection.execute(delete(storage).where(storage.c.name == name))
