"""Indexes segments that lie in a folder or in memory, as the tasks of the product do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from adaptation.media.boxes import read_init
from adaptation.media.index import INIT_NAME, Track, index_track, measure


def index_named(name: str, init: bytes, named: Iterable[tuple[str, bytes]]) -> Track:
    """A track of segments given by name and content."""
    header = read_init(init)
    return index_track(name, init, [measure(file, content, header) for file, content in named])


def index_folder(folder: Path) -> Track:
    """The track that lies in a folder of its name."""
    files = sorted(folder.glob("*.m4s"))
    init = (folder / INIT_NAME).read_bytes()
    return index_named(folder.name, init, [(file.name, file.read_bytes()) for file in files])
