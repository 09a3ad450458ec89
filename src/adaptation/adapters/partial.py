"""A file that is still arriving: its bytes, and what is known about where they came from."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from io import FileIO
from pathlib import Path
from uuid import uuid4

if sys.platform != "win32":
    import fcntl


@dataclass(frozen=True)
class Entity:
    """What a server said about the bytes it sends."""

    validator: str = ""
    """Value for If-Range; empty when the server gave none that is strong (RFC 9110 §13.1.5)."""
    total_bytes: int | None = None
    """Size of the whole; None when it was not announced."""
    length_known: bool = False
    """Whether a cut can be told from an end: a length was announced, or the body is chunked."""
    content_type: str = ""
    """Media type without parameters, lower case."""
    etag: str = ""
    """ETag as sent."""

    def differs_from(self, other: Entity) -> bool:
        """Tell whether the two are certainly not the same bytes."""
        return (self.validator, self.total_bytes) != (other.validator, other.total_bytes)


class Partial:
    """`<target>.part`, and beside it a record that says whether its bytes may be added to."""

    def __init__(self, target: Path, path: Path, file: FileIO, url: str) -> None:
        self.target = target
        self.path = path
        self.entity = Entity()
        self.size_bytes = 0
        self._file = file
        self._record = path.with_name(path.name + ".json")
        # Hashed: the URL may hold a password, and this file outlives the process.
        self._url_sha256 = sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
        self._published = False
        self._recall()

    def resume_headers(self) -> dict[str, str]:
        """Give the request headers that ask for the missing bytes; none for a new start."""
        if self.size_bytes and self.size_bytes == self.entity.total_bytes:
            # Ask for the last byte again: a whole file is confirmed the way a cut one is resumed.
            self._truncate(self.size_bytes - 1)
        if not self.size_bytes or not self.entity.validator:
            return {}
        return {"Range": f"bytes={self.size_bytes}-", "If-Range": self.entity.validator}

    def restart(self, entity: Entity) -> None:
        """Drop the bytes and expect all of `entity`."""
        self._truncate(0)  # before the new record: old bytes must never stand under it
        self.go_on(entity)

    def go_on(self, entity: Entity) -> None:
        """Keep the bytes and expect the rest of `entity`."""
        if entity != self.entity or not self._record.exists():
            self.entity = entity
            incoming = self._record.with_name(self._record.name + ".new")
            incoming.write_text(json.dumps({"url": self._url_sha256, **asdict(entity)}))
            incoming.replace(self._record)

    def append(self, piece: bytes) -> None:
        """Add bytes at the end; they survive the end of this process."""
        rest = memoryview(piece)
        while rest:
            written = self._file.write(rest)
            self.size_bytes += written
            rest = rest[written:]

    def head(self, size_bytes: int) -> bytes:
        """Give the first bytes."""
        self._file.seek(0)
        return self._file.read(size_bytes)

    def discard(self) -> None:
        """Forget bytes and record."""
        self._truncate(0)
        self._record.unlink(missing_ok=True)
        self.entity = Entity()

    def publish(self) -> None:
        """Give the bytes their final name."""
        self._file.close()  # Windows renames no open file
        self.path.replace(self.target)
        self._published = True
        self._record.unlink(missing_ok=True)

    def close(self, *, keep: bool) -> None:
        """End the work on this part; without `keep`, or with nothing in it, it disappears."""
        if not self._published and not (keep and self.size_bytes):
            self._record.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _recall(self) -> None:
        """Take up what an earlier fetch of the same URL left, or start empty."""
        try:
            record = json.loads(self._record.read_text())
            same_url = record.pop("url") == self._url_sha256
            entity = Entity(**record)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            same_url, entity = False, Entity()
        size_bytes = self.path.stat().st_size
        if same_url and size_bytes <= (entity.total_bytes or size_bytes):
            self.entity, self.size_bytes = entity, size_bytes
            self._file.seek(size_bytes)
        else:
            self.discard()

    def _truncate(self, size_bytes: int) -> None:
        self._file.truncate(size_bytes)
        self._file.seek(size_bytes)
        self.size_bytes = size_bytes


@contextmanager
def claimed_part(target: Path, url: str) -> Iterator[Partial]:
    """Give the part file of `target` to one fetch alone, with what earlier ones left in it.

    While another fetch is writing it (a worker that lost its lease may still be), this one gets a
    part under a name of its own, which is never resumed by others.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(target.name + ".part")
    file = _locked(path)
    shared = file is not None
    if file is None:
        path = target.with_name(f"{target.name}.{uuid4().hex}.part")
        file = FileIO(path, "x+")
    part = Partial(target, path, file, url)
    try:
        yield part
    finally:
        part.close(keep=shared)


def _locked(path: Path) -> FileIO | None:
    """Open and lock `path` until it is closed or its process dies; None when it is taken."""
    if sys.platform == "win32":  # every fetch takes a part of its own and resumes only itself
        return None
    while True:
        file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # taken; or a file system that knows no locks
            file.close()
            return None
        # Its last owner may have renamed it to the target between our open and our lock.
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return file
        file.close()
