"""What a job has made, opened to be read, wherever it lies; no link and no name leads elsewhere."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from adaptation.adapters.asset_place import base_of
from adaptation.adapters.containment import held, names_below, safe_key
from adaptation.adapters.object_reading import opened_object
from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.publish import RECORD
from adaptation.errors import AdaptationError, SourceError

_PLAIN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""No link is followed, and no pipe is waited for."""


@dataclass(frozen=True)
class MadeFile:
    """An open file, which can be read and sought in."""

    stream: BinaryIO
    size_bytes: int
    etag: str
    """Changes with its bytes; without quotes."""


class MadeFiles(Protocol):
    """A folder of what was made."""

    def opened(self, name: str) -> AbstractContextManager[MadeFile]:
        """Open a file.

        Args:
            name: relative to the folder, with `/`.

        Raises:
            SourceError: `file_missing`.
            ParameterError: `path_outside`, `parameter_invalid`: a link, or no name of a file.
            AdaptationError: as `ObjectStore.facts`, for one that lies in a storage.
        """


@dataclass(frozen=True)
class FilesHere:
    """A folder of this machine. See `MadeFiles`."""

    folder: Path
    root: Path | None
    """Below it no symbolic link is followed, whoever puts one there."""

    @contextmanager
    def opened(self, name: str) -> Iterator[MadeFile]:
        """Open a file."""
        *folders, last = safe_key(name, "name").split("/")
        below = None if self.root is None else names_below(self.root, self.folder)
        with ExitStack() as stack:
            try:
                if self.root is None or below is None:
                    place = stack.enter_context(held(self.folder, folders))
                else:
                    place = stack.enter_context(held(self.root, (*below, *folders)))
                descriptor = os.open(place / last, _PLAIN)
            except OSError as error:
                raise missing_file(name) from error
            stack.callback(os.close, descriptor)
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise missing_file(name)
            stream = stack.enter_context(os.fdopen(descriptor, "rb", closefd=False))
            yield MadeFile(stream, facts.st_size, f"{facts.st_mtime_ns:x}-{facts.st_size:x}")


@dataclass(frozen=True)
class FilesFar:
    """A folder of a storage. See `MadeFiles`."""

    store: ObjectStore
    folder: str
    """Its key."""

    @contextmanager
    def opened(self, name: str) -> Iterator[MadeFile]:
        """Open a file.

        One with a folder that is not there is looked for below the asset's base: whoever has
        watched the asset while it grew knows it by such a name.
        """
        key = safe_key(name, "name")
        try:
            found = self.store.facts(f"{self.folder}/{key}")
        except SourceError as error:
            base = base_of(record_of(self)) if "/" in key else ""
            if not base or key.startswith(f"{base}/"):
                raise missing_file(name) from error
            found = self.store.facts(f"{self.folder}/{base}/{key}")
        with opened_object(self.store, found) as stream:
            yield MadeFile(stream, found.size_bytes, found.etag.strip('"'))


def record_of(files: MadeFiles) -> dict[str, Any]:
    """The record of an asset; empty: there is none, or what has its name is none."""
    try:
        with files.opened(RECORD) as file:
            found = json.loads(file.stream.read())
    except (ValueError, AdaptationError):
        return {}
    return found if isinstance(found, dict) else {}


def missing_file(name: str) -> SourceError:
    """The error for a file that is not there."""
    return SourceError(
        f"there is no {name!r:.200}",
        code="file_missing",
        hint="Somebody removed it, or it is not made yet.",
    )
