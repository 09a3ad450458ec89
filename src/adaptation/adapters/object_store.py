"""Objects of a storage service (S3, Azure Blob, Google Cloud): whole files under keys."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptation.adapters.addresses import AddressPolicy
from adaptation.adapters.masking import without
from adaptation.adapters.object_service import SAID_LETTERS, judge, opened
from adaptation.adapters.partial import Entity, claimed_part
from adaptation.adapters.storage_config import StorageConfig
from adaptation.errors import (
    AdaptationError,
    Cancelled,
    OutputError,
    SettingsError,
    SourceError,
    Transient,
)

PIECE_BYTES = 8 << 20
"""Bytes that are asked for at once, and of a part of a large file."""
MOST_PARTS = 9_000
"""S3 takes 10,000 parts of one file."""
PARTS_AT_ONCE = 4
LIST_ROWS = 1_000
DIGEST = "sha256"
"""Metadata of each object: the digest of its bytes, hexadecimal."""
_STATUS = re.compile(r"status code: (\d{3})")


@dataclass(frozen=True)
class Stored:
    """An object that is there."""

    key: str
    size_bytes: int
    etag: str
    """Changes with its bytes; empty: the service gave none."""
    sha256: str = ""
    """Digest of its bytes as it was noted; empty: nobody did, or it was not asked for."""


class ObjectStore:
    """One storage, as tasks use it. Keys are relative POSIX paths, see `storage.checked_key`.

    An object appears whole or not at all.
    """

    def __init__(self, config: StorageConfig, policy: AddressPolicy) -> None:
        """Judge where the storage lies, and open no connection yet.

        Args:
            config: as it is stored.
            policy: which addresses may be reached; it judges an end point that is named.

        Raises:
            SourceError: `address_forbidden`.
            Transient: `storage_unreachable`, the name of the end point has no address.
        """
        self.config = config
        judge(config, policy)
        self._store = opened(config)

    def put_file(
        self, path: Path, key: str, *, content_type: str = "", cache_control: str = ""
    ) -> Stored:
        """Store a file with its digest, large ones in parts.

        Raises:
            SettingsError: `storage_forbidden`.
            SourceError: `storage_not_found`, there is no such bucket.
            Transient: `storage_unreachable`.
        """
        import obstore

        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with self._naming(key):
            done = obstore.put(
                self._store,
                self._full(key),
                path,
                attributes=_attributes(content_type, cache_control) | {DIGEST: digest},
                chunk_size=max(PIECE_BYTES, size_bytes // MOST_PARTS),
                max_concurrency=PARTS_AT_ONCE,
            )
        return Stored(key, size_bytes, done.get("e_tag") or "", digest)

    def put_bytes(
        self,
        content: bytes,
        key: str,
        *,
        replacing: str | None = None,
        content_type: str = "",
        cache_control: str = "",
    ) -> None:
        """Store a small object, if nobody else has changed what is there.

        Args:
            content: its bytes.
            key: where it goes.
            replacing: the etag of what it takes the place of; None: there must be nothing.
            content_type: a media type.
            cache_control: as the header has it.

        Raises:
            OutputError: `storage_conflict`.
            SettingsError, SourceError, Transient: as `put_file`.
        """
        import obstore

        digest = hashlib.sha256(content).hexdigest()
        mode: Any = "create" if replacing is None else {"e_tag": replacing}
        with self._naming(key):
            obstore.put(
                self._store,
                self._full(key),
                content,
                attributes=_attributes(content_type, cache_control) | {DIGEST: digest},
                mode=mode,
            )

    def facts(self, key: str) -> Stored:
        """What is known of an object.

        Raises:
            SourceError: `storage_not_found`.
            SettingsError, Transient: as `put_file`.
        """
        import obstore

        with self._naming(key):
            found = obstore.get(self._store, self._full(key), options={"head": True})
            noted = {str(name).lower(): value for name, value in found.attributes.items()}
            meta = found.meta
        return Stored(key, meta["size"], meta["e_tag"] or "", str(noted.get(DIGEST, "")))

    def read(self, key: str) -> tuple[bytes, Stored]:
        """A small object with what is known of it; raises as `facts`."""
        import obstore

        with self._naming(key):
            found = obstore.get(self._store, self._full(key))
            meta = found.meta
            content = bytes(found.bytes())
        return content, Stored(key, meta["size"], meta["e_tag"] or "")

    def read_part(self, found: Stored, first: int, end: int) -> bytes:
        """Some bytes of an object.

        Args:
            found: as it was when it was looked at.
            first: number of the first byte, from 0.
            end: number of the byte behind the last; not beyond the object's end.

        Raises:
            SourceError: `storage_not_found`; `source_changing`, it was replaced meanwhile.
            SettingsError, Transient: as `put_file`.
        """
        import obstore

        if first >= end:
            return b""
        options: Any = {"range": (first, end)}
        if found.etag:
            options["if_match"] = found.etag
        try:
            with self._naming(found.key):
                answer = obstore.get(self._store, self._full(found.key), options=options)
                return bytes(answer.bytes())
        except OutputError as error:
            raise SourceError(
                f"{self._shown(found.key)} was replaced while it was fetched",
                code="source_changing",
                hint="Wait until it is complete, then submit the job again.",
            ) from error

    def copy(self, key: str, to: str) -> None:
        """Let the storage itself copy an object with its metadata; raises as `facts`."""
        import obstore

        with self._naming(key):
            obstore.copy(self._store, self._full(key), self._full(to))

    def get_file(
        self,
        key: str,
        target: Path,
        *,
        cancelled: threading.Event | None = None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    ) -> None:
        """Bring an object to this machine; what an earlier, broken try has brought is kept.

        Args:
            key: of the object.
            target: the file that appears, whole.
            cancelled: ends it soon after it is set.
            on_progress: is told bytes that are here, and all.

        Raises:
            SourceError: `storage_not_found`; `source_changing`, it was replaced meanwhile.
            Transient: `storage_damaged`, its digest is not the one that was noted.
            Cancelled: it was asked to stop.
            SettingsError, Transient: as `put_file`.
        """
        found = self.facts(key)
        entity = Entity(found.etag, found.size_bytes, length_known=True, etag=found.etag)
        with claimed_part(target, f"{self.config.name}/{key}") as part:
            part.go_on(entity) if found.etag and part.entity == entity else part.restart(entity)
            while part.size_bytes < found.size_bytes:
                if cancelled is not None and cancelled.is_set():
                    raise Cancelled("the download was asked to stop")
                end = min(part.size_bytes + PIECE_BYTES, found.size_bytes)
                part.append(self.read_part(found, part.size_bytes, end))
                on_progress(part.size_bytes, found.size_bytes)
            if found.sha256 and found.sha256 != _digest(part.path):
                part.discard()
                raise Transient(
                    f"{self._shown(key)} did not come as it was stored",
                    code="storage_damaged",
                    hint="It is fetched anew; if that does not help, store it once more.",
                )
            part.publish()

    def objects(self, prefix: str) -> list[Stored]:
        """All objects below the folder `prefix`, by key; raises as `put_file`."""
        import obstore

        start = self._full("")
        with self._naming(prefix):
            pages = obstore.list(self._store, self._full(prefix), chunk_size=LIST_ROWS)
            found = [row for page in pages for row in page]
        rows = [Stored(row["path"][len(start) :], row["size"], row["e_tag"] or "") for row in found]
        return sorted(rows, key=lambda row: row.key)

    def delete(self, keys: list[str]) -> None:
        """Remove objects; one that is not there is no error. Raises as `put_file`."""
        import obstore

        for first in range(0, len(keys), LIST_ROWS):
            page = [self._full(key) for key in keys[first : first + LIST_ROWS]]
            with self._naming(keys[first]):
                try:
                    obstore.delete(self._store, page)
                except FileNotFoundError:
                    # Azure and Google say so of one that is gone already, and leave the others.
                    self._delete_each(page)

    def delete_prefix(self, prefix: str) -> None:
        """Remove all objects below the folder `prefix`; raises as `put_file`."""
        self.delete([found.key for found in self.objects(prefix)])

    def _delete_each(self, paths: list[str]) -> None:
        import obstore

        for path in paths:
            try:
                obstore.delete(self._store, path)
            except FileNotFoundError:
                continue

    def _full(self, key: str) -> str:
        return f"{self.config.prefix}/{key}" if self.config.prefix else key

    def _shown(self, key: str) -> str:
        return f"{key or 'the bucket'} of storage {self.config.name}"

    @contextmanager
    def _naming(self, key: str) -> Iterator[None]:
        """Say what went wrong in words of ours, without the key that opens the storage."""
        from obstore import exceptions

        try:
            yield
        except (FileNotFoundError, exceptions.BaseError) as error:
            raise self._explained(error, key) from error

    def _explained(self, error: Exception, key: str) -> AdaptationError:
        from obstore import exceptions

        said = without(str(error).splitlines()[0], [self.config.secret_key])[:SAID_LETTERS]
        # Of a list the library tells the status in words alone.
        status = _STATUS.search(said)
        code = status[1] if status else ""
        if isinstance(error, FileNotFoundError) or code == "404":
            return SourceError(
                f"{self._shown(key)} is not there, or its bucket is not",
                code="storage_not_found",
                hint=f"Check the name; `adaptation storage check {self.config.name}` tells more.",
            )
        refusals = exceptions.PermissionDeniedError, exceptions.UnauthenticatedError
        if isinstance(error, refusals) or code in {"401", "403"}:
            return SettingsError(
                f"storage {self.config.name} does not let us at {key or 'its list'}: {said}",
                code="storage_forbidden",
                hint="Check its key and what the key may do:"
                f" adaptation storage check {self.config.name}",
            )
        if isinstance(error, exceptions.AlreadyExistsError | exceptions.PreconditionError):
            return OutputError(
                f"somebody else wrote {self._shown(key)} at the same time",
                code="storage_conflict",
                hint="Let one job at a time write to a folder.",
            )
        return Transient(
            f"storage {self.config.name} does not answer as it should: {said}",
            code="storage_unreachable",
            hint=f"`adaptation storage check {self.config.name}` tells what works.",
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _attributes(content_type: str, cache_control: str) -> dict[str, str]:
    named = {"Content-Type": content_type, "Cache-Control": cache_control}
    return {name: value for name, value in named.items() if value}
