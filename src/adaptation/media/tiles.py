"""Plans thumbnails: how large, how many in a tile, from which segments, by which command."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import NamedTuple

from adaptation.media.index import Segment, Track
from adaptation.media.trickplay import TIMESCALE, ImageTrack, smallest

TILE_PIXELS = 4096
"""Longest side of a tile that every browser and television can show."""
MOST_BESIDE = 5
"""Most thumbnails beside or below each other: a tile of small ones stays quick to fetch."""
TILE_FILES = "%05d.jpg"
"""FFmpeg's pattern of the tiles' names, counted from 1."""
BEST_SCALE, WORST_SCALE = 2, 31
"""The range of the quantiser of FFmpeg's JPEG encoder."""


class Size(NamedTuple):
    """Width and height in pixels, both even."""

    width: int
    height: int


@dataclass(frozen=True)
class TilePlan:
    """Thumbnails to be made of one rendition."""

    track: Track
    """What they are made of."""
    size: Size
    """Of one thumbnail."""
    columns: int
    """Beside each other in a tile."""
    rows: int
    """Below each other in a tile."""
    interval: Fraction
    """Seconds from one thumbnail to the next."""
    duration: Fraction
    """Seconds of the whole asset."""

    @property
    def count(self) -> int:
        """Thumbnails, so that one stands for every moment of the asset."""
        return ceil(self.duration / self.interval)

    @property
    def picture_count(self) -> int:
        """Those that begin while there is a picture: sound may last longer."""
        return ceil(self.track.duration_seconds / self.interval)

    @property
    def tile_count(self) -> int:
        """JPEG files."""
        return ceil(self.count / (self.columns * self.rows))

    @property
    def segments(self) -> list[Segment]:
        """The segments of the picture that hold a frame which is needed, in the order of time."""
        found = dict[int, Segment]()
        rest = iter(self.track.segments)
        current = next(rest)
        for number in range(self.picture_count):
            tick = number * self.interval * self.track.timescale
            while current.start + current.duration <= tick:
                current = next(rest)
            found[current.start] = current
        return list(found.values())


def plan_tiles(tracks: Sequence[Track], long_edge: int, interval: Fraction) -> TilePlan:
    """Choose the smallest rendition that is large enough, and how its thumbnails are laid out.

    Args:
        tracks: all tracks of the asset; at least one picture.
        long_edge: pixels of the longer side of a thumbnail; 0, or more than there are: those of
            the largest rendition.
        interval: seconds from one thumbnail to the next, in whole milliseconds.
    """
    pictures = [track for track in tracks if track.kind == "video"]
    largest = max(_long_edge(track) for track in pictures)
    wanted = min(long_edge or largest, largest)
    large_enough = [track for track in pictures if _long_edge(track) >= wanted]
    track = smallest(large_enough)
    duration = max(one.duration_seconds for one in tracks)
    count = ceil(duration / interval)
    size = _thumbnail_size(track, wanted)
    columns = min(_fitting(size.width), count)
    rows = min(_fitting(size.height), ceil(count / columns))
    return TilePlan(track, size, columns, rows, interval, duration)


def tile_command(
    plan: TilePlan, quality: int, *, input_path: Path, output_folder: Path
) -> list[str]:
    """Make the tiles of a file that holds the segments of the plan behind their init segment.

    Args:
        plan: what is wanted.
        quality: 1 to 100, the best.
        input_path: the file.
        output_folder: the tiles appear here as `00001.jpg` and so on.
    """
    missing = plan.count - plan.picture_count
    filters = [
        # Each thumbnail is the frame that is shown when its time begins.
        f"fps={1 / plan.interval}:start_time=0:round=up",
        # Where sound goes on without a picture, the last one stands.
        *([f"tpad=stop={missing}:stop_mode=clone"] if missing else []),
        # JPEG is BT.601 in full range, whatever the video is.
        f"scale={plan.size.width}:{plan.size.height}:out_color_matrix=bt601:out_range=full",
        f"tile={plan.columns}x{plan.rows}",
    ]
    # What was damaged must not be shown as if it were the film.
    command = ["-xerror", "-i", f"file:{input_path}", "-map", "0:v:0", "-vf", ",".join(filters)]
    command += ["-c:v", "mjpeg", "-q:v", f"{_scale(quality):g}"]
    # Tiles are files, not a clip of a steady rate: none is left out or repeated.
    command += ["-fps_mode", "passthrough", "-f", "image2", "-start_number", "1"]
    return [*command, str(output_folder / TILE_FILES)]


def image_track(plan: TilePlan, folder: str, tiles: Iterable[bytes]) -> ImageTrack:
    """The record of the tiles that were made.

    Args:
        plan: by which they were made.
        folder: inside the asset.
        tiles: the files' contents in order, as many as planned.
    """
    together = plan.columns * plan.rows
    step, end = int(together * plan.interval * TIMESCALE), ceil(plan.duration * TIMESCALE)
    segments = [
        Segment(
            name=TILE_FILES % (number + 1),
            start=number * step,
            duration=min(step, end - number * step),
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            independent=True,
            sample_count=min(together, plan.count - number * together),
        )
        for number, content in enumerate(tiles)
    ]
    return ImageTrack(
        folder=folder,
        width=plan.size.width,
        height=plan.size.height,
        columns=plan.columns,
        rows=plan.rows,
        interval=plan.interval,
        segments=tuple(segments),
    )


def _long_edge(track: Track) -> int:
    return max(track.width, track.height)


def _thumbnail_size(track: Track, long_edge: int) -> Size:
    """The track's shape with that longer side, both sides even."""
    part = Fraction(long_edge, _long_edge(track))
    return Size(*(max(2, 2 * round(part * side / 2)) for side in (track.width, track.height)))


def _fitting(pixels: int) -> int:
    return max(1, min(MOST_BESIDE, TILE_PIXELS // pixels))


def _scale(quality: int) -> float:
    """The encoder's quantiser: 100 is its finest, 1 its coarsest."""
    return round(WORST_SCALE - (WORST_SCALE - BEST_SCALE) * (quality - 1) / 99, 1)
