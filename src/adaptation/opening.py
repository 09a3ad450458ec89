"""What a deployment is without its engine: settings in; the store, its keys and its places out.

Commands that only look or note something need no more, and start without Celery and workflows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sqlalchemy.exc import SQLAlchemyError

from adaptation.adapters.addresses import AddressPolicy
from adaptation.adapters.chunk_cache import ChunkCache
from adaptation.adapters.keyring import Keyring
from adaptation.adapters.vault import Vault
from adaptation.engine.store import Store
from adaptation.errors import SettingsError
from adaptation.settings import Settings


@dataclass(frozen=True)
class Opening:
    """What is configured on this machine, opened when it is first asked for."""

    settings: Settings

    @cached_property
    def store(self) -> Store:
        """The truth.

        Raises:
            SettingsError: `database_unavailable`: a bad URL, no driver, no folder for the file.
        """
        try:
            return Store(self.settings.database, Vault(self.keyring))
        except (OSError, ImportError, SQLAlchemyError) as error:
            raise SettingsError(
                f"the database cannot be opened: {error}",
                code="database_unavailable",
                hint="Set ADAPTATION_HOME to a folder on a local disk that you can write to,"
                " or ADAPTATION_DATABASE_URL to a database whose driver is installed.",
            ) from error

    @cached_property
    def keyring(self) -> Keyring:
        """The keys that seal stored secrets.

        On one machine the first one is made where none is set. Of a fleet every machine would
        make its own, and none could read what another has sealed.
        """
        settings = self.settings
        shared = not settings.database.startswith("sqlite")
        return Keyring(
            settings.secret_key_file or settings.home / "secret.key",
            "" if settings.secret_key_file else settings.secret_key.get_secret_value(),
            makes=settings.secret_key_file is None and not shared,
        )

    @cached_property
    def policy(self) -> AddressPolicy:
        """Which addresses may be reached."""
        return AddressPolicy(self.settings.allowed_networks, self.settings.allowed_hosts)

    @property
    def chunk_cache(self) -> ChunkCache:
        """Encoded chunks that are kept to be reused; there may be no room for any more."""
        return ChunkCache(self.settings.chunk_cache_root, self.settings.chunk_cache)

    def close(self) -> None:
        """Close the database, if it was opened."""
        if "store" in vars(self):
            self.store.close()
