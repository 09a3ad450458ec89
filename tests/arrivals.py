"""All manifests that the product lets readers see while tests run, judged by parsers of others.

They are noted as they appear: when an asset is published into a folder or a storage, and each time
one that still grows is written anew. What processes of their own publish is not seen; they do what
is done here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

import parsers
from adaptation.adapters import live, publish
from adaptation.adapters.object_store import ObjectStore

BEGINNINGS = {".m3u8": b"#EXTM3U\n#EXT-X-VERSION", ".mpd": b"<?xml"}
"""How ours begin: tests of publishing alone let anything appear under these names."""

_seen = set[bytes]()
_waiting = list[tuple[str, str]]()


def watch(patch: pytest.MonkeyPatch) -> None:
    """Note whatever appears from now on; called before anybody has a name of what is replaced."""
    prove, write = publish._prove, live.write
    put_file, put_bytes = ObjectStore.put_file, ObjectStore.put_bytes

    def proven(target: Path, piece: publish._Piece) -> None:
        prove(target, piece)
        _note(piece.name, target)

    def written(target: Path, text: str) -> None:
        write(target, text)
        _note(target.name, text.encode())

    def file_put(store: ObjectStore, path: Path, key: str, **words: Any) -> Any:
        _note(key, path)
        return put_file(store, path, key, **words)

    def bytes_put(store: ObjectStore, content: bytes, key: str, **words: Any) -> Any:
        _note(key, content)
        return put_bytes(store, content, key, **words)

    patch.setattr(publish, "_prove", proven)
    patch.setattr(live, "write", written)
    patch.setattr(ObjectStore, "put_file", file_put)
    patch.setattr(ObjectStore, "put_bytes", bytes_put)


def complaints() -> list[str]:
    """What the parsers say of the manifests that appeared since this was last asked."""
    told = []
    while _waiting:
        name, text = _waiting.pop()
        told += [f"{name}: {warning}\n{text}" for warning in parsers.read(name, text)["warnings"]]
    return told


def _note(name: str, content: Path | bytes) -> None:
    beginning = BEGINNINGS.get(Path(name).suffix)
    if beginning is None:
        return
    content = content if isinstance(content, bytes) else content.read_bytes()
    digest = hashlib.sha256(content).digest()
    if content.startswith(beginning) and digest not in _seen:
        _seen.add(digest)
        _waiting.append((name, content.decode()))
