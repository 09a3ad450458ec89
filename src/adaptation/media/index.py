"""The segment index: the one record of an asset's tracks from which all manifests are written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise
from math import floor
from typing import Any, Literal

from adaptation.errors import ToolError
from adaptation.media.boxes import Fragment, Init, read_fragment, read_init
from adaptation.media.probe import UNKNOWN_LANGUAGE

Kind = Literal["video", "audio"]
VideoRange = Literal["SDR", "PQ", "HLG"]
HDR_RANGES: dict[int, VideoRange] = {16: "PQ", 18: "HLG"}
"""The two curves of ITU-R BT.2100 by their TransferCharacteristics."""
INIT_NAME = "init.mp4"
"""File of a track's init segment."""
SEGMENT_TEMPLATE = "$Number%05d$.m4s"
"""Files of a track's media segments, counted from 1, as DASH and Packager write it."""

USUAL_RATES = tuple(
    rate
    for whole in (24, 25, 30, 48, 50, 60, 120)
    for rate in (Fraction(whole), Fraction(whole * 1000, 1001))
)
"""Frames per second of film and television."""
RATE_TOLERANCE = Fraction(1, 2500)
"""Less than half of what lies between 24 and 23.976: rounding to ticks, not another rate."""


@dataclass(frozen=True)
class Segment:
    """One media segment."""

    name: str
    """File name inside the track's folder."""
    start: int
    """Presentation time in ticks; 0 is the first frame of the asset."""
    duration: int
    """Ticks up to the next segment."""
    size_bytes: int
    """Its size."""
    sha256: str
    """Digest of its bytes, hexadecimal."""
    independent: bool
    """Whether decoding can start with it."""
    sample_count: int
    """Frames, packets or cues in it."""
    offset: int | None = None
    """Bytes in front of it in the one file of its track; None: it is a file of its own."""

    @property
    def label(self) -> str:
        """What tells it from the others of its track."""
        return self.name if self.offset is None else f"{self.name}@{self.offset}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `Segment(**document)` reads it back."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Segmented:
    """What follows from the segments of a track."""

    timescale: int
    segments: tuple[Segment, ...]
    bandwidth_limit: int = 0

    @property
    def duration_seconds(self) -> Fraction:
        """Presented time of all segments."""
        last = self.segments[-1]
        return Fraction(last.start + last.duration - self.segments[0].start, self.timescale)

    @property
    def target_duration(self) -> int:
        """See `target_duration`."""
        longest = max(segment.duration for segment in self.segments)
        return target_duration(Fraction(longest, self.timescale))

    @property
    def average_bandwidth(self) -> int:
        """Bits per second over the whole track, rounded up."""
        bits = 8 * sum(segment.size_bytes for segment in self.segments)
        return _ceiling(bits / self.duration_seconds)

    @cached_property
    def peak_bandwidth(self) -> int:
        """The peak segment bit rate, RFC 8216 §4.1, in bits per second, rounded up.

        The largest rate of neighbouring segments that together last 0.5 to 1.5 target
        durations: so a tiny last segment does not count alone, as Apple's rules want it.
        """
        ends = list(accumulate((s.duration for s in self.segments), initial=0))
        sizes = list(accumulate((s.size_bytes for s in self.segments), initial=0))
        unit = self.target_duration * self.timescale
        peak = Fraction(max(self.average_bandwidth, self.bandwidth_limit))
        for first in range(len(self.segments)):
            for after in range(first + 1, len(ends)):
                ticks = ends[after] - ends[first]
                if 2 * ticks > 3 * unit:
                    break
                if 2 * ticks >= unit:
                    bits = 8 * (sizes[after] - sizes[first])
                    peak = max(peak, Fraction(bits * self.timescale, ticks))
        return _ceiling(peak)


@dataclass(frozen=True)
class Track(Segmented):
    """One rendition or sound track with its segments."""

    kind: Kind
    """`video` or `audio`."""
    name: str
    """Id, unique in the asset."""
    folder: str
    """Folder inside the asset."""
    codec: str
    """RFC 6381 name, such as `avc1.640028`."""
    timescale: int
    """Ticks per second."""
    media_time: int
    """Ticks that the init segment's edit list skips; already taken off the segments' starts."""
    init_name: str
    """File name of the init segment inside the folder; it is at the beginning of the file."""
    init_size_bytes: int
    """Size of the init segment."""
    init_sha256: str
    """Digest of the init segment, hexadecimal."""
    segments: tuple[Segment, ...]
    """In the order they are played; at least one."""
    width: int = 0
    """Pixels; 0 for sound."""
    height: int = 0
    """Pixels; 0 for sound."""
    frame_rate: Fraction = Fraction(0)
    """Average frames per second; 0 for sound."""
    transfer: int = 0
    """TransferCharacteristics of a picture, ISO/IEC 23091-2; 0: nobody has said, and of sound."""
    language: str = UNKNOWN_LANGUAGE
    """ISO 639 code of sound."""
    title: str = ""
    """Name of sound for people."""
    description: str = ""
    """What sound is, in a sentence for people."""
    role: str = ""
    """What sound is for, of urn:mpeg:dash:role:2011; empty: nobody has said."""
    default: bool = False
    """Whether sound is meant to be heard unless the viewer chooses otherwise."""
    hearing_impaired: bool = False
    """Whether its speech is easier to understand than that of other sound."""
    describes_video: bool = False
    """Whether it tells what is to be seen."""
    channels: int = 0
    """0 for pictures."""
    sample_rate: int = 0
    """Hertz; 0 for pictures."""
    bandwidth_limit: int = 0
    """Bits per second that may still be reached while the track grows; 0 once it is whole."""
    stereo_name: str = ""
    """Of another version of a sound (5.1, another codec or bit rate): the track it is the same
    as, which is the one in stereo where there is one."""

    @property
    def video_range(self) -> VideoRange:
        """The range of a picture, RFC 8216bis §4.4.6.2."""
        return HDR_RANGES.get(self.transfer, "SDR")

    @property
    def sample_count(self) -> int:
        """Frames or packets in all segments."""
        return sum(segment.sample_count for segment in self.segments)

    @property
    def index_size_bytes(self) -> int:
        """Of a track in one file: bytes from the init segment to the first other one; else 0."""
        offset = self.segments[0].offset
        return 0 if offset is None else offset - self.init_size_bytes

    @property
    def is_one_file(self) -> bool:
        """Whether its init segment, an index and its media segments lie in one file."""
        return self.segments[0].offset is not None

    @property
    def size_bytes(self) -> int:
        """Of all its files but playlists."""
        media = sum(segment.size_bytes for segment in self.segments)
        return self.init_size_bytes + self.index_size_bytes + media

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        document = asdict(self)
        document["frame_rate"] = str(self.frame_rate)
        document["segments"] = [segment.to_json() for segment in self.segments]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Track:
        """Read what `to_json` wrote."""
        segments = tuple(Segment(**segment) for segment in document["segments"])
        rate = Fraction(document["frame_rate"])
        return cls(**{**document, "segments": segments, "frame_rate": rate})


@dataclass(frozen=True)
class SegmentFile:
    """A media segment as it was written: its file, and what its boxes say."""

    name: str
    """File name inside the track's folder."""
    size_bytes: int
    """Size of the file."""
    sha256: str
    """Digest of the file, hexadecimal."""
    fragment: Fragment
    """Its samples."""

    def to_json(self) -> list[Any]:
        """Plain JSON, short because a film has thousands."""
        return [self.name, self.size_bytes, self.sha256, *astuple(self.fragment)]

    @classmethod
    def from_json(cls, document: Sequence[Any]) -> SegmentFile:
        """Read what `to_json` wrote."""
        name, size_bytes, sha256, *facts = document
        return cls(name, size_bytes, sha256, Fragment(*facts))


def measure(name: str, content: bytes, header: Init) -> SegmentFile:
    """Read a media segment's boxes and take its digest.

    Raises:
        ToolError: `output_broken`.
    """
    digest = hashlib.sha256(content).hexdigest()
    return SegmentFile(name, len(content), digest, read_fragment(content, header))


def index_track(name: str, init: bytes, files: Sequence[SegmentFile]) -> Track:
    """Put a track together from its measured segments, and check that they join.

    Args:
        name: the track's id and folder.
        init: the init segment.
        files: the media segments in order.

    Raises:
        ToolError: `output_broken` (the init segment), `output_mismatch` (a gap, an overlap, no
            key frame).
    """
    header = read_init(init)
    fragments = [file.fragment for file in files]
    _check_joins(name, fragments)
    starts = _starts(fragments, header)
    segments = tuple(
        _segment(file, start, end)
        for file, (start, end) in zip(files, pairwise(starts), strict=True)
    )
    rate = _frame_rate(fragments, header) if header.width else Fraction(0)
    return _track(name, init, header, segments, rate)


def _segment(file: SegmentFile, start: int, end: int) -> Segment:
    return Segment(
        name=file.name,
        start=start,
        duration=end - start,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        independent=file.fragment.starts_with_sync,
        sample_count=file.fragment.sample_count,
    )


def _check_joins(name: str, fragments: list[Fragment]) -> None:
    """Each segment begins where the one before ends, with a sample that needs no other."""
    if not fragments:
        raise _mismatch(f"track {name} has no segments")
    for number, (early, late) in enumerate(pairwise(fragments), start=2):
        gap = late.decode_time - early.decode_time - early.duration
        if gap:
            raise _mismatch(f"{gap:+} ticks between segments {number - 1} and {number} of {name}")
        if late.earliest <= early.earliest:
            raise _mismatch(f"segment {number} of {name} is shown before the one ahead of it")
    for number, fragment in enumerate(fragments, start=1):
        if not fragment.starts_with_sync:
            raise _mismatch(f"segment {number} of {name} does not begin with a key frame")


def _starts(fragments: list[Fragment], header: Init) -> list[int]:
    """Presentation time of each segment and the end of the last, after the edit list.

    Sound begins with priming that the edit list hides: its first segment starts at 0 and is
    shorter by that much, for players never hear it.
    """
    shown = [max(0, fragment.earliest - header.media_time) for fragment in fragments]
    end = max(fragment.latest_end for fragment in fragments) - header.media_time
    return [*shown, end]


def _frame_rate(fragments: list[Fragment], header: Init) -> Fraction:
    """Average distance of the frames; how long the last is held says nothing about it."""
    distances = sum(fragment.sample_count for fragment in fragments) - 1
    if not distances:
        return nominal_rate(Fraction(header.timescale, max(1, fragments[0].duration)))
    ticks = max(f.latest for f in fragments) - min(f.earliest for f in fragments)
    return nominal_rate(Fraction(distances * header.timescale, ticks))


def _track(
    name: str, init: bytes, header: Init, segments: tuple[Segment, ...], frame_rate: Fraction
) -> Track:
    return Track(
        kind="video" if header.width else "audio",
        name=name,
        folder=name,
        codec=header.codec,
        timescale=header.timescale,
        media_time=header.media_time,
        init_name=INIT_NAME,
        init_size_bytes=len(init),
        init_sha256=hashlib.sha256(init).hexdigest(),
        segments=segments,
        width=header.width,
        height=header.height,
        frame_rate=frame_rate,
        transfer=header.transfer,
        channels=header.channels,
        sample_rate=header.sample_rate,
    )


def codec_sets(tracks: Sequence[Track]) -> list[list[Track]]:
    """Pictures among which players switch: one list a codec, the richest first.

    Codecs come in the order in which they were made, so the main one comes first.
    """
    sets = dict[str, list[Track]]()
    for track in tracks:
        if track.kind == "video":
            sets.setdefault(track.codec.partition(".")[0], []).append(track)
    return [sorted(same, key=lambda track: -track.peak_bandwidth) for same in sets.values()]


def picture_seconds(tracks: Iterable[Track]) -> Fraction:
    """How long an asset is: its longest picture, in seconds.

    Args:
        tracks: at least one picture, and any sounds.
    """
    return max(track.duration_seconds for track in tracks if track.kind == "video")


def target_duration(longest_segment: Fraction) -> int:
    """The longest segment rounded to the nearest whole second, a half upwards, RFC 8216 §4.3.3.1.

    Args:
        longest_segment: seconds.
    """
    return max(1, floor(longest_segment + Fraction(1, 2)))


def nominal_rate(average: Fraction) -> Fraction:
    """The usual frame rate that a measured one stands for, else the measured one."""
    nearest = min(USUAL_RATES, key=lambda usual: abs(usual - average))
    close = abs(nearest - average) < nearest * RATE_TOLERANCE
    return nearest if close else average.limit_denominator(1001)


def _ceiling(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


def _mismatch(what: str) -> ToolError:
    return ToolError(f"the segments do not join: {what}", code="output_mismatch")
