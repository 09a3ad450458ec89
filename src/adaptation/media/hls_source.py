"""Reads HLS playlists as sources, RFC 8216: which tracks, and which bytes make each of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import m3u8  # type: ignore[import-untyped]

from adaptation.media.moment import parse_utc
from adaptation.media.playlist_source import (
    BEST,
    IV_BYTES,
    MAX_PIECES,
    Key,
    Piece,
    Preference,
    TrackPlan,
    encrypted,
    invalid,
    live,
    resolved,
    unsupported,
)
from adaptation.media.probe import UNKNOWN_LANGUAGE

_READ = frozenset(
    {
        *("EXTM3U", "EXTINF", "EXT-X-VERSION", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE"),
        *("EXT-X-ENDLIST", "EXT-X-PLAYLIST-TYPE", "EXT-X-BYTERANGE", "EXT-X-KEY", "EXT-X-MAP"),
        *("EXT-X-DISCONTINUITY", "EXT-X-GAP", "EXT-X-STREAM-INF", "EXT-X-MEDIA"),
        *("EXT-X-SESSION-KEY", "EXT-X-I-FRAMES-ONLY"),
    }
)
"""Tags that mean something here; no others are looked into."""
_SOUND_CODECS = re.compile(r"(?:mp4a|ac-3|ec-3|opus|flac|alac|dts|mp3)", re.IGNORECASE)
_DURATION = re.compile(r"#EXTINF:(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)
_ON_AIR = "#EXT-X-PROGRAM-DATE-TIME:"
_DOLBY_VISION = re.compile(r"dv(?:h1|he|a1|av)\.", re.IGNORECASE)


@dataclass(frozen=True)
class Rendition:
    """A media playlist that a master playlist names, and what is taken from it."""

    address: str
    """Of the media playlist."""
    kind: Literal["all", "video", "audio"]
    """As `TrackPlan.kind`."""
    language: str = UNKNOWN_LANGUAGE
    """Of sound, as found."""


def is_master(text: str) -> bool:
    """Whether a playlist names playlists."""
    return "#EXT-X-STREAM-INF" in text


def renditions(text: str, base: str, preference: Preference = BEST) -> list[Rendition]:
    """The playlists to take from a master playlist: of the best picture, and of its sound.

    Args:
        text: of the master playlist.
        base: its address.
        preference: which picture instead of the best, and whether sound is taken.

    Returns:
        The picture first, then the default sound, then the other sounds.

    Raises:
        SourceError: as `track_plan`.
    """
    playlist = _parsed(text)
    if any(key.method not in (None, "NONE", "AES-128") for key in playlist.session_keys if key):
        raise encrypted("its keys are those of a DRM system")
    variants = [variant for variant in playlist.playlists if variant.uri]
    if not variants:
        raise invalid("it names no stream")
    most = max(_worth(variant)[:2] for variant in variants)
    among = [variant for variant in variants if _worth(variant)[:2] == most]
    best = preference.pick(among, lambda variant: _worth(variant)[2], _width)
    if not preference.with_sound:
        return [Rendition(resolved(base, best.uri), "video")]
    group = best.stream_info.audio
    media = [one for one in playlist.media if one.type == "AUDIO" and one.group_id == group]
    apart = sorted((one for one in media if one.uri), key=lambda one: one.default != "YES")
    has_own_sound = not apart or any(not one.uri for one in media)
    picture = Rendition(resolved(base, best.uri), "all" if has_own_sound else "video")
    return [picture, *(_sound(one, base) for one in apart)]


def track_plan(text: str, base: str, rendition: Rendition) -> TrackPlan:
    """The pieces of a media playlist.

    Args:
        text: of the media playlist.
        base: its address.
        rendition: what is taken from it.

    Raises:
        SourceError: `source_is_live`, `source_encrypted`, `source_child_forbidden`,
            `source_playlist_unsupported`, `source_playlist_invalid`.
    """
    if is_master(text):
        raise unsupported("a master playlist names another one")
    playlist = _parsed(text)
    if not playlist.is_endlist:
        raise live("its playlist has no end (EXT-X-ENDLIST)")
    if playlist.is_i_frames_only:
        raise unsupported("it holds key frames alone")
    segments = playlist.segments
    if not segments:
        raise invalid("it names no segment")
    if len(segments) > MAX_PIECES:
        raise unsupported(f"it has more than {MAX_PIECES:,} segments")
    if any(segment.gap_tag for segment in segments):
        raise unsupported("segments are missing (EXT-X-GAP)")
    if any(segment.discontinuity for segment in segments[1:]):
        raise unsupported("it is put together from several recordings (EXT-X-DISCONTINUITY)")
    pieces = [*_init(segments, base), *_pieces(segments, base, int(playlist.media_sequence or 0))]
    seconds = _least_seconds([float(segment.duration or 0) for segment in segments])
    return TrackPlan(
        rendition.kind,
        tuple(pieces),
        rendition.language,
        least_seconds=seconds,
        programme_start=_programme_start(text),
    )


def _programme_start(text: str) -> datetime | None:
    """When the first segment was on air, by the first time told, RFC 8216 §4.3.2.6."""
    before, duration = 0.0, 0.0
    for line in text.splitlines():
        if match := _DURATION.match(line):
            duration = float(match[1])
        elif line.startswith(_ON_AIR):
            told = parse_utc(line.removeprefix(_ON_AIR).strip())
            return None if told is None else told - timedelta(seconds=before)
        elif line.strip() and not line.startswith("#"):
            before, duration = before + duration, 0.0
    return None


def _least_seconds(durations: Sequence[float]) -> float:
    """Of whole numbers each may be rounded up by half a second, RFC 8216 §4.3.2.1."""
    is_rounded = all(duration.is_integer() for duration in durations)
    return sum(max(0.0, duration - 0.5 * is_rounded) for duration in durations)


def _parsed(text: str) -> Any:
    if "#EXT-X-DEFINE" in text:
        raise unsupported("it has variables (EXT-X-DEFINE)")
    try:
        return m3u8.loads(text, custom_tags_parser=_passes_over)
    # The parser lets whatever goes wrong with a malformed value out as it is.
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise invalid(f"{type(error).__name__} at one of its tags") from error
    except m3u8.ParseError as error:
        raise invalid(f"line {error.lineno} makes no sense") from error


def _passes_over(line: str, *_rest: Any) -> bool:
    """Keep the parser from tags that mean nothing here, and might be malformed."""
    return re.split(r"[:\s]", line[1:], maxsplit=1)[0] not in _READ


def _worth(variant: Any) -> tuple[bool, bool, int]:
    """What the best variant has most of: a picture that can be shown, then bits."""
    told = variant.stream_info
    codecs = str(told.codecs or "")
    is_sound = not told.resolution and all(map(_SOUND_CODECS.match, codecs.split(",")))
    plain = not _DOLBY_VISION.search(codecs)
    return not (codecs and is_sound), plain, int(told.bandwidth or 0)


def _width(variant: Any) -> int:
    resolution = variant.stream_info.resolution
    return int(resolution[0]) if resolution else 0


def _sound(media: Any, base: str) -> Rendition:
    return Rendition(resolved(base, media.uri), "audio", media.language or UNKNOWN_LANGUAGE)


def _init(segments: Sequence[Any], base: str) -> list[Piece]:
    """The one init segment, if there is any."""
    told = {_section(segment.init_section) for segment in segments}
    if len(told) > 1:
        raise unsupported("it has several init segments (EXT-X-MAP)")
    section = told.pop()
    if section is None:
        return []
    size, first = _range(section[1]) if section[1] else (None, 0)
    key = _key(segments[0].key, base, None)
    return [Piece(resolved(base, section[0]), first or 0, size, key, is_init=True)]


def _section(section: Any) -> tuple[str, str] | None:
    if section is None:
        return None
    if not section.uri:
        raise invalid("an init segment has no address")
    return str(section.uri), str(section.byterange or "")


def _pieces(segments: Sequence[Any], base: str, sequence: int) -> list[Piece]:
    pieces = list[Piece]()
    for number, segment in enumerate(segments, start=sequence):
        address = resolved(base, segment.uri or "")
        size, first = _range(segment.byterange) if segment.byterange else (None, 0)
        if first is None:  # behind the piece before it, RFC 8216 §4.3.2.2
            before = pieces[-1] if pieces else None
            if before is None or before.address != address or before.size_bytes is None:
                raise invalid("a byte range follows none")
            first = before.first_byte + before.size_bytes
        pieces.append(Piece(address, first, size, _key(segment.key, base, number)))
    return pieces


def _range(text: str) -> tuple[int, int | None]:
    """Length, and offset if one is told."""
    match = re.fullmatch(r"(\d{1,15})(?:@(\d{1,15}))?", text)
    if match is None:
        raise invalid("a byte range is no range")
    return int(match[1]), None if match[2] is None else int(match[2])


def _key(key: Any, base: str, number: int | None) -> Key | None:
    """What a segment is encrypted with; `number` is its place in the sequence, its default IV."""
    if key is None or key.method in (None, "NONE"):
        return None
    if key.method != "AES-128" or (key.keyformat or "identity") != "identity":
        raise encrypted(f"it needs keys of the kind {key.keyformat or key.method:.60}")
    if not key.uri:
        raise invalid("a key has no address")
    text = (key.iv or "").lower().removeprefix("0x")
    if text and not re.fullmatch(r"[0-9a-f]{1,32}", text):
        raise invalid("an initialisation vector is no number")
    iv = int(text, 16) if text else number or 0
    return Key(resolved(base, key.uri), (iv % (1 << 128)).to_bytes(IV_BYTES, "big"))
