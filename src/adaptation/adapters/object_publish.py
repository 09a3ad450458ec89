"""Publishing into a storage: an asset's files under a version of their own, then what names them.

A storage knows no folders that could be switched in one moment. So all media and playlists of an
asset lie in a folder of its version, and only the files at its root, which name that folder, are
written over: each is whole at any moment, and names one version alone.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from adaptation.adapters.media_types import MEDIA_TYPES
from adaptation.adapters.object_store import ObjectStore, Stored
from adaptation.adapters.publish import RECORD
from adaptation.errors import AdaptationError, Cancelled, OutputError, SourceError, Transient

_VERSION = re.compile(r"v[0-9a-f]{16}")
_NAMED = re.compile(rb"\bv[0-9a-f]{16}/")
"""Stands in every manifest at the root of an asset."""
MANIFESTS = (".m3u8", ".mpd")
"""How what leads readers to media ends."""
LEADING = frozenset({"master.m3u8", "manifest.mpd", RECORD})
"""What does so at the root of an asset of ours: all of it must name the same version."""
FILES_AT_ONCE = 8
FOREVER = "public, max-age=31536000, immutable"
"""What lies in the folder of a version never changes."""
ASK_AGAIN = "no-cache"
"""What lies at the root does."""


@dataclass(frozen=True)
class Plan:
    """A publication: what goes where, and on which terms."""

    folder: str
    """Key of the asset's folder."""
    asset_id: str
    """What its `asset.json` says."""
    may_replace: Callable[[str], bool]
    """Whether the asset with this id may be taken the place of."""
    cancelled: threading.Event
    """Ends it soon after it is set."""
    on_progress: Callable[[int, int], None]
    """Is told files that are there, and all."""
    confirm: Callable[[], None]
    """Raises if somebody else has this publication by now; called before others see it."""
    base: str = ""
    """The folder inside the asset that media go to; empty: `version_folder` of its id."""
    record_etag: str = ""
    """Of the record that this publication is made from, which must still be there; empty: any."""

    @property
    def version(self) -> str:
        """Key of the folder that media go to."""
        return f"{self.folder}/{self.base or version_folder(self.asset_id)}"


@dataclass(frozen=True)
class Remote:
    """A file that lies in a storage already."""

    store: ObjectStore
    found: Stored
    aside: Path
    """Where it may lie on this machine on its way to another storage."""

    @property
    def size_bytes(self) -> int:
        """Its size."""
        return self.found.size_bytes

    def is_of(self, store: ObjectStore) -> bool:
        """Whether a storage can copy it by itself."""
        return self.store.config == store.config


Source = Path | Remote
"""Where a file lies now."""
Piece = tuple[Source, str]
"""That, and its name inside the asset."""


def version_folder(asset_id: str) -> str:
    """The folder inside an asset's that holds the files of this version of it."""
    return f"v{hashlib.sha256(asset_id.encode()).hexdigest()[:16]}"


def check_free(store: ObjectStore, plan: Plan) -> None:
    """Tell before any work is done whether the asset could be published.

    Raises:
        OutputError: `output_exists`, another asset is there.
        AdaptationError: as `ObjectStore.read`.
    """
    _root(store, plan)


def publish(files: Iterable[Piece], store: ObjectStore, plan: Plan) -> None:
    """Store an asset: media, then the playlists of its tracks, then what leads to them.

    Calling it again after a crash is safe: what is there already is not sent again. What lies in
    this storage already is copied by the storage itself, or stays where it is. The files of
    versions before, and what this one does not name, are deleted at the end.

    Args:
        files: where each lies, and its name inside the asset: at its root, or below the plan's
            version.
        store: where it goes.
        plan: where in it, and on which terms.

    Raises:
        OutputError: `output_exists`; `output_incomplete`; `storage_conflict`, somebody else
            publishes to this folder.
        Cancelled: it was asked to stop.
        AdaptationError: as `ObjectStore.put_file`.
    """
    pieces = list(files)
    inner = [piece for piece in pieces if piece[1] not in LEADING]
    outer = sorted((piece for piece in pieces if piece[1] in LEADING), key=_turn)
    root = _root(store, plan)
    try:
        _send(store, plan, inner, len(pieces))
        _prove(store, plan, inner)
        plan.confirm()
        for source, name in outer:
            _replace(store, plan, source, name, root.get(name))
    except OutputError:
        # After anything else the next try, or one that runs already, goes on with what is there.
        with suppress(AdaptationError):
            _withdraw(store, plan)
        raise
    plan.on_progress(len(pieces), len(pieces))
    _drop_others(store, plan, {f"{plan.folder}/{name}" for _, name in pieces})


def put_beside(store: ObjectStore, path: Path, key: str) -> None:
    """Put one file beside others, in place of what had its name; raises as `put_file`."""
    store.put_file(path, key, content_type=_type(key), cache_control=ASK_AGAIN)


def is_stored(store: ObjectStore, path: Path, there: Stored) -> bool:
    """Whether an object has the very bytes of a file, by its size and the digest that was noted.

    Raises:
        AdaptationError: as `ObjectStore.facts`.
    """
    if there.size_bytes != path.stat().st_size:
        return False
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return store.facts(there.key).sha256 == digest


def asset_id_of(store: ObjectStore, folder: str) -> str | None:
    """The id of the asset in a folder of a storage; None: it holds none."""
    try:
        content, _ = store.read(f"{folder}/{RECORD}")
    except SourceError:
        return None
    return _asset_id(content)


def _turn(piece: Piece) -> tuple[bool, str]:
    """The record comes last: an asset is there when it is."""
    return piece[1] == RECORD, piece[1]


def _root(store: ObjectStore, plan: Plan) -> dict[str, str]:
    """The etags of what lies at the root now, by name; refuses what may not be replaced."""
    there = {
        found.key.rpartition("/")[2]: found.etag
        for found in store.objects(plan.folder)
        if found.key.rpartition("/")[0] == plan.folder
    }
    if RECORD not in there:
        _refuse_foreign(store, plan, there)
        return there
    content, found = store.read(f"{plan.folder}/{RECORD}")
    present = _asset_id(content)
    if present != plan.asset_id and not (present and plan.may_replace(present)):
        raise OutputError(
            f"{plan.folder} of storage {store.config.name} holds another asset, {present}",
            code="output_exists",
            hint="Name another folder, or replace that asset with empty_target.",
        )
    if plan.record_etag and plan.record_etag != found.etag:
        raise OutputError(
            f"somebody else wrote {plan.folder} of storage {store.config.name} at the same time",
            code="storage_conflict",
            hint="Let one job at a time write to a folder.",
        )
    return there | {RECORD: found.etag}


def _refuse_foreign(store: ObjectStore, plan: Plan, names: Iterable[str]) -> None:
    """Manifests without a record are what a killed publication left, or not ours at all."""
    for name in names:
        if not name.endswith(MANIFESTS):
            continue
        if not _NAMED.search(store.read(f"{plan.folder}/{name}")[0]):
            raise OutputError(
                f"{plan.folder} of storage {store.config.name} has a {name} of no asset",
                code="output_exists",
                hint="Name another folder; empty_target replaces nothing but an asset.",
            )


def _asset_id(record: bytes) -> str | None:
    try:
        found = json.loads(record)
    except ValueError:
        return None
    known = found.get("asset_id") if isinstance(found, dict) else None
    return known if isinstance(known, str) else None


def _send(store: ObjectStore, plan: Plan, pieces: Sequence[Piece], count: int) -> None:
    """Media before the playlists that name them."""
    there = {found.key: found for found in store.objects(plan.folder)}
    lists = [piece for piece in pieces if piece[1].endswith(".m3u8")]
    media = [piece for piece in pieces if not piece[1].endswith(".m3u8")]
    done = 0
    for turn in (media, lists):
        with ThreadPoolExecutor(FILES_AT_ONCE, "storing") as pool:

            def send(piece: Piece) -> None:
                if plan.cancelled.is_set():
                    raise Cancelled("the publication was asked to stop")
                source, name = piece
                key = f"{plan.folder}/{name}"
                if isinstance(source, Remote):
                    _send_remote(store, source, key, there.get(key))
                elif key not in there or not is_stored(store, source, there[key]):
                    _put(store, source, key)

            for sent in [pool.submit(send, piece) for piece in turn]:
                try:
                    sent.result()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
                done += 1
                plan.on_progress(done, count)


def _send_remote(store: ObjectStore, source: Remote, key: str, there: Stored | None) -> None:
    """Bring an object to its place, if it is not there already."""
    if source.is_of(store):
        # A copy is whole or not there, and nobody else writes below this version.
        if there is None or there.size_bytes != source.size_bytes:
            store.copy(source.found.key, key)
        return
    source.store.get_file(source.found.key, source.aside)
    try:
        if there is None or not is_stored(store, source.aside, there):
            _put(store, source.aside, key)
    finally:
        source.aside.unlink()


def _put(store: ObjectStore, path: Path, key: str) -> None:
    inner = any(map(_VERSION.fullmatch, key.split("/")[:-1]))
    cache_control = FOREVER if inner else ASK_AGAIN
    store.put_file(path, key, content_type=_type(key), cache_control=cache_control)


def _prove(store: ObjectStore, plan: Plan, pieces: Sequence[Piece]) -> None:
    """The storage itself says what it has."""
    there = {found.key: found.size_bytes for found in store.objects(plan.folder)}
    wanted = {f"{plan.folder}/{name}": _size(source) for source, name in pieces}
    wrong = sorted(key for key, size in wanted.items() if there.get(key) != size)
    if wrong:
        raise Transient(
            f"{len(wrong)} files did not arrive whole in storage {store.config.name},"
            f" such as {wrong[0]}",
            code="output_incomplete",
            hint="They are sent again; if that does not help, check the storage.",
        )


def _size(source: Source) -> int:
    return source.size_bytes if isinstance(source, Remote) else source.stat().st_size


def _replace(
    store: ObjectStore, plan: Plan, source: Source, name: str, replacing: str | None
) -> None:
    if isinstance(source, Remote):
        raise TypeError(f"{name} names a version, and is written anew for each")
    store.put_bytes(
        source.read_bytes(),
        f"{plan.folder}/{name}",
        replacing=replacing,
        content_type=_type(name),
        cache_control=ASK_AGAIN,
    )


def _withdraw(store: ObjectStore, plan: Plan) -> None:
    """Remove what was sent, unless something at the root names it already."""
    name = plan.version.rpartition("/")[2].encode()
    for found in store.objects(plan.folder):
        if found.key[len(plan.folder) + 1 :] in LEADING and name in store.read(found.key)[0]:
            return
    store.delete_prefix(plan.version)


def _drop_others(store: ObjectStore, plan: Plan, wanted: Set[str]) -> None:
    """Delete the files of versions before, and nothing that is not ours."""
    if asset_id_of(store, plan.folder) != plan.asset_id:
        return  # somebody has replaced it meanwhile
    spent = []
    for found in store.objects(plan.folder):
        name = found.key[len(plan.folder) + 1 :]
        folder, inner, _ = name.partition("/")
        is_media = bool(inner) and _VERSION.fullmatch(folder) is not None
        if (is_media or name in LEADING) and found.key not in wanted:
            spent.append(found.key)
    leading = [key for key in spent if key[len(plan.folder) + 1 :] in LEADING]
    store.delete(leading)
    store.delete([key for key in spent if key not in leading])


def _type(name: str) -> str:
    return MEDIA_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
