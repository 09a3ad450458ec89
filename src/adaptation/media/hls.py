"""Writes HLS playlists, RFC 8216 and Apple's authoring specification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from adaptation.media.index import Segment, Segmented, Track, codec_sets
from adaptation.media.labels import text_labels, track_labels
from adaptation.media.language import language_tag
from adaptation.media.probe import UNKNOWN_LANGUAGE
from adaptation.media.sounds import AUDIO_GROUP, audio_groups, default_sound
from adaptation.media.texttrack import TextTrack, default_text
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
COUNTS = (f"#EXT-X-MEDIA-SEQUENCE:{FIRST_NUMBER}", "#EXT-X-DISCONTINUITY-SEQUENCE:0")
"""From where segments and breaks are counted, the latter as by default: parsers warn without it."""
TEXT_GROUP = "text"
"""Group of all subtitle tracks."""
TELLS_SOUNDS = (
    "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
)
"""What Apple's authoring specification asks of subtitles for people who hear badly."""
DESCRIBES_VIDEO = "public.accessibility.describes-video"
"""Of sound that tells what is to be seen, RFC 8216 §4.3.4.1."""
CLEAR_SPEECH = "public.accessibility.enhances-speech-intelligibility"
"""Of sound whose speech is easier to understand."""
EASY_TO_READ = "public.easy-to-read"
"""Of subtitles that are edited for ease of reading, RFC 8216 §4.3.4.1."""
WIDER = {"nb": "no", "nn": "no", "cmn": "zh", "yue": "zh"}
"""Languages that are one of those which a viewer may have asked for, RFC 8216 §4.3.4.1."""


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
        *COUNTS,
        f"#EXT-X-PLAYLIST-TYPE:{'EVENT' if growing_target else 'VOD'}",
        *(["#EXT-X-START:TIME-OFFSET=0,PRECISE=YES"] if growing_target else []),
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if isinstance(track, Track):
        lines.append(_init(track))
    # Behind the init segment, which is not encrypted.
    lines += keys
    for segment in track.segments:
        lines.append(_lasts(segment, track.timescale))
        if segment.offset is not None:
            lines.append(_range(segment.size_bytes, segment.offset))
        lines.append(segment.name)
    return _text([*lines, *([] if growing_target else ["#EXT-X-ENDLIST"])])


def iframe_playlist(track: Track, ranges: Sequence[ByteRange]) -> str:
    """The playlist of a rendition's key frames in its segments, RFC 8216 §4.3.3.6.

    Args:
        track: the rendition.
        ranges: of each of its segments the first picture.
    """
    lines = [*_searching_head(track, "#EXT-X-I-FRAMES-ONLY"), _init(track)]
    for segment, one in zip(track.segments, ranges, strict=True):
        lines += [_lasts(segment, track.timescale)]
        lines += [_range(one.length, (segment.offset or 0) + one.offset), segment.name]
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
        tracks: at least one picture; of the sounds one is the default, see `default_sound`.
        texts: subtitles; the first one that is meant to be shown by default is the default.
        trick: what there is for searching.

    Each rendition is listed once with each group of sound (stereo, 5.1, other codecs): so codecs
    and bandwidth are true for each, and players choose what they can play.
    """
    # Players begin with the first variant that they can play: one of the main codec, not of the
    # one that needs fewest bits.
    pictures = [track for same in codec_sets(tracks) for track in same]
    sounds = [track for track in tracks if track.kind == "audio"]
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    groups = audio_groups(sounds)
    for group, members in groups.items():
        lines += _sounds(group, members, groups[AUDIO_GROUP])
    default = default_text(texts)
    selectable = _selectable(texts, default)
    for text, label in zip(texts, text_labels(texts), strict=True):
        chosen = text.name in selectable
        lines.append(_subtitles(text, label, is_default=text is default, is_chosen=chosen))
    for group in groups or [""]:
        members = groups.get(group, [])
        for track in pictures:
            lines += [_stream(track, group, members, texts), f"{track.folder}/{PLAYLIST_NAME}"]
    return _text([*lines, *(_searching(pictures, trick) if trick else [])])


def _sounds(group: str, members: Sequence[Track], mains: Sequence[Track]) -> Iterator[str]:
    """The members of a group, which are called and chosen as those of the first group are."""
    default = default_sound(mains)
    selectable = _selectable(mains, default)
    for main, track, label in zip(mains, members, track_labels(mains), strict=True):
        chosen = main.name in selectable
        told = [f'GROUP-ID="{group}"', *_language(main), f'NAME="{label}"']
        told += _chosen(is_default=main is default, is_chosen=chosen)
        told += [*_characteristics(main), f'CHANNELS="{track.channels}"']
        yield f'#EXT-X-MEDIA:TYPE=AUDIO,{",".join(told)},URI="{track.folder}/{PLAYLIST_NAME}"'


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
        f"VIDEO-RANGE={track.video_range}",
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
        *COUNTS,
        "#EXT-X-PLAYLIST-TYPE:VOD",
        kind,
    ]


def _subtitles(text: TextTrack, label: str, *, is_default: bool, is_chosen: bool) -> str:
    attributes = ["TYPE=SUBTITLES", f'GROUP-ID="{TEXT_GROUP}"', *_language(text), f'NAME="{label}"']
    attributes += _chosen(is_default=is_default, is_chosen=is_chosen)
    attributes += [f"FORCED={'YES' if text.forced else 'NO'}", *_characteristics(text)]
    return f'#EXT-X-MEDIA:{",".join(attributes)},URI="{text.folder}/{PLAYLIST_NAME}"'


def _language(track: Track | TextTrack) -> list[str]:
    tag = language_tag(track.language)
    if tag == UNKNOWN_LANGUAGE:
        return []
    wider = WIDER.get(tag.partition("-")[0])
    return [f'LANGUAGE="{tag}"', *([f'ASSOC-LANGUAGE="{wider}"'] if wider else [])]


def _chosen(*, is_default: bool, is_chosen: bool) -> list[str]:
    words = {True: "YES", False: "NO"}
    # RFC 8216 §4.3.4.1: what is the default is chosen by itself, too.
    return [f"DEFAULT={words[is_default]}", f"AUTOSELECT={words[is_default or is_chosen]}"]


def _characteristics(track: Track | TextTrack) -> list[str]:
    found = list[str]()
    if isinstance(track, Track):
        found += [DESCRIBES_VIDEO] if track.describes_video else []
        found += [CLEAR_SPEECH] if track.hearing_impaired else []
    else:
        found += [TELLS_SOUNDS] if track.hearing_impaired else []
        found += [EASY_TO_READ] if track.role == "easyreader" else []
    return [f'CHARACTERISTICS="{",".join(found)}"'] if found else []


def _selectable(tracks: Sequence[Track | TextTrack], default: Track | TextTrack | None) -> set[str]:
    """The names of tracks that a player may choose by itself.

    Of those that it could not tell apart by language and purpose the default, else the first.
    """
    known = dict[tuple[object, ...], str]()
    for track in [*([default] if default else []), *tracks]:
        is_forced = isinstance(track, TextTrack) and track.forced
        is_remark = track.role == "commentary"
        told = (*_language(track), *_characteristics(track), is_forced)
        if not is_remark:
            known.setdefault(told, track.name)
    return set(known.values())


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
        f"VIDEO-RANGE={track.video_range}",
        "CLOSED-CAPTIONS=NONE",
    ]
    attributes += [f'AUDIO="{group}"'] if group else []
    attributes += [f'SUBTITLES="{TEXT_GROUP}"'] if texts else []
    return f"#EXT-X-STREAM-INF:{','.join(attributes)}"


def _init(track: Track) -> str:
    """Where the init segment lies, RFC 8216 §4.3.2.5."""
    place = f',BYTERANGE="{track.init_size_bytes}@0"' if track.is_one_file else ""
    return f'#EXT-X-MAP:URI="{track.init_name}"{place}'


def _range(length: int, offset: int) -> str:
    """Part of the file that is named next, RFC 8216 §4.3.2.2."""
    return f"#EXT-X-BYTERANGE:{length}@{offset}"


def _lasts(segment: Segment, timescale: int) -> str:
    first = _microseconds(segment.start, timescale)
    after = _microseconds(segment.start + segment.duration, timescale)
    return f"#EXTINF:{(after - first) / 1_000_000:.6f},"


def _microseconds(ticks: int, timescale: int) -> int:
    return round(Fraction(ticks * 1_000_000, timescale))


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
