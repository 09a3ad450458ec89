"""Puts together what is known of a source from its bytes, its headers and all its packets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, BinaryIO

from adaptation.errors import SourceError
from adaptation.media.bounds import Clock, Silence, check_frames, check_size, check_stills
from adaptation.media.container import check_complete, truncated
from adaptation.media.fields import LOOK, LOOK_SECONDS, Look, is_pulled_down, look_start
from adaptation.media.picture import hdr_kind
from adaptation.media.probe import (
    Chapter,
    Source,
    VideoTrack,
    is_cover,
    parse_source,
    peak_nits,
)
from adaptation.media.stored import StoredPicture, StoredReader
from adaptation.media.timeline import SeekPoint, Timeline, timeline

TRUSTED_DURATIONS = frozenset({"mov", "matroska", "avi", "asf", "flv"})
"""Containers whose duration is written in the file; others get it estimated."""
ALLOWED_LOSS = 0.02
"""Part of the announced duration that may be missing at the end: writers round and forget."""
ALLOWED_LOSS_SECONDS = 1.0
"""The least that may be missing, for short files."""


@dataclass
class _Extent:
    """First and last moment of one stream, in its ticks."""

    start: int | None = None
    end: int = 0

    def add(self, pts: int, duration: int) -> None:
        self.start = pts if self.start is None else min(self.start, pts)
        self.end = max(self.end, pts + duration)


class Inspection:
    """Reads a source piece by piece: `read_file`, `read_headers`, `read_packet`…, `result`."""

    def __init__(self) -> None:
        self._source: Source | None = None
        self._video: VideoTrack | None = None
        self._announced: dict[int, float] = {}
        self._time_bases: dict[int, Fraction] = {}
        self._extents: dict[int, _Extent] = {}
        self._silences: dict[int, Silence] = {}
        self._clock = Clock(Fraction(1))
        self._frames: dict[int, int] = {}
        self._stored = StoredReader()
        self._first_key: int | None = None
        self._seek_points: list[SeekPoint] = []
        self._look: Look | None = None
        self.times_missing = False
        """Whether frames came without a time: then `read_frame` must see all frames instead."""

    @property
    def video_index(self) -> int:
        """Stream index of the picture."""
        return self._picture().index

    def read_file(self, stream: BinaryIO) -> None:
        """Look at the raw file.

        Raises:
            SourceError: it is empty, text, or cut short.
        """
        check_complete(stream)

    def read_headers(self, document: Mapping[str, Any]) -> None:
        """Take the answer of `ffprobe -of json -show_format -show_streams -show_chapters`.

        Raises:
            SourceError: `source_no_video`, `source_picture_too_large`.
        """
        self._source = parse_source(document)
        self._video = self._source.video
        picture = self._picture()
        for stream in document["streams"]:
            index = int(stream["index"])
            if stream.get("time_base", "0/1")[:2] != "0/":
                self._time_bases[index] = Fraction(stream["time_base"])
                self._extents[index] = _Extent()
                self._silences[index] = Silence(self._time_bases[index])
            # A cover is announced as long as the film, but is a single picture.
            is_track = stream.get("codec_type") in ("audio", "video") and not is_cover(stream)
            if is_track and "duration" in stream:
                self._announced[index] = float(stream["duration"])
            if index == picture.index:
                check_size(
                    picture.width, picture.height, int(stream["width"]) * int(stream["height"])
                )
                self._clock = Clock(self._time_bases.get(index, Fraction(1)))

    @property
    def needs_first_frame(self) -> bool:
        """Whether the headers lack what a decoded frame may tell: the peak of PQ."""
        video = self._picture()
        return hdr_kind(video) == "pq" and not video.peak_nits

    def read_first_frame(self, document: Mapping[str, Any]) -> None:
        """Take the answer of `ffprobe -of json -show_frames` for the first frame."""
        frames = document.get("frames", [])
        side_data = frames[0].get("side_data_list", []) if frames else []
        self._video = replace(self._picture(), peak_nits=peak_nits(side_data))

    @property
    def look_start(self) -> float | None:
        """Second of the source to look at its pictures from; none when that is not needed."""
        seconds = self._source.duration_seconds if self._source else 0.0
        return look_start(self._picture(), seconds)

    look_filters = LOOK
    look_seconds = float(LOOK_SECONDS)

    def read_look(self, line: str) -> None:
        """Take one line that the filters `fields.LOOK` print."""
        self._look = self._look or Look()
        self._look.read(line)

    def read_packet(self, line: str) -> None:
        """Take one packet as `ffprobe -of csv=p=0` prints it.

        Args:
            line: `stream_index,pts,dts,duration,size,flags`.
        """
        fields = line.split(",")
        if len(fields) < 6 or not fields[0].isdigit():
            return
        index = int(fields[0])
        if index == self.video_index:
            self._read_picture(fields)
        elif "D" not in fields[5] and index in self._extents and _is_number(fields[1]):
            self._extents[index].add(int(fields[1]), _ticks(fields[3]))
            self._silences[index].read(int(fields[1]))

    def _read_picture(self, fields: list[str]) -> None:
        pts, flags = fields[1], fields[5]
        if _is_number(fields[2]):
            self._clock.read(int(fields[2]))
        self._stored.read(int(pts) if _is_number(pts) else None, _ticks(fields[4]), flags)
        if not _is_number(pts):
            self.times_missing = self.times_missing or "D" not in flags
            return
        if "K" in flags and self._first_key is None:
            self._first_key = int(pts)
        self._note_seek_point(int(pts), fields[2], flags)
        # Discarded by an edit list, or undecodable before the first key frame: never shown.
        if "D" in flags or self._first_key is None or int(pts) < self._first_key:
            return
        self.read_frame(int(pts), _ticks(fields[3]))

    def _note_seek_point(self, pts: int, dts: str, flags: str) -> None:
        """Remember a key frame, and whether a frame stored behind it is shown before it."""
        points = self._seek_points
        if "K" in flags and "D" not in flags:
            points.append(SeekPoint(pts, int(dts) if _is_number(dts) else pts, has_leading=False))
        elif points and pts < points[-1].pts:
            points[-1] = replace(points[-1], has_leading=True)

    def restart_frames(self) -> None:
        """Forget the frames read so far."""
        self._frames.clear()
        self._extents[self.video_index] = _Extent()

    def read_frame(self, pts: int, duration: int) -> None:
        """Take one frame of the picture, in ticks of its stream."""
        self._frames[pts] = duration
        check_frames(len(self._frames))
        self._extents[self.video_index].add(pts, duration)

    def result(self) -> tuple[Source, Timeline]:
        """The source with measured durations, and when its frames are shown.

        Raises:
            SourceError: `source_truncated`, `source_gap`, `source_no_video` (a track without
                frames).
        """
        video = self._picture()
        last = max(self._frames, default=0)
        frames = timeline(self._time_bases[video.index], self._frames, self._frames.get(last, 0))
        if frames is None:
            raise _no_picture("its video track has no frame that can be shown")
        check_stills(frames)
        source = replace(self._measured(frames), video=self._judged(video, frames))
        self._check_announced(source)
        return source, frames

    def seek_points(self) -> tuple[SeekPoint, ...]:
        """Key frames in the order they are shown, in the timeline's ticks.

        None when the container does not say when frames are shown: nobody knows then where a
        seek would land.
        """
        if self.times_missing:
            return ()
        return tuple(sorted(self._seek_points, key=lambda point: point.pts))

    def stored(self) -> StoredPicture:
        """How the container stores the picture; also where the decoder had to tell its times."""
        return self._stored.result()

    def _picture(self) -> VideoTrack:
        if self._video is None:
            raise _no_picture("it has no video track")
        return self._video

    def _judged(self, video: VideoTrack, frames: Timeline) -> VideoTrack:
        """The picture with what was seen of its fields and packets."""
        judged = self._look.judged(video) if self._look else video
        bitrate = round(8 * self._stored.size_bytes / frames.duration_seconds)
        judged = replace(judged, bitrate=bitrate)
        return replace(judged, telecine="soft") if is_pulled_down(frames) else judged

    def _seconds(self, index: int) -> tuple[float, float]:
        """Start and end of a stream; (0, 0) when it has no packets."""
        extent = self._extents.get(index, _Extent())
        if extent.start is None:
            return 0.0, 0.0
        time_base = self._time_bases[index]
        return float(extent.start * time_base), float(extent.end * time_base)

    def _measured(self, frames: Timeline) -> Source:
        """The source with the times of its packets; sound that nobody would hear is left out."""
        if self._source is None:
            raise ValueError("read_headers comes first")
        audio = []
        for track in self._source.audio:
            start, end = self._seconds(track.index)
            # Without packets, or over before the first frame: nothing of it would be heard.
            if end > max(start, float(frames.start_seconds)):
                extent = self._extents[track.index]
                self._silences[track.index].check(
                    float(frames.start_seconds), extent.start or 0, extent.end
                )
                audio.append(replace(track, start_seconds=start, end_seconds=end))
        end = max([float(frames.end_seconds), *(track.end_seconds for track in audio)])
        duration = end - float(frames.start_seconds)
        chapters = (_since_start(chapter, frames) for chapter in self._source.chapters)
        return replace(
            self._source,
            duration_seconds=duration,
            audio=tuple(audio),
            chapters=tuple(c for c in chapters if c.end_seconds > c.start_seconds),
        )

    def _check_announced(self, source: Source) -> None:
        """Compare what the headers promise with what came."""
        container = source.format_name.partition(",")[0]
        if self._source is None or container not in TRUSTED_DURATIONS:
            return
        spans = [self._seconds(index) for index in self._extents]
        end = max(end for _, end in spans)
        # Matroska counts from zero, the others from the first packet.
        start = 0.0 if container == "matroska" else min(begin for begin, end in spans if end)
        check_length("file", self._source.duration_seconds, end - start)
        if container == "mov":  # the others' track durations are guesses
            for index, announced in self._announced.items():
                start, end = self._seconds(index)
                check_length(f"track {index}", announced, end - start)


def _since_start(chapter: Chapter, frames: Timeline) -> Chapter:
    """The chapter on the clock of the picture, cut to its length; to the microsecond."""

    def seconds(time: float) -> float:
        since = min(time, float(frames.end_seconds)) - float(frames.start_seconds)
        return max(0.0, round(since, 6))

    return replace(
        chapter,
        start_seconds=seconds(chapter.start_seconds),
        end_seconds=seconds(chapter.end_seconds),
    )


def check_length(name: str, announced: float, found: float) -> None:
    """Compare how long something should be with how long it is, both in seconds.

    Raises:
        SourceError: `source_truncated`.
    """
    if announced - found > max(ALLOWED_LOSS_SECONDS, ALLOWED_LOSS * announced):
        raise truncated(f"its {name} should last {announced:.2f} s and ends after {found:.2f} s")


def _no_picture(what: str) -> SourceError:
    return SourceError(
        f"the source has no picture: {what}",
        code="source_no_video",
        hint="Give a file with a video track; sound alone cannot become a ladder.",
    )


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _ticks(text: str) -> int:
    return int(text) if _is_number(text) else 0
