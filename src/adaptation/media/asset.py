"""Writes `asset.json`, the record of what an asset holds and where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from adaptation.errors import SourceError
from adaptation.media.dash import MANIFEST_NAME
from adaptation.media.hls import MASTER_NAME, PLAYLIST_NAME
from adaptation.media.index import Track
from adaptation.media.probe import Source
from adaptation.media.texttrack import TextTrack
from adaptation.media.trickplay import TrickPlay

ASSET_NAME = "asset.json"
"""File of the record, at the root of the asset."""
FORMAT = 1
"""Version of the document; readers refuse a larger one."""
PROTECTION = "protection"
"""Field of the record that tells of encrypted copies."""
CLEAR: Literal["clear"] = "clear"
"""What is active where no copy is, and the folder of clear tracks that have copies."""
TRICKPLAY = "trickplay"
"""Field of what there is for searching, in the record of an asset that has it."""


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
    return _text(asset_document(origin, source, tracks, texts))


@dataclass(frozen=True)
class Asset:
    """What a record says of its asset."""

    document: Mapping[str, Any]
    """The record as it was read."""
    tracks: tuple[Track, ...]
    """Pictures and sounds; at least one picture."""
    texts: tuple[TextTrack, ...]
    """Subtitles."""
    trick: TrickPlay | None
    """What there is for searching."""

    @classmethod
    def from_json(cls, document: Any) -> Asset:
        """Read what `asset_document` or `with_trick` gave.

        Raises:
            SourceError: `asset_damaged`, `asset_protected`.
        """
        try:
            _refuse_protected(document)
            tracks, texts = listed_tracks(document)
            trick = document.get(TRICKPLAY)
            asset = cls(document, tracks, texts, TrickPlay.from_json(trick) if trick else None)
            is_whole = isinstance(document["asset_id"], str) and all(one.segments for one in tracks)
        except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise damaged_asset(f"its record cannot be read: {error!r:.200}") from error
        if not is_whole or not any(track.kind == "video" for track in tracks):
            raise damaged_asset("it has no picture")
        return asset

    @property
    def asset_id(self) -> str:
        """Its id."""
        return str(self.document["asset_id"])

    @property
    def media(self) -> Mapping[str, Any]:
        """What the record says but for searching: the same for the same media."""
        return {name: value for name, value in self.document.items() if name != TRICKPLAY}

    def with_trick(self, trick: TrickPlay) -> str:
        """The record with what there is for searching now, as the content of its file."""
        return _text({**self.media, TRICKPLAY: trick.to_json()})


def listed_tracks(document: Any) -> tuple[tuple[Track, ...], tuple[TextTrack, ...]]:
    """The pictures and sounds that a record lists, and its subtitles.

    Args:
        document: JSON, which anybody may have written.

    Raises:
        SourceError: `asset_damaged`, it is no record, or one of a later version.
    """
    try:
        if document["format"] > FORMAT:
            raise damaged_asset(f"its format {document['format']} is newer than {FORMAT}")
        listed = document["tracks"]
        tracks = [Track.from_json(_known(Track, one)) for one in listed if _is_media(one)]
        texts = [
            TextTrack.from_json(_known(TextTrack, one)) for one in listed if not _is_media(one)
        ]
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise damaged_asset(f"its record cannot be read: {error!r:.200}") from error
    if not all(map(_is_well_formed, tracks)):
        raise damaged_asset("a track of its record is malformed")
    return tuple(tracks), tuple(texts)


def damaged_asset(what: str) -> SourceError:
    """The error for an asset that is not as it was made."""
    return SourceError(
        f"the asset is damaged: {what}",
        code="asset_damaged",
        hint="Somebody changed or removed its files, or it was made by a newer version: encode it"
        " again.",
    )


def _refuse_protected(document: Mapping[str, Any]) -> None:
    """Refuse an asset whose manifests lead to encrypted copies of the tracks that it lists."""
    if document.get(PROTECTION, {}).get("active", CLEAR) != CLEAR:
        raise SourceError(
            "the asset's DRM is on",
            code="asset_protected",
            hint="Turn it off, do this, and turn it on again.",
        )


def _known(kind: type[Track | TextTrack], document: Mapping[str, Any]) -> dict[str, Any]:
    """What a track's record holds beside what people and other programs read in it."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in document.items() if name in names}


def _is_well_formed(track: Track) -> bool:
    """Whether there are texts and numbers where they belong."""
    segments = track.segments
    words = [track.name, track.folder, track.language, track.title]
    words += [track.init_name, track.init_sha256]
    words += [word for one in segments for word in (one.name, one.sha256)]
    numbers = [track.width, track.height, track.init_size_bytes]
    numbers += [number for one in segments for number in (one.size_bytes, one.sample_count)]
    return (
        track.kind in ("video", "audio")
        and all(isinstance(word, str) for word in words)
        and all(isinstance(number, int) and number >= 0 for number in numbers)
    )


def _is_media(document: Mapping[str, Any]) -> bool:
    return bool(document["kind"] != "text")


def _text(document: Mapping[str, Any]) -> str:
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
