"""The files that a playlist in a storage names: objects in its own folder or below it."""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from adaptation.adapters.children import OnBytes, Visit
from adaptation.adapters.object_store import ObjectStore
from adaptation.adapters.scratch import naming_a_full_disk
from adaptation.errors import SourceError


def address_of(key: str) -> str:
    """An object's key as the address that names in a playlist are relative to."""
    return f"file:///{quote(key)}"


class ObjectChildren:
    """Objects in the folder of a playlist; see `adaptation.adapters.children.Children`."""

    def __init__(self, store: ObjectStore, folder: str) -> None:
        self.store = store
        self.folder = folder

    @contextmanager
    def visit(self, stop: threading.Event) -> Iterator[Visit]:
        """Give what brings one object after the other, until `stop` is set."""
        yield _ObjectVisit(self, stop)


class _ObjectVisit:
    def __init__(self, children: ObjectChildren, stop: threading.Event) -> None:
        self._children = children
        self._stop = stop

    def bring(self, address: str, target: Path, on_bytes: OnBytes) -> str:
        """Bring an object.

        Raises:
            SourceError: `source_child_forbidden`, `source_missing`, `source_changing`.
            Transient: `scratch_full`, and as `ObjectStore.get_file`.
        """
        key = posixpath.normpath(unquote(urlsplit(address).path).lstrip("/"))
        store, folder = self._children.store, self._children.folder
        if not PurePosixPath(key).is_relative_to(folder):
            raise SourceError(
                f"the playlist may not be followed: {PurePosixPath(key).name:.100} is no file in"
                " its folder or below",
                code="source_child_forbidden",
                hint="Put the playlist and all its files into one folder of the storage.",
            )
        try:
            with naming_a_full_disk(target.parent, "scratch_full"):
                store.get_file(
                    key,
                    target,
                    cancelled=self._stop,
                    on_progress=lambda done, total: on_bytes(done),  # noqa: ARG005
                )
        except SourceError as error:
            if error.code != "storage_not_found":
                raise
            raise SourceError(
                f"{PurePosixPath(key).name:.100} of the playlist is not in its storage",
                code="source_missing",
                hint="Copy the playlist together with all its files.",
            ) from error
        return address
