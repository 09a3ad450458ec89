"""A storage service as the library speaks to it: where it is, what opens it, how long it takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from adaptation.adapters.addresses import AddressPolicy
from adaptation.adapters.masking import without
from adaptation.adapters.storage_config import StorageConfig
from adaptation.errors import SettingsError, Transient

SAID_LETTERS = 300
"""Of what a service says, as much is told."""
_CLIENT = {
    "connect_timeout": timedelta(seconds=10),
    "read_timeout": timedelta(seconds=60),
    "timeout": timedelta(seconds=600),
    "user_agent": "adaptation",
}
_RETRY = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
"""Of one request; tasks that fail with what may pass are tried again besides."""


def judge(config: StorageConfig, policy: AddressPolicy) -> None:
    """Judge where a storage lies: the operator names its end point, but not what that resolves to.

    Raises:
        SourceError: `address_forbidden`.
        Transient: `storage_unreachable`.
    """
    parts = urlsplit(config.endpoint)
    if not parts.hostname or config.private:
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        policy.addresses(parts.hostname, port)
    except OSError as error:
        raise Transient(
            f"the end point of storage {config.name} has no address: {error.strerror or error}",
            code="storage_unreachable",
            hint="Check its name and this machine's resolver.",
        ) from error


def opened(config: StorageConfig) -> Any:
    """The library's own store: it does its networking in Rust, and keeps its connections.

    Raises:
        SettingsError: `storage_forbidden`, its key has another form.
    """
    from obstore.store import AzureStore, GCSStore, S3Store

    client: Any = {**_CLIENT, "allow_http": config.endpoint.startswith("http://")}
    retry: Any = _RETRY
    options: Any = {"endpoint": config.endpoint} if config.endpoint else {}
    try:
        if config.kind == "S3":
            options |= {"access_key_id": config.account, "secret_access_key": config.secret_key}
            options |= {"region": config.region or "us-east-1"}
            return S3Store(config.bucket, config=options, client_options=client, retry_config=retry)
        if config.kind == "azure_blob":
            options |= {"account_name": config.account, "account_key": config.secret_key}
            return AzureStore(
                config.bucket, config=options, client_options=client, retry_config=retry
            )
        options = {"service_account_key": config.secret_key}
        return GCSStore(config.bucket, config=options, client_options=client, retry_config=retry)
    except Exception as error:
        said = without(str(error).splitlines()[0], [config.secret_key])[:SAID_LETTERS]
        raise SettingsError(
            f"storage {config.name} cannot be opened: {said}",
            code="storage_forbidden",
            hint="Its key is not in the form that the service gives: add the storage anew.",
        ) from error
