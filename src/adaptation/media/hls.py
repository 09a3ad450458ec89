"""Writes HLS playlists, RFC 8216 and Apple's authoring specification."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from adaptation.media.index import Segment, Segmented, Track, codec_sets
from adaptation.media.language import language_tag
from adaptation.media.probe import UNKNOWN_LANGUAGE
from adaptation.media.texttrack import TextTrack
from adaptation.media.trickplay import (
    IFRAMES_NAME,
    ByteRange,
    ImageTrack,
    TrickPlay,
    key_frame_track,
)

VERSION = 7
"""`EXT-X-MAP` in ordinary playlists needs 6; Apple asks for 7 with fragmented MP4."""
MASTER_NAME = "master.m3u8"
"""File of the master playlist, at the root of the asset."""
PLAYLIST_NAME = "playlist.m3u8"
"""File of each track's playlist, inside its folder."""
FIRST_NUMBER = 1
"""Of a track's segments, as it stands in their names and as players count them."""
AUDIO_GROUP = "audio"
"""Group of all sound tracks in stereo."""
SURROUND_GROUP = "audio_51"
"""Group of the same sound in 5.1, where it has that."""
TEXT_GROUP = "text"
"""Group of all subtitle tracks."""
TELLS_SOUNDS = (
    "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
)
"""What Apple's authoring specification asks of subtitles for people who hear badly."""


def media_playlist(
    track: Track | TextTrack, growing_target: int | None = None, keys: Sequence[str] = ()
) -> str:
    """The playlist of one track; its names are relative to the track's folder.

    Durations are exact to the microsecond, and rounding never adds up: each is the distance of
    two rounded moments.

    Args:
        track: whole, or as far as it has come.
        growing_target: of a track that still grows, the target duration it will have in seconds:
            it may not change, RFC 8216 §6.2.1. Its playlist is one to which segments are only
            added, and is watched from its beginning.
        keys: lines that say how all segments are encrypted.
    """
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{growing_target or track.target_duration}",
        f"#EXT-X-MEDIA-SEQUENCE:{FIRST_NUMBER}",
        f"#EXT-X-PLAYLIST-TYPE:{'EVENT' if growing_target else 'VOD'}",
        *(["#EXT-X-START:TIME-OFFSET=0,PRECISE=YES"] if growing_target else []),
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if isinstance(track, Track):
        lines.append(f'#EXT-X-MAP:URI="{track.init_name}"')
    # Behind the init segment, which is not encrypted.
    lines += keys
    for segment in track.segments:
        lines += [_lasts(segment, track.timescale), segment.name]
    return _text([*lines, *([] if growing_target else ["#EXT-X-ENDLIST"])])


def iframe_playlist(track: Track, ranges: Sequence[ByteRange]) -> str:
    """The playlist of a rendition's key frames in its segments, RFC 8216 §4.3.3.6.

    Args:
        track: the rendition.
        ranges: of each of its segments the first picture.
    """
    lines = [*_searching_head(track, "#EXT-X-I-FRAMES-ONLY"), f'#EXT-X-MAP:URI="{track.init_name}"']
    for segment, one in zip(track.segments, ranges, strict=True):
        lines += [_lasts(segment, track.timescale)]
        lines += [f"#EXT-X-BYTERANGE:{one.length}@{one.offset}", segment.name]
    return _text([*lines, "#EXT-X-ENDLIST"])


def image_playlist(images: ImageTrack) -> str:
    """The playlist of the thumbnails, by Roku's image media playlist specification."""
    lines = _searching_head(images, "#EXT-X-IMAGES-ONLY")
    seconds = f"{float(images.interval)}".removesuffix(".0")
    layout = f"LAYOUT={images.columns}x{images.rows},DURATION={seconds}"
    for tile in images.segments:
        lines += [_lasts(tile, images.timescale)]
        lines += [f"#EXT-X-TILES:RESOLUTION={images.width}x{images.height},{layout}", tile.name]
    return _text([*lines, "#EXT-X-ENDLIST"])


def master_playlist(
    tracks: Sequence[Track], texts: Sequence[TextTrack] = (), trick: TrickPlay | None = None
) -> str:
    """The playlist that offers all renditions, each with all sound and subtitle tracks.

    Args:
        tracks: at least one picture; the first sound track is the default.
        texts: subtitles; the first one that the source shows by default is the default.
        trick: what there is for searching.

    Each rendition is listed once with the stereo sound and, if there is any, once with the
    surround sound: so its bandwidth is true for both, and players choose what they can play.
    """
    # Players begin with the first variant that they can play: one of the main codec, not of the
    # one that needs fewest bits.
    pictures = [track for same in codec_sets(tracks) for track in same]
    sounds = [track for track in tracks if track.kind == "audio"]
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    groups = _audio_groups(sounds)
    for group, members in groups.items():
        labels = track_labels(groups[AUDIO_GROUP])
        for number, (track, label) in enumerate(zip(members, labels, strict=True)):
            lines.append(_media(track, group, label, is_default=number == 0))
    default = next((text for text in texts if text.default), None)
    for text, label in zip(texts, text_labels(texts), strict=True):
        lines.append(_subtitles(text, label, is_default=text is default))
    for group in groups or [""]:
        members = groups.get(group, [])
        for track in pictures:
            lines += [_stream(track, group, members, texts), f"{track.folder}/{PLAYLIST_NAME}"]
    return _text([*lines, *(_searching(pictures, trick) if trick else [])])


def _searching(pictures: Sequence[Track], trick: TrickPlay) -> list[str]:
    """What is fetched by who searches: key frames of each rendition, and thumbnails."""
    lines = [
        _iframe_stream(key_frame_track(track, trick.key_frames[track.name]))
        for track in pictures
        if track.name in trick.key_frames
    ]
    return [*lines, *([_image_stream(trick.images)] if trick.images else [])]


def _iframe_stream(track: Track) -> str:
    """Rates are of the key frames alone, RFC 8216 §4.3.4.3."""
    attributes = [
        *_rates(track),
        f'CODECS="{track.codec}"',
        f"RESOLUTION={track.width}x{track.height}",
        "VIDEO-RANGE=SDR",
        f'URI="{track.folder}/{IFRAMES_NAME}"',
    ]
    return f"#EXT-X-I-FRAME-STREAM-INF:{','.join(attributes)}"


def _image_stream(images: ImageTrack) -> str:
    attributes = [
        *_rates(images),
        'CODECS="jpeg"',
        f"RESOLUTION={images.width}x{images.height}",
        f'URI="{images.folder}/{PLAYLIST_NAME}"',
    ]
    return f"#EXT-X-IMAGE-STREAM-INF:{','.join(attributes)}"


def _rates(track: Segmented) -> list[str]:
    return [f"BANDWIDTH={track.peak_bandwidth}", f"AVERAGE-BANDWIDTH={track.average_bandwidth}"]


def _searching_head(track: Segmented, kind: str) -> list[str]:
    return [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{track.target_duration}",
        f"#EXT-X-MEDIA-SEQUENCE:{FIRST_NUMBER}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        kind,
    ]


def _audio_groups(sounds: Sequence[Track]) -> dict[str, list[Track]]:
    """The members of each group of sound.

    All groups have the same members but for their channels (RFC 8216 §4.3.4.2.1): what has no
    surround sound is in that group in stereo.
    """
    if not sounds:
        return {}
    stereo = [track for track in sounds if not track.stereo_name]
    wide = {track.stereo_name: track for track in sounds if track.stereo_name}
    groups = {AUDIO_GROUP: stereo}
    if wide:
        groups[SURROUND_GROUP] = [wide.get(track.name, track) for track in stereo]
    return groups


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


def _media(track: Track, group: str, label: str, *, is_default: bool) -> str:
    tag = language_tag(track.language)
    attributes = ["TYPE=AUDIO", f'GROUP-ID="{group}"']
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


def _stream(track: Track, group: str, sounds: Sequence[Track], texts: Sequence[TextTrack]) -> str:
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
    attributes += [f'AUDIO="{group}"'] if group else []
    attributes += [f'SUBTITLES="{TEXT_GROUP}"'] if texts else []
    return f"#EXT-X-STREAM-INF:{','.join(attributes)}"


def _lasts(segment: Segment, timescale: int) -> str:
    first = _microseconds(segment.start, timescale)
    after = _microseconds(segment.start + segment.duration, timescale)
    return f"#EXTINF:{(after - first) / 1_000_000:.6f},"


def _microseconds(ticks: int, timescale: int) -> int:
    return round(Fraction(ticks * 1_000_000, timescale))


def _printable(text: str) -> str:
    """Text that can stand in a quoted string: no quotation marks, no line ends."""
    kept = "".join(c if c.isprintable() and c != '"' else " " for c in text)
    return " ".join(kept.split())


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
