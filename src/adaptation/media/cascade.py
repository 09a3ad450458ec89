"""Plans the FFmpeg command that makes all renditions of one chunk: pure, nothing is run here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from adaptation.media.chunk import Chunk
from adaptation.media.coding import Stream, VideoCoding
from adaptation.media.encode import (
    TIMESCALE,
    decimal,
    forced_key_frames,
    frame_times,
    input_options,
    may_reorder,
    output_options,
)
from adaptation.media.encoder import encoder_options
from adaptation.media.hardware import UPLOAD, device_options, needs_upload
from adaptation.media.index import nominal_rate
from adaptation.media.picture import decoder_options, deinterlacing, picture_filters
from adaptation.media.probe import Source, VideoTrack
from adaptation.media.profile import Profile
from adaptation.media.rendition import Rendition, target_size
from adaptation.media.timeline import Timeline


@dataclass(frozen=True)
class Rung:
    """One of the renditions that a command makes of a chunk."""

    rendition: Rendition
    """Its bit rate."""
    size: tuple[int, int]
    """Even width and height, see `target_size`."""
    output_path: Path
    """Absolute path of an `.mp4`."""
    coding: VideoCoding
    """How its codec is encoded."""
    threads: int = 1
    """The encoder's threads: 1 gives the same bytes each time, 0 lets the encoder choose."""


def rungs_of(
    video: VideoTrack, ladder: Sequence[Rendition], profile: Profile, folder: Path
) -> list[Rung]:
    """The renditions of a ladder in their sizes for a source.

    Args:
        video: the source's picture.
        ladder: what to make.
        profile: how each codec is encoded.
        folder: absolute path of where the encoded files go.
    """
    return [
        Rung(
            rendition,
            target_size(video.width, video.height, rendition.height),
            folder / f"{rendition.name}.mp4",
            profile.coding(rendition.codec),
        )
        for rendition in ladder
    ]


def chunk_command(
    source: Source,
    timeline: Timeline,
    chunk: Chunk,
    rungs: Sequence[Rung],
    input_path: Path,
) -> list[str]:
    """Encode all renditions of a chunk, each into a fragmented MP4 that begins at zero.

    The source is decoded once. Each rung is scaled from the next larger one, and its colours
    are converted once, on the largest. Files of one rung begin with the same init segment in
    all chunks, so that their fragments join behind any of them once their times are moved.

    Args:
        source: with a picture.
        timeline: of that picture, whole.
        chunk: of that timeline.
        rungs: at least one, in any order.
        input_path: absolute path of the source.

    Returns:
        FFmpeg's arguments without the program and its global options.

    Raises:
        ValueError: the source has no picture, or there are no rungs.
    """
    if source.video is None or not rungs:
        raise ValueError("a chunk needs a picture and at least one rung")
    cascade = sorted(rungs, key=lambda rung: rung.size[0] * rung.size[1], reverse=True)
    outputs = (_output(timeline, chunk, rung, number) for number, rung in enumerate(cascade))
    return [
        # Encoders need the cores; decoding and scaling never hold them up.
        *("-filter_complex_threads", "1", "-threads", "1"),
        *device_options([rung.coding for rung in rungs]),
        *decoder_options(source.video),
        *seek_options(chunk),
        *input_options(input_path),
        *("-filter_complex", cascade_filter(source.video, timeline, chunk, cascade)),
        *(word for output in outputs for word in output),
    ]


def cascade_filter(
    video: VideoTrack, timeline: Timeline, chunk: Chunk, rungs: Sequence[Rung]
) -> str:
    """The graph from the decoded picture to one output `v0`, `v1`… for each rung.

    Where an encoder takes its pictures from a device they are called `d0`, `d1`….

    Args:
        video: the source's picture.
        timeline: of that picture, whole.
        chunk: of that timeline.
        rungs: largest first.
    """
    # Fields are put together before the cut: that needs the frames before and after.
    first = [*deinterlacing(video), trim(timeline, chunk), *thinned(timeline)]
    first += [from_zero(timeline, chunk)]
    first += picture_filters(video, rungs[0].size)
    stages = [f"[0:{video.index}]{','.join(first)}{_ends(rungs, 0)}"]
    for number, rung in enumerate(rungs[1:], start=1):
        scale = _scale(rungs[number - 1].size, rung.size)
        stages.append(f"[n{number - 1}]{scale}{_ends(rungs, number)}")
    for number, rung in enumerate(rungs):
        stages += [f"[v{number}]{UPLOAD}[d{number}]"] if needs_upload(rung.coding) else []
    return ";".join(stages)


def seek_options(chunk: Chunk) -> list[str]:
    """Begin to read a little before the key frame that the chunk's first frame needs."""
    if chunk.seek_seconds is None:
        return []
    # The time is the source's own, and only `trim` cuts: FFmpeg's own cut counts the start of
    # the file twice together with `-copyts`.
    seconds = decimal(chunk.seek_seconds)
    return ["-seek_timestamp", "1", "-noaccurate_seek", "-ss", seconds]


def trim(timeline: Timeline, chunk: Chunk) -> str:
    """Exactly the chunk's frames: the cuts lie half a frame before the frames they mean."""
    words = f"trim=start={_cut(timeline, chunk.first_frame)}"
    if chunk.end_frame < len(timeline):
        words += f":end={_cut(timeline, chunk.end_frame)}"
    return words


def from_zero(timeline: Timeline, chunk: Chunk) -> str:
    """The filter that puts the chunk's first frame at zero."""
    # By the plan, not by the first frame that comes: the filters begin anew, and see another
    # first frame, when a source changes its size or its colours on the way.
    first = timeline.start_seconds + timeline.since_start(chunk.first_frame)
    return f"setpts=PTS-round({decimal(first)}/TB)"


def thinned(timeline: Timeline) -> list[str]:
    """Keeps each frame of the timeline and none between; a chunk begins with one of them."""
    return [f"select=not(mod(n\\,{timeline.thinning}))"] if timeline.thinning > 1 else []


def _cut(timeline: Timeline, frame: int) -> str:
    return decimal(timeline.start_seconds + timeline.since_start(frame) - timeline.half_frame)


def _scale(larger: tuple[int, int], size: tuple[int, int]) -> str:
    # Never `fast_bilinear`: it costs up to 20 points of VMAF on small pictures and saves nothing.
    # The scaler adapts the shape of pixels to rounded sizes, but players take them as square.
    return "null" if size == larger else f"scale={size[0]}:{size[1]}:flags=bicubic,setsar=1"


def _ends(rungs: Sequence[Rung], number: int) -> str:
    """The outputs of a stage: to its encoder, and to the next stage if there is one."""
    return f"[v{number}]" if number + 1 == len(rungs) else f",split=2[v{number}][n{number}]"


def _output(timeline: Timeline, chunk: Chunk, rung: Rung, number: int) -> list[str]:
    frames = timeline.part(chunk.first_frame, chunk.end_frame)
    starts = [start - chunk.first_frame for start in chunk.starts]
    stream = Stream(
        bitrate=rung.rendition.bitrate,
        frame_rate=nominal_rate(timeline.frame_rate),
        longest_gop=max(end - start for start, end in pairwise([*starts, len(frames)])),
        # Of the whole source: all chunks must agree on it.
        may_reorder=may_reorder(timeline),
        threads=rung.threads,
    )
    label = "d" if needs_upload(rung.coding) else "v"
    return [
        *("-map", f"[{label}{number}]"),
        *frame_times(),
        *encoder_options(rung.coding, stream),
        *forced_key_frames(frames, starts),
        *("-video_track_timescale", str(TIMESCALE)),
        # Each fragment can be read as soon as it is whole.
        *("-flush_packets", "1"),
        *output_options(rung.output_path),
    ]  # fmt: skip
