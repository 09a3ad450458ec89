"""An entry of the cache of chunks: its record, and files that are proven on the way in and out."""

from __future__ import annotations

import errno
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adaptation.adapters.storage import checked_key
from adaptation.errors import ParameterError

ENTRY_NAME = "entry.json"
"""What an entry says of itself; its time of change is when the entry was last used."""
_DAMAGE = frozenset({errno.EIO, errno.EISDIR, errno.ENOTDIR, errno.ENOENT})
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class CachedFile:
    """A file on its way into the cache."""

    path: Path
    """Where it lies now; it is copy_proven, for what is published may be changed by its owner."""
    name: str
    """Inside the entry."""
    sha256: str
    """What it must hold."""


@dataclass(frozen=True)
class Record:
    """The content of `entry.json`."""

    is_full: bool
    """Whether every frame was decoded as proof, not only samples."""
    files: dict[str, tuple[int, str]]
    """Size in bytes and SHA-256 of each file by its name."""

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads back."""
        document = {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "proof": "full" if self.is_full else "samples",
            "files": self.files,
        }
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Record:
        """Read what `to_bytes` gave; raises ValueError for anything else."""
        try:
            document: dict[str, Any] = json.loads(content)
            files = {
                checked_key(name): (int(size_bytes), str(sha256))
                for name, (size_bytes, sha256) in document["files"].items()
            }
            return cls(document["proof"] == "full", files)
        except (ValueError, KeyError, TypeError, AttributeError, ParameterError) as error:
            raise ValueError(f"{ENTRY_NAME} is damaged") from error

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(size_bytes for size_bytes, _ in self.files.values())


def proven(path: Path, size_bytes: int, sha256: str) -> bytes | None:
    """A file's content; none when it is not what it should be."""
    try:
        content = path.read_bytes() if path.stat().st_size == size_bytes else b""
    except OSError as error:
        if error.errno in _DAMAGE:
            return None
        raise
    return content if hashlib.sha256(content).hexdigest() == sha256 else None


def copy_proven(file: CachedFile, target: Path) -> None:
    """Copy a file, and prove it on the way.

    Raises:
        ValueError: it is not what was measured.
        OSError: it cannot be read, or the copy not be written.
    """
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with file.path.open("rb") as source, target.open("xb") as copy:
        while piece := source.read(_PIECE_BYTES):
            digest.update(piece)
            copy.write(piece)
    if digest.hexdigest() != file.sha256:
        raise ValueError(f"{file.path} is not what was measured before")
