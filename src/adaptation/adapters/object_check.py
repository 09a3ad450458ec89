"""A try of a storage: all that jobs do with one, on a small object that is gone afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from adaptation.adapters.object_store import ObjectStore
from adaptation.errors import AdaptationError, OutputError

FOLDER = "adaptation-check"
"""Below the prefix of the storage."""


@dataclass(frozen=True)
class Tried:
    """One thing that was tried."""

    name: str
    """write, keep, read, list, delete."""
    error: AdaptationError | None = None
    """Why it did not work; None: it did."""


def try_out(store: ObjectStore) -> Iterator[Tried]:
    """Write, not overwrite, read, list and delete; it ends with the first that does not work."""
    key, content = f"{FOLDER}/{uuid4().hex}.txt", b"adaptation storage check\n"
    steps: dict[str, Callable[[], None]] = {
        "write": lambda: store.put_bytes(content, key),
        "keep": lambda: _keep(store, key),
        "read": lambda: _expect(store.read(key)[0] == content, "it gave other bytes back"),
        "list": lambda: _expect(
            key in [one.key for one in store.objects(FOLDER)], "it lists it not"
        ),
        "delete": lambda: store.delete([key]),
    }
    for name, step in steps.items():
        try:
            step()
        except AdaptationError as error:
            if name != "write":
                with suppress(AdaptationError):
                    store.delete([key])
            yield Tried(name, error)
            return
        yield Tried(name)


def _keep(store: ObjectStore, key: str) -> None:
    """What is there must not be written over by who believes that there is nothing."""
    try:
        store.put_bytes(b"another\n", key)
    except OutputError:
        return
    _expect(False, "it let one writer overwrite another, who was first")


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise OutputError(
            f"the storage does not do what it should: {otherwise}",
            code="storage_conflict",
            hint="Assets are published safely only with conditional writes and true lists.",
        )
