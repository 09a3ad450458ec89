"""Text tracks: the record of one track of subtitles, and the files it consists of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from adaptation.media.encode import TIMESCALE
from adaptation.media.index import INIT_NAME, Segment, Segmented
from adaptation.media.probe import UNKNOWN_LANGUAGE, SubtitleTrack
from adaptation.media.subtitles import Cue, cut_cues, webvtt
from adaptation.media.timeline import Timeline
from adaptation.media.wvtt import CODEC, text_init, text_segments

WHOLE_NAME = "subtitles.vtt"
"""File of all cues, inside the track's folder, for whoever wants one."""
CLOCK_HEADER = "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000"
"""RFC 8216 §3.5: cues and media count from the same zero, the first frame of the picture."""


@dataclass(frozen=True)
class TextMedia(Segmented):
    """The same text as CMAF segments, in the folder of its track: what DASH plays."""

    codec: str
    """RFC 6381 name."""
    init_name: str
    """File name of the init segment."""
    init_size_bytes: int
    """Size of the init segment."""
    init_sha256: str
    """Digest of the init segment, hexadecimal."""
    segments: tuple[Segment, ...]
    """As many as of the track, and at the same times."""
    timescale: int = TIMESCALE
    """Ticks per second."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return {**asdict(self), "segments": [segment.to_json() for segment in self.segments]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TextMedia:
        """Read what `to_json` wrote."""
        segments = tuple(Segment(**segment) for segment in document["segments"])
        return cls(**{**document, "segments": segments})


@dataclass(frozen=True)
class TextTrack(Segmented):
    """One track of subtitles as WebVTT: as segments, once more as one file, and in MP4."""

    name: str
    """Id, unique in the asset."""
    folder: str
    """Folder inside the asset."""
    file_name: str
    """File of all cues inside the folder."""
    file_size_bytes: int
    """Size of that file."""
    file_sha256: str
    """Digest of that file, hexadecimal."""
    cue_count: int
    """Cues in that file; one that is shown in several segments is in each of them."""
    segments: tuple[Segment, ...]
    """In the order they are played, on the grid of the picture; at least one."""
    timescale: int = TIMESCALE
    """Ticks per second."""
    language: str = UNKNOWN_LANGUAGE
    """ISO 639 code."""
    title: str = ""
    """Name for people."""
    description: str = ""
    """What it is, in a sentence for people."""
    role: str = ""
    """What it is for, of urn:mpeg:dash:role:2011; empty: what the flags below say."""
    default: bool = False
    """Whether it is meant to be shown unless the viewer chooses otherwise."""
    forced: bool = False
    """Whether it only says what everybody needs."""
    hearing_impaired: bool = False
    """Whether it tells sounds as well."""
    media: TextMedia | None = None
    """The same in MP4; none in assets that were made before there was that."""

    @property
    def file_names(self) -> list[str]:
        """The files of the track's folder that hold text."""
        media = [self.media.init_name, *_names(self.media)] if self.media else []
        return [self.file_name, *_names(self), *media]

    @property
    def size_bytes(self) -> int:
        """Size of all those files."""
        size = self.file_size_bytes + sum(segment.size_bytes for segment in self.segments)
        if self.media:
            size += self.media.init_size_bytes
            size += sum(segment.size_bytes for segment in self.media.segments)
        return size

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        segments = [segment.to_json() for segment in self.segments]
        media = self.media and self.media.to_json()
        return {**asdict(self), "segments": segments, "media": media}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TextTrack:
        """Read what `to_json` wrote."""
        segments = tuple(Segment(**segment) for segment in document["segments"])
        media = document.get("media")
        media = TextMedia.from_json(media) if media else None
        return cls(**{**document, "segments": segments, "media": media})


def default_text(texts: Sequence[TextTrack]) -> TextTrack | None:
    """The subtitles that are shown to who chose none; None: none are."""
    return next((text for text in texts if text.default), None)


def text_track(
    name: str, track: SubtitleTrack, cues: Sequence[Cue], timeline: Timeline, starts: Sequence[int]
) -> tuple[TextTrack, dict[str, bytes]]:
    """Make the files of a track: all cues in one, and segments that begin with the picture's.

    The segments are there twice: as WebVTT for HLS, and in MP4 for DASH.

    Args:
        name: the track's id and folder.
        track: what the source says of it.
        cues: on the picture's clock, in the order of time.
        timeline: of the picture.
        starts: frames that start a segment, see `encode.keyframes`.

    Returns:
        The record, and the content of each file by its name.

    Raises:
        SourceError: `source_invalid`, long cues come to too much.
    """
    moments = [*map(timeline.since_start, starts), timeline.duration_seconds]
    ticks = [round(TIMESCALE * moment) for moment in moments]
    parts = cut_cues(cues, [Fraction(tick, TIMESCALE) for tick in ticks])
    files = {f"{n:05d}.vtt": _encoded(part, CLOCK_HEADER) for n, part in enumerate(parts, start=1)}
    counts = [len(part) for part in parts]
    whole = _encoded(cues)
    media = text_segments(cues, parts, ticks)
    in_mp4 = {f"{n:05d}.m4s": content for n, content in enumerate(media, start=1)}
    init = text_init(track.language)
    record = TextTrack(
        name=name,
        folder=name,
        file_name=WHOLE_NAME,
        file_size_bytes=len(whole),
        file_sha256=hashlib.sha256(whole).hexdigest(),
        cue_count=len(cues),
        segments=tuple(_segments(files, ticks, counts)),
        language=track.language,
        title=track.title,
        default=track.default,
        forced=track.forced,
        hearing_impaired=track.hearing_impaired,
        media=TextMedia(
            codec=CODEC,
            init_name=INIT_NAME,
            init_size_bytes=len(init),
            init_sha256=hashlib.sha256(init).hexdigest(),
            segments=tuple(_segments(in_mp4, ticks, counts)),
        ),
    )
    return record, {WHOLE_NAME: whole, **files, INIT_NAME: init, **in_mp4}


def _names(track: Segmented) -> list[str]:
    return [segment.name for segment in track.segments]


def _encoded(cues: Sequence[Cue], header: str = "") -> bytes:
    return webvtt(cues, header).encode()


def _segments(
    files: Mapping[str, bytes], ticks: Sequence[int], counts: Sequence[int]
) -> Iterator[Segment]:
    rows = zip(files.items(), pairwise(ticks), counts, strict=True)
    for (name, content), (start, end), count in rows:
        yield Segment(
            name=name,
            start=start,
            duration=end - start,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            independent=True,
            sample_count=count,
        )
