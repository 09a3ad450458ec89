"""Where the init segment and the media segments of a track lie in the files of an asset."""

from __future__ import annotations

import hashlib

from adaptation.adapters.asset_place import AssetPlace, Part
from adaptation.media.asset_record import damaged_asset
from adaptation.media.index import Segment, Track


def init_part(track: Track) -> Part:
    """The init segment of a track."""
    size_bytes = track.init_size_bytes if track.is_one_file else None
    return Part(f"{track.folder}/{track.init_name}", 0, size_bytes)


def segment_part(track: Track, segment: Segment) -> Part:
    """One of the media segments of a track."""
    name = f"{track.folder}/{segment.name}"
    return Part(name) if segment.offset is None else Part(name, segment.offset, segment.size_bytes)


def init_of(place: AssetPlace, track: Track) -> bytes:
    """The init segment of a track, which is what the record says.

    Raises:
        SourceError: `asset_damaged`.
    """
    return _known(place, init_part(track), track.init_sha256)


def segment_of(place: AssetPlace, track: Track, segment: Segment) -> bytes:
    """One of the media segments of a track, which is what the record says; raises as `init_of`."""
    return _known(place, segment_part(track, segment), segment.sha256)


def _known(place: AssetPlace, part: Part, sha256: str) -> bytes:
    (content,) = place.contents([part])
    if hashlib.sha256(content).hexdigest() != sha256:
        raise damaged_asset(f"{part.name} is not what its record says")
    return content
