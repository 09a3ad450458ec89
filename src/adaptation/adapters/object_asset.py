"""A published asset as it lies in a storage: listed once, and read as far as it is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from adaptation.adapters.asset_folder import missing_asset
from adaptation.adapters.asset_place import BASE, Part, base_of
from adaptation.adapters.object_reading import opened_object
from adaptation.adapters.object_store import ObjectStore, Stored
from adaptation.adapters.publish import RECORD
from adaptation.errors import SourceError, Transient

FETCHED_AT_ONCE = 8
LOOKS = 5
"""How often an asset is looked at that others write anew meanwhile."""
_VERSION = re.compile(r"v[0-9a-f]{16}(?=/)")


@dataclass(frozen=True)
class ObjectAsset:
    """An asset in a storage, as it was when it was opened. See `AssetPlace`."""

    store: ObjectStore
    folder: str
    """Its key."""
    objects: Mapping[str, Stored]
    """What it consists of, by name."""
    document: Mapping[str, Any]
    """Its record."""
    etag: str
    """Of its record."""

    @property
    def name(self) -> str:
        """What it is called in errors."""
        return f"{self.folder} of storage {self.store.config.name}"

    @property
    def base(self) -> str:
        """The folder of it that all folders of tracks lie in; empty: the asset's own."""
        return base_of(self.document)

    def record(self) -> Any:
        """The JSON of `asset.json`."""
        return self.document

    def names(self) -> set[str]:
        """Every file that is part of it."""
        return set(self.objects)

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        """Open a file to read and to seek in it.

        Raises:
            SourceError: `asset_damaged`, it is not there, also while it is read.
            AdaptationError: as `ObjectStore.read_part`.
        """
        with opened_object(self.store, self.found(name)) as file:
            yield file

    def contents(self, parts: Sequence[Part]) -> list[bytes]:
        """The bytes of some files or of parts of them, in their order; raises as `reading`."""

        def content(part: Part) -> bytes:
            found = self.found(part.name)
            end = found.size_bytes
            if part.size_bytes is not None:
                end = min(end, part.offset + part.size_bytes)
            return self.store.read_part(found, part.offset, end)

        with ThreadPoolExecutor(FETCHED_AT_ONCE, "fetching") as pool:
            return list(pool.map(content, parts))

    def fetch(self, names: Sequence[str], folder: Path) -> dict[str, Path]:
        """Bring files to this machine; gives their paths by name.

        Raises:
            SourceError: `asset_damaged`, one is not there; `source_changing`.
            AdaptationError: as `ObjectStore.get_file`.
        """

        def bring(name: str) -> Path:
            target = folder / name
            self.store.get_file(self.found(name).key, target)
            return target

        with ThreadPoolExecutor(FETCHED_AT_ONCE, "fetching") as pool:
            return dict(zip(names, pool.map(bring, names), strict=True))

    def found(self, name: str) -> Stored:
        """What is known of a file.

        Raises:
            SourceError: `asset_damaged`, there is none of that name.
        """
        if name not in self.objects:
            raise SourceError(
                f"{self.name}/{name} is not there",
                code="asset_damaged",
                hint="Somebody removed it: encode the asset again.",
            )
        return self.objects[name]


def opened_object_asset(store: ObjectStore, folder: str) -> ObjectAsset:
    """The asset in a folder of a storage.

    Args:
        store: where it lies.
        folder: its key.

    Raises:
        SourceError: `asset_missing`, `asset_damaged`.
        Transient: `storage_conflict`, it is written anew all the time.
        AdaptationError: as `ObjectStore.read`.
    """
    key = f"{folder}/{RECORD}"
    for _ in range(LOOKS):
        try:
            content, before = store.read(key)
            listed = store.objects(folder)
            again, _ = store.read(key)
        except SourceError as error:
            raise missing_asset(f"{folder} of storage {store.config.name}") from error
        if content == again:
            document = _document(content, f"{folder} of storage {store.config.name}")
            return ObjectAsset(
                store, folder, _named(listed, folder, base_of(document)), document, before.etag
            )
    raise Transient(
        f"{folder} of storage {store.config.name} is written anew all the time",
        code="storage_conflict",
        hint="Let one job at a time write to a folder.",
    )


def _document(content: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise missing_asset(name) from error
    if not isinstance(found, dict):
        raise missing_asset(name)
    return _with_base(found)


def _with_base(record: dict[str, Any]) -> dict[str, Any]:
    """The record of an asset; an old one names its version in the folder of each track instead."""
    listed = record.get("tracks")
    if BASE in record or not isinstance(listed, list):
        return record
    folders = [str(one.get("folder")) if isinstance(one, dict) else "" for one in listed]
    versions = {found[0] if (found := _VERSION.match(one)) else "" for one in folders}
    if len(versions) != 1 or "" in versions:
        return record
    (base,) = versions
    tracks = [{**one, "folder": one["folder"].removeprefix(f"{base}/")} for one in listed]
    return {**record, BASE: base, "tracks": tracks}


def _named(listed: Sequence[Stored], folder: str, base: str) -> dict[str, Stored]:
    """What belongs to an asset by the names of `AssetPlace`."""
    found, inner = dict[str, Stored](), f"{base}/" if base else ""
    for one in listed:
        name = one.key[len(folder) + 1 :]
        if name.startswith(inner) or "/" not in name:
            found[name.removeprefix(inner)] = one
    return found
