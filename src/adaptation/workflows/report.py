"""What a client is told of a finished asset: its active manifest, its files, how long it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from adaptation.context import Context
from adaptation.workflows.storage_places import storage_place

PUBLISHED = "published"
"""Field of the context that holds what was published."""
SAID = "metadata_said"
"""Field of the context: what the callback's `metadata` tells beside the duration."""
_NUMBERED = re.compile(r"(\d{5})\.m4s")


def published(names: Iterable[str], duration_seconds: float) -> dict[str, Any]:
    """The files of an asset as a context holds them: a film has thousands of numbered segments.

    Args:
        names: relative to the asset's folder, with `/`.
        duration_seconds: of the picture.
    """
    others: list[str] = []
    segments: dict[str, list[int]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        if found := _NUMBERED.fullmatch(file):
            segments.setdefault(folder, []).append(int(found[1]))
        else:
            others.append(name)
    spans = {folder: [min(numbers), max(numbers)] for folder, numbers in segments.items()}
    return {"files": others, "segments": spans, "duration_seconds": duration_seconds}


def report(result: dict[str, Any]) -> dict[str, Any]:
    """`message`, `files` and `metadata` of a job's callback, from the last context of the job."""
    known = result.get(PUBLISHED)
    if known is None:
        return {}
    context = Context(result)
    folder = context.folder_out
    # A storage has no separators of a file system.
    place = folder if storage_place(folder) else PurePath(folder)
    names = list(known["files"])
    for track, (first, last) in known["segments"].items():
        names += [f"{track}/{number:05d}.m4s" for number in range(first, last + 1)]
    return {
        "message": _joined(place, context.master_playlist),
        "files": [_joined(place, name) for name in names],
        "metadata": {"duration": known["duration_seconds"], **result.get(SAID, {})},
    }


def _joined(place: str | PurePath, name: str) -> str:
    return f"{place}/{name}" if isinstance(place, str) else str(place / name)
