"""What others name to be deleted in a storage: whether it is there, and its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from adaptation.adapters.object_store import LIST_ROWS, ObjectStore
from adaptation.adapters.publish import RECORD
from adaptation.errors import OutputError, SourceError

ASKED_AT_ONCE = 8
MANIFESTS = (".m3u8", ".mpd")


def is_folder(store: ObjectStore, key: str) -> bool:
    """Whether anything lies below a folder.

    Raises:
        OutputError: `output_is_file`.
        AdaptationError: as `ObjectStore.objects`.
    """
    if store.objects(key):
        return True
    if _is_object(store, key):
        raise OutputError(
            f"{key} of storage {store.config.name} is a file",
            code="output_is_file",
            hint="Name the folder that it lies in.",
        )
    return False


def files_among(store: ObjectStore, keys: Sequence[str]) -> list[str]:
    """Those of some keys that there is an object of, in their order.

    Raises:
        OutputError: `output_is_folder`, one is the name of a folder.
        AdaptationError: as `ObjectStore.facts`.
    """

    def is_file(key: str) -> bool:
        if _is_object(store, key):
            return True
        if store.objects(key):
            raise OutputError(
                f"{key} of storage {store.config.name} is a folder",
                code="output_is_folder",
                hint="Name its files one by one, or delete all of it with voddelete.",
            )
        return False

    with ThreadPoolExecutor(ASKED_AT_ONCE, "asking") as pool:
        return [key for key, found in zip(keys, pool.map(is_file, keys), strict=True) if found]


def remove_folder(store: ObjectStore, folder: str, on_count: Callable[[int, int], None]) -> None:
    """Delete all below a folder; what leads readers to media goes before the media.

    Calling it again after a crash is safe. A folder that is not there is no error.

    Args:
        store: where it lies.
        folder: its key.
        on_count: is told objects that are gone, and all; what it raises stops the work.

    Raises:
        AdaptationError: as `ObjectStore.delete`.
    """
    keys = [found.key for found in store.objects(folder)]
    assets = {key.rpartition("/")[0] for key in keys if key.rpartition("/")[2] == RECORD}
    # False is sorted before True, and the rest stays in its order.
    turned = sorted(keys, key=lambda key: not _leads(key, assets))
    leading = sum(_leads(key, assets) for key in keys)
    remove_files(store, turned, on_count, pages=[leading])


def remove_files(
    store: ObjectStore,
    keys: Sequence[str],
    on_count: Callable[[int, int], None],
    pages: Sequence[int] = (),
) -> None:
    """Delete objects in their order; one that is not there is none that could be deleted.

    Args:
        store: where they lie.
        keys: of what is deleted.
        on_count: as for `remove_folder`.
        pages: counts after which a request of its own begins: a storage deletes those of one
            request in any order.

    Raises:
        AdaptationError: as `ObjectStore.delete`.
    """
    edges = sorted({0, *pages, *range(0, len(keys), LIST_ROWS), len(keys)})
    for start, end in pairwise(edges):
        store.delete(list(keys[start:end]))
        on_count(end, len(keys))


def _leads(key: str, assets: Set[str]) -> bool:
    """Whether an object is the record of an asset, or a manifest beside one."""
    folder, _, name = key.rpartition("/")
    return folder in assets and (name == RECORD or name.endswith(MANIFESTS))


def _is_object(store: ObjectStore, key: str) -> bool:
    try:
        store.facts(key)
    except SourceError:
        return False
    return True
