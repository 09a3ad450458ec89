"""The encoding plan of a source: what is made of it, in which pieces, and what that will cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path

from adaptation.media.cascade import Rung, chunk_command, rungs_of
from adaptation.media.chunk import Chunk, is_indexed, plan_chunks
from adaptation.media.coding import ENCODERS, RateControl, VideoCoding
from adaptation.media.copying import copy_command
from adaptation.media.ladder import LadderPlan, plan_ladder
from adaptation.media.probe import Source, VideoTrack
from adaptation.media.profile import Profile
from adaptation.media.rendition import Rendition
from adaptation.media.sound import Sound, audio_command, plan_sounds
from adaptation.media.timeline import SeekPoint, Timeline

ENCODE_SECONDS: Mapping[str, float] = {"x264": 0.027, "x265": 0.07, "svt": 0.044}
"""CPU seconds for a million pixels at the usual preset: soft film on a server of 2020 or so."""
HARDWARE_SECONDS = 0.005
"""CPU seconds for a million pixels that go to a device."""
PRESET_FACTORS: Mapping[str, float] = {
    "ultrafast": 0.35,
    "superfast": 0.6,
    "veryfast": 1.0,
    "faster": 1.4,
    "fast": 1.8,
    "medium": 2.25,
    "slow": 3.8,
    "slower": 7.0,
}
"""What x264 and x265 take at other presets, veryfast being 1."""
SVT_STEP = 1.24
"""By which factor one preset of SVT-AV1 takes longer than the next faster one."""
DECODE_SECONDS = 0.007
"""CPU seconds for a million pixels of the source."""
SCALE_SECONDS = 0.0015
"""CPU seconds for a million pixels of a rendition."""
SOUND_SECONDS = 0.05
"""CPU seconds for a second of sound."""
COPY_SECONDS = 0.006
"""CPU seconds for a megabyte that is copied, with its proofs."""
START_SECONDS, CHUNK_START_SECONDS = 2.5, 0.7
"""CPU seconds of starting: the engine once, and each chunk with its proof."""
CPU_RANGE = (0.5, 1.8)
"""Machines and pictures differ by such factors."""
RATES: Mapping[RateControl, tuple[float, float]] = {"capped_crf": (0.1, 0.55), "abr": (0.8, 1.0)}
"""Parts of the bit rates that pictures come to: little of it would surprise, and the best guess."""
RATE_HIGH = 1.05
"""What an encoder may exceed the bit rate by, beside a buffer once a chunk."""

COPIES = 2
"""A task has in its scratch what a tool writes, and the segments that are cut from it."""


@dataclass(frozen=True)
class Estimate:
    """A figure that is not known yet."""

    low: float
    """Less would be a surprise."""
    expected: float
    """The best guess."""
    high: float
    """More would be a surprise."""


@dataclass(frozen=True)
class EncodingPlan:
    """What is made of a source."""

    source: Source
    """It has a picture."""
    timeline: Timeline
    """When each frame is shown."""
    starts: tuple[int, ...]
    """Frames that start a segment."""
    ladder: tuple[Rendition, ...]
    """The renditions."""
    chunks: tuple[Chunk, ...]
    """Pieces that are encoded apart; each makes all renditions."""
    sounds: tuple[Sound, ...]
    """The sound tracks."""
    profile: Profile
    """How all of it is encoded."""
    notes: tuple[str, ...] = ()
    """Why the ladder is not as the profile has it."""
    copied: Rendition | None = None
    """The rendition that is copied from the source; none: all are encoded."""

    @property
    def picture(self) -> VideoTrack:
        """The video track.

        Raises:
            ValueError: there is none.
        """
        if self.source.video is None:
            raise ValueError("an encoding plan needs a picture")
        return self.source.video

    @property
    def encoded(self) -> tuple[Rendition, ...]:
        """The renditions that chunks make."""
        return tuple(rendition for rendition in self.ladder if rendition != self.copied)

    @property
    def encoders(self) -> frozenset[str]:
        """The encoders that chunks are made with, by name."""
        return frozenset(self.profile.coding(rung.codec).encoder for rung in self.encoded)

    def rungs(self, folder: Path) -> list[Rung]:
        """The renditions as one chunk writes them into `folder`."""
        return rungs_of(self.picture, self.encoded, self.profile, folder)

    def chunk_arguments(self, chunk: Chunk, source: Path, folder: Path) -> list[str]:
        """FFmpeg's arguments for all renditions of a chunk."""
        rungs = self.rungs(folder)
        return chunk_command(self.source, self.timeline, chunk, rungs, source)

    def copy_arguments(self, source: Path, output: Path) -> list[str]:
        """FFmpeg's arguments for the picture that is copied."""
        return copy_command(self.picture, source, output)

    def sound_arguments(self, sound: Sound, source: Path, output: Path) -> list[str]:
        """FFmpeg's arguments for a sound track."""
        track = next(track for track in self.source.audio if track.index == sound.stream_index)
        return audio_command(
            track,
            self.timeline,
            input_path=source,
            output_path=output,
            layout=sound.layout,
            bitrate=sound.bitrate,
        )

    @property
    def cpu_seconds(self) -> Estimate:
        """CPU time of the whole job, over all machines."""
        expected = START_SECONDS + sum(self.task_seconds)
        return Estimate(CPU_RANGE[0] * expected, expected, CPU_RANGE[1] * expected)

    @property
    def task_seconds(self) -> tuple[float, ...]:
        """CPU time of each task that takes much: the copy, the chunks in order, the sounds."""
        per_frame = sum(
            _megapixels(rung) * (_encode_seconds(rung.coding) + SCALE_SECONDS)
            for rung in self.rungs(Path())
        )
        read = self.picture.width * self.picture.height / 1e6 * DECODE_SECONDS
        per_frame += read * self.timeline.thinning
        seconds = [CHUNK_START_SECONDS + per_frame * len(chunk) for chunk in self.chunks]
        if self.copied:
            seconds.insert(0, copy_seconds(self._copied_bytes))
        sound = SOUND_SECONDS * float(self.timeline.duration_seconds)
        return (*seconds, *(sound for _ in self.sounds))

    @property
    def output_bytes(self) -> Estimate:
        """Size of the asset."""
        seconds = float(self.timeline.duration_seconds)
        size = stored_bytes(self._copied_bytes if self.copied else 0, self.sounds, seconds)
        low, expected, high = size.low, size.expected, size.high
        for rung in self.encoded:
            coding, whole = self.profile.coding(rung.codec), rung.bitrate * seconds / 8
            least, usual = RATES[coding.rate_control]
            buffers = coding.buffer_bits(rung.bitrate) / 8 * len(self.chunks)
            low, expected = low + least * whole, expected + usual * whole
            high += RATE_HIGH * (whole + buffers)
        return Estimate(low, expected, high)

    def scratch_bytes(self, parallel_chunks: int) -> Estimate:
        """The most that lies in work area and scratch: all segments, and chunks under way."""
        longest = max((len(chunk) for chunk in self.chunks), default=0)
        share = 1 + min(parallel_chunks, len(self.chunks)) * longest / len(self.timeline)
        copy = self._copied_bytes if self.copied else 0
        size = self.output_bytes
        return Estimate(size.low, size.expected * share + copy, size.high * share + copy)

    def chunk_bytes(self, chunk: Chunk) -> int:
        """The most that the task of a chunk has in its scratch."""
        seconds = float(self.timeline.duration_seconds) * len(chunk) / len(self.timeline)
        bits = sum(
            rung.bitrate * seconds + self.profile.coding(rung.codec).buffer_bits(rung.bitrate)
            for rung in self.encoded
        )
        return ceil(COPIES * RATE_HIGH * bits / 8)

    def sound_bytes(self, sound: Sound) -> int:
        """The most that the task of a sound track has in its scratch."""
        return ceil(COPIES * 1.1 * sound.bitrate * float(self.timeline.duration_seconds) / 8)

    @property
    def copy_bytes(self) -> int:
        """The most that the task which copies the picture has in its scratch."""
        return ceil(COPIES * RATE_HIGH * self._copied_bytes)

    @property
    def _copied_bytes(self) -> float:
        return self.picture.bitrate * float(self.timeline.duration_seconds) / 8


def stored_bytes(copied_bytes: float, sounds: Sequence[Sound], seconds: float) -> Estimate:
    """Size of the tracks of an asset that are not encoded pictures.

    Args:
        copied_bytes: of its pictures that are copied.
        sounds: its sound tracks.
        seconds: its length.
    """
    heard = sum(sound.bitrate for sound in sounds) * seconds / 8
    return Estimate(
        copied_bytes + 0.3 * heard, copied_bytes + heard, RATE_HIGH * copied_bytes + 1.1 * heard
    )


def copy_seconds(copied_bytes: float) -> float:
    """CPU time of the task that copies a picture."""
    return CHUNK_START_SECONDS + COPY_SECONDS * copied_bytes / 1e6


def encoding_plan(  # noqa: PLR0913 - a source, and what is wanted of it
    source: Source,
    timeline: Timeline,
    seek_points: Sequence[SeekPoint],
    starts: Sequence[int],
    *,
    profile: Profile,
    renditions: Sequence[Rendition] | None = None,
    surround: bool = False,
    parallel_chunks: int = 1,
    copied: Rendition | None = None,
) -> EncodingPlan:
    """Decide on renditions, chunks and sound tracks; the same arguments give the same plan.

    Args:
        source: with a picture.
        timeline: of that picture.
        seek_points: its key frames.
        starts: frames that start a segment.
        profile: how to encode, and the ladder.
        renditions: what to make; none: what of the ladder fits the source.
        surround: whether to make 5.1, too.
        parallel_chunks: see `plan_chunks`.
        copied: the rendition that is copied from the source, with its peak as its bit rate;
            `starts` are key frames of the source then.

    Raises:
        ValueError: the source has no picture.
    """
    if source.video is None:
        raise ValueError("an encoding plan needs a picture")
    ladder = planned_ladder(source.video, timeline, profile, renditions, copied)
    chunks: tuple[Chunk, ...] = ()
    if ladder.renditions != (copied,):
        chunks = plan_chunks(
            timeline,
            seek_points,
            starts,
            slots=parallel_chunks,
            is_indexed=is_indexed(source.format_name),
        )
    return EncodingPlan(
        source=source,
        timeline=timeline,
        starts=tuple(starts),
        ladder=ladder.renditions,
        chunks=chunks,
        sounds=plan_sounds(source.audio, surround=surround, bitrates=profile.audio_bitrates),
        profile=profile,
        notes=ladder.notes,
        copied=copied,
    )


def planned_ladder(
    video: VideoTrack,
    timeline: Timeline,
    profile: Profile,
    renditions: Sequence[Rendition] | None,
    copied: Rendition | None = None,
) -> LadderPlan:
    """The renditions of a source: those that are wanted, else what of the profile's fits it.

    Args:
        video: the source's picture.
        timeline: of that picture.
        profile: how to encode, and the ladder.
        renditions: what to make; none: the profile's.
        copied: takes the place of the rendition of its name.
    """
    if not renditions:
        return plan_ladder(_shown(video, timeline), profile.ladders, copied)
    is_copied = {copied.name: copied} if copied else {}
    return LadderPlan(tuple(is_copied.get(wanted.name, wanted) for wanted in renditions), ())


def _encode_seconds(coding: VideoCoding) -> float:
    """CPU seconds for a million pixels."""
    encoder = ENCODERS[coding.encoder]
    if encoder.is_hardware:
        return HARDWARE_SECONDS
    usual = ENCODE_SECONDS[encoder.family]
    if encoder.family == "svt":
        return usual * SVT_STEP ** (int(encoder.preset) - int(coding.preset))
    return usual * PRESET_FACTORS[coding.preset] / PRESET_FACTORS[encoder.preset]


def _megapixels(rung: Rung) -> float:
    return rung.size[0] * rung.size[1] / 1e6


def _shown(picture: VideoTrack, timeline: Timeline) -> VideoTrack:
    """The picture at the frame rate that is encoded."""
    return replace(picture, frame_rate=picture.frame_rate / Fraction(timeline.thinning))
