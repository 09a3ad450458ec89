"""Decides whether a source's picture can be copied as the top rendition: pure, nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise

from adaptation.media.as_stored import PictureAsStored
from adaptation.media.chunk import is_indexed
from adaptation.media.encode import TIMESCALE, keyframes
from adaptation.media.index import Segment, Segmented
from adaptation.media.picture import HD_HEIGHT
from adaptation.media.rendition import Rendition, target_size
from adaptation.media.timeline import SeekPoint, Timeline

CODEC = "h264"
"""The only codec that is copied: nearly everything plays it."""
PROFILES = frozenset({"Baseline", "Constrained Baseline", "Main", "High"})
"""Of H.264: those for 8 bit 4:2:0, by FFmpeg's names."""
HIGHEST_LEVEL = 52
"""Ten times the H.264 level at which most players end."""
PLAIN_TAGS = frozenset({"avc1", "[0][0][0][0]"})
"""ffprobe's words for H.264 whose parameters lie in the header: those of MP4, and of Matroska."""
LONGEST_SEGMENT = Fraction(3, 2)
"""By which factor a segment may exceed its wanted length because no key frame comes earlier."""
MOST_AVERAGE, MOST_PEAK = Fraction(11, 10), 2
"""Parts of the rendition's bit rate that average and peak may come to."""

SEGMENT_BYTES, SAMPLE_BYTES = 250, 16
"""What the boxes of a segment take at most, and those of each frame in it."""


@dataclass(frozen=True)
class _Pieces(Segmented):
    """The segments that copying would make."""

    timescale: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Candidate(PictureAsStored):
    """A picture that may be copied, and the ladder that it may become the top of."""

    ladder: tuple[Rendition, ...]
    """What would be made of it without copying."""
    segment_seconds: float
    """Wanted length of a segment."""

    @cached_property
    def rung(self) -> Rendition | None:
        """The rendition that the picture may be: H.264 of its own size, the richest of those."""
        size = self.picture.width, self.picture.height
        same = (
            rendition
            for rendition in self.ladder
            if rendition.codec == CODEC and target_size(*size, rendition.height) == size
        )
        return max(same, key=lambda rendition: rendition.bitrate, default=None)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Numbers of the frames that start a segment: the first key frame in each cell of the grid.

        This is where Packager cuts, too.
        """
        return keyframes(self.timeline, self.segment_seconds, self._keys)

    @cached_property
    def longest_seconds(self) -> Fraction:
        """Length of the longest segment."""
        return max(late - early for early, late in pairwise(self._bounds))

    @cached_property
    def peak_bitrate(self) -> int:
        """Bits per second that the manifests will announce, or a little more."""
        before = dict(zip(self._keys, accumulate(self.stored.gop_bytes, initial=0), strict=False))
        ends = [*(before[start] for start in self.starts), sum(self.stored.gop_bytes)]
        ticks = [round(TIMESCALE * moment) for moment in self._bounds]
        counts = [late - early for early, late in pairwise([*self.starts, len(self.timeline)])]
        sizes = [late - early for early, late in pairwise(ends)]
        segments = tuple(
            Segment(
                "", start, end - start, SEGMENT_BYTES + SAMPLE_BYTES * count + size, "", True, 0
            )
            for (start, end), count, size in zip(pairwise(ticks), counts, sizes, strict=True)
        )
        return _Pieces(TIMESCALE, segments).peak_bandwidth

    def reasons(self) -> tuple[str, ...]:
        """What speaks against copying, as far as headers and packets tell; none: nothing does."""
        found = [*self._against_coding(), *self._against_look(), *self._against_storage()]
        if self.rung is None:
            size = f"{self.picture.width}x{self.picture.height}"
            found.append(f"the ladder has no H.264 rendition of its size, {size}")
        elif not found:
            found += self._against_rate(self.rung)
        return tuple(found)

    @cached_property
    def _keys(self) -> tuple[int, ...]:
        """Numbers of the key frames."""
        places = {pts: frame for frame, pts in enumerate(self.timeline.pts)}
        return tuple(places[point.pts] for point in self.seek_points if point.pts in places)

    @property
    def _bounds(self) -> list[Fraction]:
        """When each segment starts, and when the last one ends, from the first frame on."""
        starts = [self.timeline.since_start(frame) for frame in self.starts]
        return [*starts, self.timeline.duration_seconds]

    def _against_coding(self) -> Iterator[str]:
        picture = self.picture
        if picture.codec != CODEC:
            yield f"its codec is {picture.codec}, not {CODEC}"
            return
        if picture.profile not in PROFILES or picture.pixel_format != "yuv420p":
            what = f"{picture.profile or 'unknown'}, {picture.pixel_format or 'unknown'}"
            yield f"it is not 8 bit 4:2:0 of a common profile ({what})"
        if picture.level > HIGHEST_LEVEL:
            yield f"its level is {picture.level / 10}, above {HIGHEST_LEVEL / 10}"
        if picture.interlaced or picture.telecine or picture.field_order not in ("", "progressive"):
            yield "it is interlaced"

    def _against_look(self) -> Iterator[str]:
        picture = self.picture
        if not picture.square_pixels:
            yield "its pixels are not square"
        if picture.reshaped or picture.rotation:
            yield "the container turns, mirrors or crops it"
        if picture.width % 2 or picture.height % 2:
            yield f"its size is odd, {picture.width}x{picture.height}"
        stated = [picture.color_space, picture.primaries, picture.transfer]
        if others := sorted({name for name in stated if name not in ("", "bt709")}):
            yield f"its colours are not those of BT.709 ({', '.join(others)})"
        elif "" in stated and min(picture.width, picture.height) < HD_HEIGHT:
            yield f"its colours are not stated, and it has less than {HD_HEIGHT} lines"
        if picture.color_range not in ("", "tv"):
            yield "its range is full"

    def _against_storage(self) -> Iterator[str]:
        stored, container = self.stored, self.source.format_name.partition(",")[0]
        if not is_indexed(self.source.format_name):
            yield f"its container is {container}, not MP4 or Matroska"
        elif self.picture.codec == CODEC and self.picture.tag not in PLAIN_TAGS:
            yield f"its parameters may lie among its frames ({self.picture.tag})"
        if stored.discarded:
            yield f"an edit list hides {stored.discarded} of its frames"
        if stored.untimed:
            yield f"{stored.untimed} of its frames have no time of their own"
        if not stored.begins_with_key:
            yield "it does not begin with a key frame"
        if any(point.has_leading for point in self.seek_points):
            yield "frames behind a key frame are shown before it (open GOP)"
        if self.timeline.thinning > 1:
            yield "frames are to be left out (max_frame_rate)"

    def _against_rate(self, rung: Rendition) -> Iterator[str]:
        if len(self._keys) != len(self.stored.gop_bytes):
            yield "its key frames have no place among its frames"
            return
        wanted = Fraction(self.segment_seconds)
        if len(self.starts) == 1 and self.longest_seconds > wanted:
            yield "players could not switch in it: its only key frame is the first one"
        elif self.longest_seconds > LONGEST_SEGMENT * wanted:
            yield (
                f"its key frames are too far apart: a segment would last"
                f" {float(self.longest_seconds):.1f} instead of {self.segment_seconds:g} s"
            )
        average, most = self.picture.bitrate, rung.bitrate // 1000
        if average > MOST_AVERAGE * rung.bitrate:
            yield f"its bit rate is {average // 1000} kbit/s, more than the {most} of {rung.name}"
        elif self.peak_bitrate > MOST_PEAK * rung.bitrate:
            yield (
                f"its bit rate has a peak of {self.peak_bitrate // 1000} kbit/s, more than"
                f" {MOST_PEAK} x the {most} of {rung.name}"
            )


class UnitReader:
    """Collects what `copying.look_command` prints about the units of a stream, ITU-T H.264 §7.4.1.

    Three streams: packets with pictures that need no other one (IDR, of HEVC all random access
    points), and the parameter sets of sequences and of pictures.
    """

    def __init__(self) -> None:
        self._time_base = Fraction(0)
        self._idr = set[Fraction]()
        self._sets: tuple[set[str], set[str]] = (set(), set())

    def read(self, line: str) -> None:
        """Take one line of FFmpeg's `framemd5`."""
        if line.startswith("#tb 0:"):
            self._time_base = Fraction(line.rpartition(" ")[2])
        words = [word.strip() for word in line.split(",")]
        # Behind the digest may stand what the container says beside the packet.
        if line.startswith("#") or len(words) < 6:
            return
        stream, pts, digest = words[0], words[2], words[5]
        if stream == "0":
            self._idr.add(int(pts) * self._time_base)
        else:
            self._sets[int(stream) - 1].add(digest)

    def reasons(self, timeline: Timeline, seek_points: Sequence[SeekPoint]) -> tuple[str, ...]:
        """What speaks against copying the picture with these key frames."""
        found = []
        if self.sets_change:
            found.append("its parameter sets (SPS, PPS) change on the way")
        if len(self.entries(timeline, seek_points)) != len(seek_points):
            found.append("some of its key frames are no IDR pictures")
        return tuple(found)

    @property
    def sets_change(self) -> bool:
        """Whether the parameter sets change on the way."""
        return any(len(same) != 1 for same in self._sets)

    def entries(
        self, timeline: Timeline, seek_points: Sequence[SeekPoint]
    ) -> tuple[SeekPoint, ...]:
        """The key frames with which decoding can start."""
        base = timeline.time_base
        return tuple(point for point in seek_points if point.pts * base in self._idr)
