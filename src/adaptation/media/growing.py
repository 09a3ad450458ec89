"""The tracks of an asset that is still being encoded, as far as they can be watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from adaptation.media.boxes import read_init
from adaptation.media.index import INIT_NAME, Kind, Segment, Track
from adaptation.media.probe import UNKNOWN_LANGUAGE

BUFFER_FACTOR = Fraction(3, 2)
"""By how much a segment may exceed its rendition's bit rate: the encoder may spend a full buffer
of two seconds beside what comes in meanwhile, and a usual segment lasts four."""

Span = tuple[int, int]
"""Start and duration of a segment in ticks."""


@dataclass(frozen=True)
class ExpectedTrack:
    """A track that the finished asset will have."""

    name: str
    """Id and folder."""
    kind: Kind
    """`video` or `audio`."""
    bitrate: int
    """Bits per second that are not exceeded for long."""
    frame_rate: Fraction = Fraction(0)
    """Average frames per second; 0 for sound."""
    language: str = UNKNOWN_LANGUAGE
    """ISO 639 code of sound."""
    title: str = ""
    """Name of sound for people."""
    stereo_name: str = ""
    """Of surround sound: the track that is the same in stereo."""
    burst: Fraction = BUFFER_FACTOR
    """By how much a segment may exceed the bit rate; 1 where that was measured."""


def growing_track(expected: ExpectedTrack, init: bytes, spans: Sequence[Span]) -> Track:
    """What there is of a track: enough for playlists, which name no sizes and no digests.

    Args:
        expected: what it will be.
        init: its init segment.
        spans: of its segments 1, 2, 3…; at least one.

    Raises:
        ToolError: `output_broken`, the init segment.
    """
    header = read_init(init)
    segments = tuple(
        Segment(f"{number:05d}.m4s", start, duration, 0, "", independent=True, sample_count=0)
        for number, (start, duration) in enumerate(spans, start=1)
    )
    return Track(
        kind=expected.kind,
        name=expected.name,
        folder=expected.name,
        codec=header.codec,
        timescale=header.timescale,
        media_time=header.media_time,
        init_name=INIT_NAME,
        init_size_bytes=len(init),
        init_sha256="",
        segments=segments,
        width=header.width,
        height=header.height,
        frame_rate=expected.frame_rate,
        language=expected.language,
        title=expected.title,
        channels=header.channels,
        sample_rate=header.sample_rate,
        stereo_name=expected.stereo_name,
        bandwidth_limit=int(expected.bitrate * expected.burst),
    )
