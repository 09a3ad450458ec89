"""Writes `asset.json`, the record of what an asset holds and where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from adaptation.media.dash import MANIFEST_NAME
from adaptation.media.hls import MASTER_NAME, PLAYLIST_NAME
from adaptation.media.index import Track
from adaptation.media.probe import Source
from adaptation.media.texttrack import TextTrack

ASSET_NAME = "asset.json"
"""File of the record, at the root of the asset."""
FORMAT = 1
"""Version of the document; readers refuse a larger one."""


@dataclass(frozen=True)
class Origin:
    """How an asset came to be."""

    asset_id: str
    """Its id."""
    parameters: Mapping[str, Any]
    """The request, plain JSON."""
    tools: Mapping[str, str]
    """Version of each tool by its name."""
    created_at: str
    """RFC 3339 time in UTC."""


def asset_document(
    origin: Origin, source: Source, tracks: Sequence[Track], texts: Sequence[TextTrack] = ()
) -> dict[str, Any]:
    """The record as plain JSON; the same arguments give the same document."""
    listed = [*map(_track, tracks), *map(_text_track, texts)]
    facts = source.to_json()
    # Chapters are said once, of the asset.
    del facts["chapters"]
    return {
        "format": FORMAT,
        "asset_id": origin.asset_id,
        "created_at": origin.created_at,
        "duration_seconds": float(max(track.duration_seconds for track in tracks)),
        "size_bytes": sum(_size(track) for track in tracks) + sum(map(_text_size, texts)),
        "manifests": {"hls": MASTER_NAME, "dash": MANIFEST_NAME},
        "source": facts,
        "parameters": dict(origin.parameters),
        "tools": dict(sorted(origin.tools.items())),
        "chapters": [asdict(chapter) for chapter in source.chapters],
        "tracks": listed,
    }


def asset_text(
    origin: Origin, source: Source, tracks: Sequence[Track], texts: Sequence[TextTrack] = ()
) -> str:
    """The record as the content of its file."""
    document = asset_document(origin, source, tracks, texts)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _size(track: Track) -> int:
    return track.init_size_bytes + sum(segment.size_bytes for segment in track.segments)


def _text_size(text: TextTrack) -> int:
    return text.file_size_bytes + sum(segment.size_bytes for segment in text.segments)


def _track(track: Track) -> dict[str, Any]:
    return {
        **track.to_json(),
        "playlist": f"{track.folder}/{PLAYLIST_NAME}",
        "duration_seconds": float(track.duration_seconds),
        "size_bytes": _size(track),
        "peak_bandwidth": track.peak_bandwidth,
        "average_bandwidth": track.average_bandwidth,
    }


def _text_track(text: TextTrack) -> dict[str, Any]:
    return {
        "kind": "text",
        **text.to_json(),
        "playlist": f"{text.folder}/{PLAYLIST_NAME}",
        "duration_seconds": float(text.duration_seconds),
        "size_bytes": _text_size(text),
        "peak_bandwidth": text.peak_bandwidth,
        "average_bandwidth": text.average_bandwidth,
    }
