"""Plans sprites: sheets of small pictures of a source for players, and the WebVTT over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, isqrt
from pathlib import Path
from urllib.parse import quote

from adaptation.media.picture import picture_filters
from adaptation.media.probe import VideoTrack
from adaptation.media.stills import NO_EXTRAS, ONE_IMAGE, Excerpt, frame_at, image_filters, sampled
from adaptation.media.timeline import SeekPoint, Timeline

THUMBNAIL_WIDTH = 320
"""Pixels of a small picture, or of the source where that is narrower."""
MOST_THUMBNAIL_HEIGHT = 640
"""Of tall pictures, which are narrower then."""
MOST_SHEET_SIDE = 4096
"""Pixels: larger pictures are not shown by every phone."""
MOST_THUMBNAILS = 20_000
"""A day and night at five seconds."""
QUALITY = "4"
"""Of JPEG, 2 to 31: soft enough to be small, and nobody looks at it for long."""


@dataclass(frozen=True)
class Grid:
    """How small pictures lie on sheets: row by row, sheet by sheet."""

    count: int
    """Pictures on all sheets."""
    width: int
    """Pixels of each."""
    height: int
    """Pixels of each."""
    columns: int
    rows: int
    """On each sheet; the last one may have room left, in black."""

    @property
    def sheets(self) -> int:
        """How many there are."""
        return ceil(self.count / (self.columns * self.rows))

    def place(self, number: int) -> tuple[int, int, int]:
        """Sheet, and the left and upper edge on it in pixels, of the picture number `number`."""
        sheet, rest = divmod(number, self.columns * self.rows)
        row, column = divmod(rest, self.columns)
        return sheet, column * self.width, row * self.height


def plan_grid(video: VideoTrack, count: int) -> Grid:
    """Sheets that are about as many pictures wide as high, and as few as can be.

    Args:
        video: the source's picture.
        count: of small pictures, at least one.
    """
    shape = Fraction(video.height, video.width)
    width = min(Fraction(THUMBNAIL_WIDTH), Fraction(video.width), MOST_THUMBNAIL_HEIGHT / shape)
    wide = max(2, 2 * int(width / 2))
    high = max(2, 2 * round(wide * shape / 2))
    most_columns, most_rows = MOST_SHEET_SIDE // wide, max(1, MOST_SHEET_SIDE // high)
    columns = min(most_columns, isqrt(count - 1) + 1)
    rows = min(most_rows, ceil(count / columns))
    if columns * rows < count:
        columns = min(most_columns, ceil(count / rows))
    return Grid(count, wide, high, columns, rows)


def is_on_key_frames(
    timeline: Timeline, seek_points: Sequence[SeekPoint], interval: Fraction, count: int
) -> bool:
    """Whether every picture that is wanted is a key frame: no other then need be decoded."""
    keys = {point.pts for point in seek_points}
    return all(timeline.pts[frame_at(timeline, n * interval)] in keys for n in range(count))


def sprite_command(
    excerpt: Excerpt,
    grid: Grid,
    interval: Fraction,
    output_paths: Sequence[Path],
    *,
    key_frames_only: bool = False,
) -> list[str]:
    """All sheets in one pass: each picture is what the source shows at n times the interval.

    Args:
        excerpt: the whole source.
        grid: of the pictures.
        interval: seconds between them.
        output_paths: absolute, a JPEG for each sheet.
        key_frames_only: see `is_on_key_frames`.
    """
    size = (grid.width, grid.height)
    chosen = sampled(1 / interval, grid.count)
    look = [*chosen, *picture_filters(excerpt.video, size), *image_filters("jpeg", size)]
    look += [f"tile={grid.columns}x{grid.rows}", f"split={grid.sheets}"]
    numbers = range(grid.sheets)
    stages = [f"{excerpt.graph(['split'])}[all][seen]"]
    stages += [f"[all]{','.join(look)}{''.join(f'[s{n}]' for n in numbers)}"]
    stages += [f"[s{n}]trim=start_frame={n}:end_frame={n + 1}[v{n}]" for n in numbers]
    decoder = ("-skip_frame", "nokey") if key_frames_only else ()
    words = [*excerpt.input_words(*decoder), "-filter_complex", ";".join(stages)]
    for number, path in zip(numbers, output_paths, strict=True):
        words += ["-map", f"[v{number}]", "-c:v", "mjpeg", "-q:v", QUALITY, "-threads", "1"]
        words += [*NO_EXTRAS, *ONE_IMAGE, f"file:{path}"]
    # Sheets come at the end alone: this tells how far the source is read until then.
    reading = ("-map", "[seen]", "-fps_mode", "passthrough", "-c:v", "wrapped_avframe")
    return [*words, *reading, "-f", "null", "-"]


def webvtt(grid: Grid, interval: Fraction, seconds: Fraction, sheets: Sequence[str]) -> str:
    """WebVTT whose cues name a part of a sheet each, as media fragments (`#xywh=`).

    Args:
        grid: of the pictures.
        interval: seconds between them.
        seconds: length of the source, where the last cue ends.
        sheets: their file names, beside the text.
    """
    cues = []
    for number in range(grid.count):
        sheet, left, top = grid.place(number)
        end = min((number + 1) * interval, seconds)
        place = f"#xywh={left},{top},{grid.width},{grid.height}"
        times = f"{_clock(number * interval)} --> {_clock(end)}"
        cues.append(f"{times}\n{quote(sheets[sheet])}{place}\n")
    return "\n".join(["WEBVTT\n", *cues])


def _clock(seconds: Fraction) -> str:
    """To the millisecond, as WebVTT has it."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{thousandths:03}"
