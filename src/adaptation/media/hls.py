"""Writes HLS playlists, RFC 8216 and Apple's authoring specification."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from adaptation.media.index import Track
from adaptation.media.language import language_tag
from adaptation.media.probe import UNKNOWN_LANGUAGE
from adaptation.media.texttrack import TextTrack

VERSION = 7
"""`EXT-X-MAP` in ordinary playlists needs 6; Apple asks for 7 with fragmented MP4."""
MASTER_NAME = "master.m3u8"
"""File of the master playlist, at the root of the asset."""
PLAYLIST_NAME = "playlist.m3u8"
"""File of each track's playlist, inside its folder."""
AUDIO_GROUP = "audio"
"""Group of all sound tracks."""
TEXT_GROUP = "text"
"""Group of all subtitle tracks."""
TELLS_SOUNDS = (
    "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
)
"""What Apple's authoring specification asks of subtitles for people who hear badly."""


def media_playlist(track: Track | TextTrack) -> str:
    """The playlist of one track; its names are relative to the track's folder.

    Durations are exact to the microsecond, and rounding never adds up: each is the distance of
    two rounded moments.
    """
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{track.target_duration}",
        "#EXT-X-MEDIA-SEQUENCE:1",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if isinstance(track, Track):
        lines.append(f'#EXT-X-MAP:URI="{track.init_name}"')
    for segment in track.segments:
        first = _microseconds(segment.start, track.timescale)
        after = _microseconds(segment.start + segment.duration, track.timescale)
        lines += [f"#EXTINF:{(after - first) / 1_000_000:.6f},", segment.name]
    return _text([*lines, "#EXT-X-ENDLIST"])


def master_playlist(tracks: Sequence[Track], texts: Sequence[TextTrack] = ()) -> str:
    """The playlist that offers all renditions, each with all sound and subtitle tracks.

    Args:
        tracks: at least one picture; the first sound track is the default.
        texts: subtitles; the first one that the source shows by default is the default.
    """
    pictures = sorted(
        (track for track in tracks if track.kind == "video"), key=lambda t: -t.peak_bandwidth
    )
    sounds = [track for track in tracks if track.kind == "audio"]
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for number, (track, label) in enumerate(zip(sounds, track_labels(sounds), strict=True)):
        lines.append(_media(track, label, is_default=number == 0))
    default = next((text for text in texts if text.default), None)
    for text, label in zip(texts, text_labels(texts), strict=True):
        lines.append(_subtitles(text, label, is_default=text is default))
    for track in pictures:
        lines += [_stream(track, sounds, texts), f"{track.folder}/{PLAYLIST_NAME}"]
    return _text(lines)


def track_labels(tracks: Sequence[Track]) -> list[str]:
    """A name for people for each sound track, different from all others (RFC 8216 §4.3.4.1.1)."""
    named = enumerate(tracks, start=1)
    return _distinct(_label(track, f"Audio {number}") for number, track in named)


def text_labels(texts: Sequence[TextTrack]) -> list[str]:
    """The same for subtitles; those without a title are told apart by what they are for."""
    return _distinct(_text_label(text, number) for number, text in enumerate(texts, start=1))


def _text_label(text: TextTrack, number: int) -> str:
    label = _label(text, f"Subtitles {number}")
    purpose = " (forced)" if text.forced else " (SDH)" if text.hearing_impaired else ""
    return label if text.title else f"{label}{purpose}"


def _label(track: Track | TextTrack, otherwise: str) -> str:
    tag = language_tag(track.language)
    return _printable(track.title) or (tag if tag != UNKNOWN_LANGUAGE else otherwise)


def _distinct(wanted: Iterable[str]) -> list[str]:
    """The labels, with a number behind those that were there before."""
    labels = list[str]()
    for wish in wanted:
        label, number = wish, 1
        while label in labels:
            number += 1
            label = f"{wish} ({number})"
        labels.append(label)
    return labels


def _media(track: Track, label: str, *, is_default: bool) -> str:
    tag = language_tag(track.language)
    attributes = ["TYPE=AUDIO", f'GROUP-ID="{AUDIO_GROUP}"']
    attributes += [f'LANGUAGE="{tag}"'] if tag != UNKNOWN_LANGUAGE else []
    attributes += [
        f'NAME="{label}"',
        f"DEFAULT={'YES' if is_default else 'NO'}",
        "AUTOSELECT=YES",
        f'CHANNELS="{track.channels}"',
        f'URI="{track.folder}/{PLAYLIST_NAME}"',
    ]
    return f"#EXT-X-MEDIA:{','.join(attributes)}"


def _subtitles(text: TextTrack, label: str, *, is_default: bool) -> str:
    tag = language_tag(text.language)
    attributes = ["TYPE=SUBTITLES", f'GROUP-ID="{TEXT_GROUP}"']
    attributes += [f'LANGUAGE="{tag}"'] if tag != UNKNOWN_LANGUAGE else []
    attributes += [
        f'NAME="{label}"',
        f"DEFAULT={'YES' if is_default else 'NO'}",
        "AUTOSELECT=YES",
        f"FORCED={'YES' if text.forced else 'NO'}",
    ]
    attributes += [f'CHARACTERISTICS="{TELLS_SOUNDS}"'] if text.hearing_impaired else []
    return f'#EXT-X-MEDIA:{",".join(attributes)},URI="{text.folder}/{PLAYLIST_NAME}"'


def _stream(track: Track, sounds: Sequence[Track], texts: Sequence[TextTrack]) -> str:
    """Rates are of the picture with the most expensive of the others, RFC 8216 §4.3.4.2."""
    peak, average = track.peak_bandwidth, track.average_bandwidth
    for others in (sounds, texts):
        peak += max((other.peak_bandwidth for other in others), default=0)
        average += max((other.average_bandwidth for other in others), default=0)
    codecs = ",".join(dict.fromkeys([track.codec, *(sound.codec for sound in sounds)]))
    attributes = [
        f"BANDWIDTH={peak}",
        f"AVERAGE-BANDWIDTH={average}",
        f'CODECS="{codecs}"',
        f"RESOLUTION={track.width}x{track.height}",
        f"FRAME-RATE={float(track.frame_rate):.3f}",
        "VIDEO-RANGE=SDR",
        "CLOSED-CAPTIONS=NONE",
    ]
    attributes += [f'AUDIO="{AUDIO_GROUP}"'] if sounds else []
    attributes += [f'SUBTITLES="{TEXT_GROUP}"'] if texts else []
    return f"#EXT-X-STREAM-INF:{','.join(attributes)}"


def _microseconds(ticks: int, timescale: int) -> int:
    return round(Fraction(ticks * 1_000_000, timescale))


def _printable(text: str) -> str:
    """Text that can stand in a quoted string: no quotation marks, no line ends."""
    kept = "".join(c if c.isprintable() and c != '"' else " " for c in text)
    return " ".join(kept.split())


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
