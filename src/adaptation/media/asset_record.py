"""Writes and reads `asset.json`, the record of what an asset holds and where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from adaptation.errors import SourceError
from adaptation.media.dash import MANIFEST_NAME
from adaptation.media.hls import MASTER_NAME, PLAYLIST_NAME
from adaptation.media.index import Track
from adaptation.media.one_file import is_laid_out
from adaptation.media.probe import Source
from adaptation.media.texttrack import TextTrack

ASSET_NAME = "asset.json"
"""File of the record, at the root of the asset."""
FORMAT = 3
"""Newest version of the document; readers refuse a larger one. Of tracks that lie in one file each:
readers of 2 take all segments for files of their own."""
BASE_FORMAT = 2
"""Version of a document with a `base`, which readers of 1 do not know."""
PLAIN_FORMAT = 1
"""Version of a document whose tracks lie at the root."""
PROTECTION = "protection"
"""Field of the record that tells of encrypted copies."""
CLEAR: Literal["clear"] = "clear"
"""What is active where no copy is, and the folder of clear tracks that have copies."""
TRICKPLAY = "trickplay"
"""Field of what there is for searching, in the record of an asset that has it."""
BASE = "base"
"""Field of the folder that all tracks' folders lie in, in the record of an asset that has one."""


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
    origin: Origin,
    source: Source,
    tracks: Sequence[Track],
    texts: Sequence[TextTrack] = (),
    base: str = "",
) -> dict[str, Any]:
    """The record of a new asset as plain JSON; the same arguments give the same document.

    Args:
        origin: how it came to be.
        source: what it was made of.
        tracks: pictures and sounds.
        texts: subtitles.
        base: the folder inside the asset that the tracks' folders lie in; empty: its root.
    """
    facts = source.to_json()
    # Chapters are said once, of the asset.
    del facts["chapters"]
    return {
        "format": format_of(tracks, base),
        "asset_id": origin.asset_id,
        "created_at": origin.created_at,
        "duration_seconds": float(max(track.duration_seconds for track in tracks)),
        "size_bytes": sum(track.size_bytes for track in tracks)
        + sum(text.size_bytes for text in texts),
        "manifests": manifest_names(),
        "source": facts,
        "parameters": dict(origin.parameters),
        "tools": dict(sorted(origin.tools.items())),
        "chapters": [asdict(chapter) for chapter in source.chapters],
        **({BASE: base} if base else {}),
        "tracks": listing(tracks, texts, base),
    }


def asset_text(
    origin: Origin,
    source: Source,
    tracks: Sequence[Track],
    texts: Sequence[TextTrack] = (),
    base: str = "",
) -> str:
    """The record of a new asset as the content of its file; see `asset_document`."""
    return written(asset_document(origin, source, tracks, texts, base))


def format_of(tracks: Sequence[Track], base: str) -> int:
    """The version of a document: the earliest whose readers understand it."""
    if any(track.is_one_file for track in tracks):
        return FORMAT
    return BASE_FORMAT if base else PLAIN_FORMAT


def manifest_names(*, has_dash: bool = True) -> dict[str, str]:
    """The files at the root that players begin with."""
    return {"hls": MASTER_NAME, **({"dash": MANIFEST_NAME} if has_dash else {})}


def written(document: Mapping[str, Any]) -> str:
    """A record as the content of its file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def listing(
    tracks: Iterable[Track], texts: Iterable[TextTrack], base: str = ""
) -> list[dict[str, Any]]:
    """The tracks of an asset as its record lists them."""
    root = f"{base}/" if base else ""
    return [*(_track(one, root) for one in tracks), *(_text_track(one, root) for one in texts)]


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
        raise unreadable(error) from error
    if not all(map(_is_well_formed, tracks)) or not all(map(_is_well_formed_text, texts)):
        raise damaged_asset("a track of its record is malformed")
    return tuple(tracks), tuple(texts)


def base_of(document: Mapping[str, Any]) -> str:
    """The folder inside an asset that its tracks' folders lie in; empty: its root.

    Raises:
        SourceError: `asset_damaged`.
    """
    base = document.get(BASE, "")
    if not isinstance(base, str) or base.startswith("/") or ".." in base.split("/"):
        raise damaged_asset("its record names no folder as its base")
    return base


def damaged_asset(what: str) -> SourceError:
    """The error for an asset that is not as it was made."""
    return SourceError(
        f"the asset is damaged: {what}",
        code="asset_damaged",
        hint="Somebody changed or removed its files, or it was made by a newer version: encode it"
        " again.",
    )


def unreadable(error: Exception) -> SourceError:
    """The error for a record that is none."""
    return damaged_asset(f"its record cannot be read: {error!r:.200}")


def _known(kind: type[Track | TextTrack], document: Mapping[str, Any]) -> dict[str, Any]:
    """What a track's record holds beside what people and other programs read in it."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in document.items() if name in names}


def _is_well_formed(track: Track) -> bool:
    """Whether there are texts and numbers where they belong."""
    segments = track.segments
    words = [track.name, track.folder, track.codec, track.stereo_name]
    words += [track.init_name, track.init_sha256]
    words += [word for one in segments for word in (one.name, one.sha256)]
    numbers = [track.width, track.height, track.init_size_bytes]
    numbers += [number for one in segments for number in (one.size_bytes, one.sample_count)]
    return (
        track.kind in ("video", "audio")
        and _has_properties(track)
        and all(isinstance(word, str) for word in words)
        and all(isinstance(number, int) and number >= 0 for number in numbers)
        and is_laid_out(track)
    )


def _is_well_formed_text(text: TextTrack) -> bool:
    words = [text.name, text.folder, text.file_name, text.file_sha256]
    media = [text, *([text.media] if text.media else [])]
    words += [word for two in media for one in two.segments for word in (one.name, one.sha256)]
    if text.media:
        words += [text.media.codec, text.media.init_name, text.media.init_sha256]
    are_words = all(isinstance(word, str) for word in words)
    return all(one.segments for one in media) and _has_properties(text) and are_words


def _has_properties(track: Track | TextTrack) -> bool:
    words = (track.language, track.title, track.description, track.role)
    flags = [track.default, track.hearing_impaired]
    flags.append(track.describes_video if isinstance(track, Track) else track.forced)
    are_words = all(isinstance(one, str) for one in words)
    return are_words and all(isinstance(one, bool) for one in flags)


def _is_media(document: Mapping[str, Any]) -> bool:
    return bool(document["kind"] != "text")


def _track(track: Track, root: str) -> dict[str, Any]:
    return {
        **track.to_json(),
        "playlist": f"{root}{track.folder}/{PLAYLIST_NAME}",
        "duration_seconds": float(track.duration_seconds),
        "size_bytes": track.size_bytes,
        "peak_bandwidth": track.peak_bandwidth,
        "average_bandwidth": track.average_bandwidth,
    }


def _text_track(text: TextTrack, root: str) -> dict[str, Any]:
    return {
        "kind": "text",
        **text.to_json(),
        "playlist": f"{root}{text.folder}/{PLAYLIST_NAME}",
        "duration_seconds": float(text.duration_seconds),
        "size_bytes": text.size_bytes,
        "peak_bandwidth": text.peak_bandwidth,
        "average_bandwidth": text.average_bandwidth,
    }
