"""Plans how VMAF is measured of a rendition against its source, and reads what libvmaf wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from adaptation.errors import ToolError
from adaptation.media.cascade import thinned
from adaptation.media.index import Track
from adaptation.media.picture import picture_filters
from adaptation.media.stills import Excerpt

MODEL = "vmaf_v0.6.1"
"""Netflix's model for a screen of 1080 lines at three times its height; it is part of libvmaf."""
FILTER = "libvmaf"
LOG_NAME = "vmaf.json"
"""Where FFmpeg writes the scores: relative, for a whole path would have to be escaped twice."""
RATE = 25
"""Pictures a second of both inputs once they are numbered: only their order counts."""
SPAN_SECONDS = 60
"""Least length of what one task measures: up to it decoding from a key frame costs little."""
MOST_SPANS = 12
"""Tasks a rendition; of a long film each measures more."""


@dataclass(frozen=True)
class Span:
    """Segments of a rendition that are measured together."""

    first: int
    """Number of the first segment, from 0."""
    end: int
    """Number of the segment behind the last one."""


def frame_bounds(track: Track) -> list[int]:
    """The number of each segment's first frame, and behind them the number of all frames."""
    bounds = [0]
    for segment in track.segments:
        bounds.append(bounds[-1] + segment.sample_count)
    return bounds


def spans(track: Track) -> list[Span]:
    """Cut a rendition into pieces of about the same length, at segments."""
    seconds, count = float(track.duration_seconds), len(track.segments)
    pieces = max(1, min(MOST_SPANS, int(seconds // SPAN_SECONDS), count))
    length = ceil(count / pieces)
    return [Span(first, min(first + length, count)) for first in range(0, count, length)]


def vmaf_command(
    excerpt: Excerpt, size: tuple[int, int], picture_path: Path, skipped: int = 0
) -> list[str]:
    """Compare pictures with those of the source that they were made of, one by one.

    Args:
        excerpt: the source's pictures.
        size: width and height in which they are compared; that of the largest rendition.
        picture_path: absolute, an MP4 of the rendition, with at least those pictures.
        skipped: how many others it has before them.

    Returns:
        FFmpeg's arguments without the program; it writes `LOG_NAME` into the folder it runs in.
    """
    width, height = size
    # What the encoder of the largest rendition was given is what all are held against.
    pictures = [*thinned(excerpt.timeline), *picture_filters(excerpt.video, size)]
    reference = excerpt.graph([*pictures, *_numbered()])
    # Players scale small renditions up as well; never `fast_bilinear`, see `cascade`.
    shown = [f"trim=start_frame={skipped}:end_frame={skipped + len(excerpt.chunk)}"]
    shown += [f"scale={width}:{height}:flags=bicubic", "setsar=1", "format=yuv420p", *_numbered()]
    # Neither waits for the other's end, nor is a last picture repeated: a count tells what lacks.
    scores = (
        f"{FILTER}=shortest=1:repeatlast=0:model=version={MODEL}:log_fmt=json:log_path={LOG_NAME}"
    )
    graph = f"{reference}[r];[1:v:0]{','.join(shown)}[d];[d][r]{scores}[v]"
    return [
        *("-filter_complex_threads", "1"),
        *excerpt.input_words(),
        *("-i", f"file:{picture_path}"),
        *("-filter_complex", graph, "-map", "[v]"),
        *("-fps_mode", "passthrough", "-f", "null", "-"),
    ]


def surroundings(track: Track, span: Span) -> tuple[Span, int, int]:
    """What is decoded to measure a span as if all of the rendition were measured at once.

    VMAF judges a picture by how it moves from the one before to the one behind it: the first of
    any run counts as standing still, and is given another score.

    Returns:
        The segments, and how many pictures are compared before and behind those that count.
    """
    count = len(track.segments)
    whole = Span(max(0, span.first - 1), min(count, span.end + 1))
    return whole, int(whole.first < span.first), int(whole.end > span.end)


def expected_seconds(frames: int) -> float:
    """Media time of the output of `vmaf_command`, to tell its progress by."""
    return frames / RATE


def frame_scores(document: Mapping[str, Any], frames: int) -> list[float]:
    """VMAF of each picture, 0 to 100, from libvmaf's log.

    Args:
        document: the log, JSON.
        frames: as many pictures must have been compared.

    Raises:
        ToolError: `output_mismatch`.
    """
    found = [float(frame["metrics"]["vmaf"]) for frame in document.get("frames", ())]
    if len(found) != frames:
        raise ToolError(
            f"{len(found)} pictures were compared instead of {frames}", code="output_mismatch"
        )
    return found


def mean(scores: Sequence[float]) -> float:
    """The arithmetic mean, libvmaf's usual pooling."""
    return sum(scores) / len(scores)


def harmonic_mean(scores: Sequence[float]) -> float:
    """The harmonic mean as libvmaf pools it: n / sum(1 / (score + 1)) - 1; bad pictures count."""
    return len(scores) / sum(1 / (score + 1) for score in scores) - 1


def _numbered() -> list[str]:
    # By their order, not by their times: those of a VFR source are rounded in one of the two.
    return [f"settb=1/{RATE}", "setpts=N"]
