"""What viewers search an asset by: its key frames as ranges of bytes, and images of it in tiles."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import chain, count
from typing import Any, BinaryIO

from adaptation.errors import ToolError
from adaptation.media.boxes import Init, Samples, read_samples
from adaptation.media.index import Segment, Segmented, Track
from adaptation.media.one_file import in_one_file
from adaptation.media.writing import Span, media_segment

FOLDER = "trickplay"
"""Folder of what is added to an asset, unless a track has that name."""
IFRAMES_NAME = "iframes.m3u8"
"""File of a rendition's I-frame playlist, inside its folder."""
TIMESCALE = 90_000
"""Ticks per second of images."""
HEADER_BYTES = 8
"""Length of a box's size and type."""
MOST_BOX_BYTES = 64 * 1024 * 1024
"""More than any description of a segment takes: 30 s at 240 frames come to 120 kB."""


@dataclass(frozen=True)
class ByteRange:
    """A part of a segment."""

    offset: int
    """Bytes of the segment in front of it."""
    length: int
    """Bytes of it."""


@dataclass(frozen=True)
class ImageTrack(Segmented):
    """Thumbnails of the picture at even distances, many in each JPEG."""

    folder: str
    """Folder inside the asset."""
    width: int
    """Pixels of one thumbnail."""
    height: int
    """Pixels of one thumbnail."""
    columns: int
    """Thumbnails beside each other in a tile."""
    rows: int
    """Thumbnails below each other in a tile."""
    interval: Fraction
    """Seconds from one thumbnail to the next; the first is the first frame."""
    segments: tuple[Segment, ...]
    """The tiles in the order of time, each with the time that its thumbnails stand for."""
    timescale: int = TIMESCALE
    """Ticks per second."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        document = {**asdict(self), "interval": str(self.interval)}
        return {**document, "segments": [segment.to_json() for segment in self.segments]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ImageTrack:
        """Read what `to_json` wrote."""
        segments = tuple(Segment(**segment) for segment in document["segments"])
        interval = Fraction(document["interval"])
        return cls(**{**document, "segments": segments, "interval": interval})


@dataclass(frozen=True)
class TrickPlay:
    """What an asset has for searching."""

    key_frames: Mapping[str, tuple[ByteRange, ...]]
    """By the name of the rendition: in each of its segments the first picture."""
    track: Track
    """The key frames of the smallest rendition once more, as a track of their own."""
    images: ImageTrack | None
    """Its thumbnails, if it has any."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        ranges = {
            name: [[one.offset, one.length] for one in ranges]
            for name, ranges in self.key_frames.items()
        }
        return {
            "key_frames": ranges,
            "track": self.track.to_json(),
            "images": self.images and self.images.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TrickPlay:
        """Read what `to_json` wrote."""
        ranges = {
            str(name): tuple(ByteRange(*one) for one in ranges)
            for name, ranges in document["key_frames"].items()
        }
        track, images = Track.from_json(document["track"]), document["images"]
        return cls(ranges, track, ImageTrack.from_json(images) if images else None)


def first_picture(stream: BinaryIO, init: Init, start: int = 0) -> ByteRange:
    """The bytes of a media segment that a decoder needs for its first picture, with `init`.

    They begin with the `moof` and end with the picture, as Apple's authoring specification has
    it: what follows in the `mdat` is not there.

    Args:
        stream: holds a segment of ours; only its head is read.
        init: of its track.
        start: bytes of the stream in front of the segment.

    Raises:
        ToolError: `output_broken`, it is damaged or begins with no key frame.
    """
    at = stream.seek(start)
    while len(head := stream.read(HEADER_BYTES)) == HEADER_BYTES:
        size, kind = struct.unpack(">I4s", head)
        if not HEADER_BYTES <= size <= MOST_BOX_BYTES or kind == b"mdat":
            break
        if kind == b"moof":
            samples = read_samples(stream.read(size - HEADER_BYTES), init)
            if not len(samples) or not samples.syncs[0]:
                break
            return ByteRange(at - start, size + HEADER_BYTES + samples.sizes[0])
        at = stream.seek(at + size)
    raise ToolError("a segment does not begin with a key frame", code="output_broken")


def key_frame_track(track: Track, ranges: Sequence[ByteRange]) -> Track:
    """A rendition of which only key frames are fetched: its segments' sizes are those of them."""
    segments = tuple(
        replace(segment, size_bytes=one.length, sample_count=1)
        for segment, one in zip(track.segments, ranges, strict=True)
    )
    return replace(track, segments=segments)


def picture_segment(content: bytes, init: Init, span: Span) -> bytes:
    """A media segment of one picture, which stands for as long as the segment it is taken from.

    Args:
        content: the bytes of `first_picture`.
        init: of the track, which fits the new segment as well.
        span: where the segment lies.
    """
    picture = content[int.from_bytes(content[:4], "big") + HEADER_BYTES :]
    decoded_at = span.start + init.media_time
    samples = Samples(decoded_at, [span.duration], [len(picture)], [0], [True])
    return media_segment(span, samples, [picture], is_picture=True)


def trick_track(track: Track, folder: str, contents: Iterable[bytes]) -> Track:
    """The record of a track of single pictures.

    Args:
        track: the rendition that they are taken from.
        folder: of the new track; its name as well, for no rendition can have it.
        contents: its media segments, looked at one after the other.
    """
    segments = tuple(
        replace(
            segment,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            sample_count=1,
        )
        for segment, content in zip(track.segments, contents, strict=True)
    )
    rate = (len(segments) / track.duration_seconds).limit_denominator(1001)
    alone = replace(track, name=folder, folder=folder, segments=segments, frame_rate=rate)
    return in_one_file(alone) if track.is_one_file else alone


def smallest(tracks: Sequence[Track]) -> Track:
    """The rendition with the fewest pixels, of several the one with the fewest bits."""
    pictures = [track for track in tracks if track.kind == "video"]
    return min(pictures, key=lambda one: (one.width * one.height, one.average_bandwidth))


def added_folder(tracks: Sequence[Track]) -> str:
    """A folder for what is added that no track has."""
    taken = {track.folder for track in tracks}
    names = chain([FOLDER], (f"{FOLDER}_{number}" for number in count(2)))
    return next(name for name in names if name not in taken)
