"""Plans single pictures of a source and GIFs: FFmpeg's words, nothing is run here."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Literal

from adaptation.media.cascade import from_zero, seek_options, trim
from adaptation.media.chunk import Chunk
from adaptation.media.encode import input_options
from adaptation.media.moment import time_outside
from adaptation.media.picture import decoder_options, deinterlacing, picture_filters
from adaptation.media.probe import VideoTrack
from adaptation.media.timeline import Timeline

ImageKind = Literal["jpeg", "png", "webp"]
IMAGE_KINDS: dict[str, ImageKind] = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".png": "png",
    ".webp": "webp",
}
"""Kinds of images by the end of their names."""
ENCODERS: dict[ImageKind, tuple[str, ...]] = {
    # 2 of 31, the best that differs from the best of all in nothing but size.
    "jpeg": ("-c:v", "mjpeg", "-q:v", "2"),
    "png": ("-c:v", "png"),
    "webp": ("-c:v", "libwebp", "-quality", "90"),
}
USUAL_GIF_HEIGHT = 480
"""Lines of a GIF where nothing is said of its size."""
MOST_GIF_SIDE = 1920
"""Pixels; more is no GIF but a mistake."""
MOST_REVERSED_PIXELS = 500_000_000
"""Pixels of all pictures that are played backwards: they are held in memory, 1.5 bytes each."""
NO_EXTRAS = ("-map_metadata", "-1", "-map_chapters", "-1")
ONE_IMAGE = ("-frames:v", "1", "-f", "image2pipe")
"""Write what the encoder gives, one picture: the other muxer takes names for patterns."""


@dataclass(frozen=True)
class Excerpt:
    """Pictures of a source that follow each other, and how they are read."""

    video: VideoTrack
    timeline: Timeline
    """Of all its pictures."""
    chunk: Chunk
    """Which of them are meant."""
    path: Path
    """Absolute, of the source."""

    def input_words(self, *options: str) -> list[str]:
        """FFmpeg's words that open the source.

        Args:
            options: more of the decoder.
        """
        # Pictures that change their size on the way are scaled: filters begun anew count anew.
        reading = [*decoder_options(self.video), *options, "-reinit_filter", "0"]
        reading += seek_options(self.chunk)
        return [*reading, *input_options(self.path)]

    @property
    def filters(self) -> list[str]:
        """From the decoded picture to exactly these pictures, the first of them at zero."""
        cut = [trim(self.timeline, self.chunk), from_zero(self.timeline, self.chunk)]
        # Fields are put together before the cut: that needs the pictures before and after.
        return [*deinterlacing(self.video), *cut]

    def graph(self, filters: Sequence[str]) -> str:
        """A filter graph from the decoded picture up to a label that is added behind it."""
        return f"[0:{self.video.index}]{','.join([*self.filters, *filters])}"


@dataclass(frozen=True)
class Animation:
    """What a GIF shows."""

    first_frame: int
    """Of the source: the one that is shown at its start."""
    end_frame: int
    """Of the source: the one behind the last that may be shown."""
    pictures: int
    """How many the GIF has."""
    rate: Fraction
    """Pictures a second that are shown."""
    sampling: Fraction
    """Pictures that are taken of a second of the source."""
    size: tuple[int, int]
    """Width and height in pixels."""
    loop: int = 0
    """How often it is repeated: 0 for ever, -1 not at all."""
    is_reversed: bool = False

    @property
    def seconds(self) -> Fraction:
        """How long it plays once."""
        return self.pictures / self.rate

    @property
    def pixels(self) -> int:
        """Of all its pictures together."""
        return self.pictures * self.size[0] * self.size[1]


def frame_at(timeline: Timeline, seconds: Fraction) -> int:
    """Number of the frame that is shown at a time.

    Args:
        timeline: of the source's picture.
        seconds: since the first frame appeared.

    Raises:
        ParameterError: `time_outside`.
    """
    if not 0 <= seconds < timeline.duration_seconds:
        length = float(timeline.duration_seconds)
        raise time_outside(
            f"nothing is shown at {float(seconds):g} s: the source is {length:g} s long"
        )
    return bisect_right(timeline.pts, timeline.pts[0] + seconds / timeline.time_base) - 1


def frame_behind(timeline: Timeline, seconds: Fraction) -> int:
    """Number of the first frame that appears at a time or later; their count if none does."""
    return bisect_left(timeline.pts, timeline.pts[0] + seconds / timeline.time_base)


def even(size: tuple[int, int]) -> tuple[int, int]:
    """The size next below with even sides, as filters of pictures in 4:2:0 want it."""
    return max(2, size[0] - size[0] % 2), max(2, size[1] - size[1] % 2)


def image_filters(kind: ImageKind, size: tuple[int, int]) -> list[str]:
    """From what `picture_filters` gives to the samples of an image.

    Args:
        kind: of the image.
        size: width and height, also odd.
    """
    if kind == "jpeg":  # JFIF: the matrix of BT.601 over the full range
        return [f"{_full_range(size)}:out_color_matrix=smpte170m", "setsar=1", "format=yuvj420p"]
    # Else viewers would apply a gamma that they do not apply to videos.
    labels = "setparams=color_primaries=bt709:color_trc=iec61966-2-1"
    samples = "rgb24" if kind == "png" else "bgra"
    return [_full_range(size), "setsar=1", f"format={samples}", labels]


def frame_command(excerpt: Excerpt, kind: ImageKind, output_path: Path) -> list[str]:
    """One picture as an image, upright and with square pixels, in the size of the source.

    Args:
        excerpt: of one picture.
        kind: of the image.
        output_path: absolute.

    Returns:
        FFmpeg's arguments without the program and its global options.
    """
    size = (excerpt.video.width, excerpt.video.height)
    look = [*picture_filters(excerpt.video, even(size)), *image_filters(kind, size)]
    return [
        *excerpt.input_words(),
        *("-filter_complex", f"{excerpt.graph(look)}[v]", "-map", "[v]"),
        *ENCODERS[kind],
        *NO_EXTRAS,
        *ONE_IMAGE,
        f"file:{output_path}",
    ]


def rendition_command(
    input_path: Path, size: tuple[int, int], frame: int, output_path: Path
) -> list[str]:
    """One picture of a rendition that was made here as a JPEG.

    Args:
        input_path: absolute, segments behind their init segment.
        size: width and height.
        frame: number of the picture in the file.
        output_path: absolute.
    """
    look = [f"select=eq(n\\,{frame})", *image_filters("jpeg", size)]
    return [
        *("-i", f"file:{input_path}", "-map", "0:v:0", "-vf", ",".join(look)),
        *ENCODERS["jpeg"],
        *NO_EXTRAS,
        *ONE_IMAGE,
        f"file:{output_path}",
    ]


def gif_size(video: VideoTrack, width: int, height: int) -> tuple[int, int]:
    """Width and height of a GIF.

    Args:
        video: the source's picture.
        width: pixels; -1: by the shape of the source.
        height: the same; of neither: `USUAL_GIF_HEIGHT` lines.
    """
    if width < 0 and height < 0:
        height = USUAL_GIF_HEIGHT
    if width < 0:
        width = max(2, 2 * round(Fraction(video.width * height, 2 * video.height)))
    if height < 0:
        height = max(2, 2 * round(Fraction(video.height * width, 2 * video.width)))
    return width, height


def animation(  # noqa: PLR0913 - what a GIF is
    timeline: Timeline,
    start: Fraction,
    duration: Fraction,
    *,
    rate: Fraction,
    speed: Fraction,
    size: tuple[int, int],
    loop: int = 0,
    is_reversed: bool = False,
) -> Animation:
    """Which pictures of a source a GIF shows: each is the one that is shown at its time.

    Args:
        timeline: of the source's picture.
        start: seconds since the first frame.
        duration: seconds of the source; less where it ends before.
        rate: pictures a second.
        speed: 2 plays twice as fast.
        size: width and height in pixels.
        loop: see `Animation`.
        is_reversed: whether the last picture comes first.

    Raises:
        ParameterError: `time_outside`.
    """
    first = frame_at(timeline, start)
    begins = timeline.since_start(first)
    duration = min(duration, timeline.duration_seconds - begins)
    return Animation(
        first_frame=first,
        end_frame=max(first + 1, frame_behind(timeline, begins + duration)),
        pictures=max(1, ceil(duration / speed * rate)),
        rate=rate,
        sampling=rate / speed,
        size=size,
        loop=loop,
        is_reversed=is_reversed,
    )


def sampled(rate: Fraction, count: int) -> list[str]:
    """Filters that give exactly so many pictures: at each n/rate seconds what is shown then."""
    return [
        # Rounded up: a picture counts from the first point of the grid at or after its time.
        f"fps=fps={rate.numerator}/{rate.denominator}:round=up:start_time=0",
        # The last one stays until all are there.
        "tpad=stop_mode=clone:stop=-1",
        f"trim=end_frame={count}",
    ]


def palette_command(excerpt: Excerpt, shown: Animation, palette_path: Path) -> list[str]:
    """The colours of a GIF, found in a pass of their own: so no picture is held in memory.

    Args:
        excerpt: of the frames that `shown` names.
        shown: the GIF.
        palette_path: absolute, a `.mov`.
    """
    forwards = replace(shown, is_reversed=False)
    look = [*_gif_pictures(excerpt, forwards), "palettegen=stats_mode=diff"]
    return [
        *excerpt.input_words(),
        *("-filter_complex", f"{excerpt.graph(look)}[v]", "-map", "[v]", "-frames:v", "1"),
        *("-c:v", "png", *NO_EXTRAS, "-f", "mov", f"file:{palette_path}"),
    ]


def gif_command(
    excerpt: Excerpt, shown: Animation, palette_path: Path, output_path: Path
) -> list[str]:
    """A GIF in the colours of its palette.

    Args:
        excerpt: as for `palette_command`.
        shown: the GIF.
        palette_path: absolute.
        output_path: absolute.
    """
    tick = 1 / shown.rate
    look = _gif_pictures(excerpt, shown)
    look += [f"settb={tick.numerator}/{tick.denominator}", "setpts=N"]
    dithered = "paletteuse=dither=bayer:bayer_scale=4:diff_mode=rectangle"
    return [
        *excerpt.input_words(),
        *("-i", f"file:{palette_path}"),
        *("-filter_complex", f"{excerpt.graph(look)}[p];[p][1:v:0]{dithered}[v]", "-map", "[v]"),
        # By what is shown, not by how often the source was looked at.
        *("-fps_mode", "passthrough", "-enc_time_base", f"{tick.numerator}/{tick.denominator}"),
        *("-c:v", "gif", *NO_EXTRAS, "-loop", str(shown.loop), "-f", "gif", f"file:{output_path}"),
    ]


def _gif_pictures(excerpt: Excerpt, shown: Animation) -> list[str]:
    look = sampled(shown.sampling, shown.pictures)
    look += picture_filters(excerpt.video, even(shown.size))
    # While a pixel has 1.5 bytes.
    look += ["reverse"] if shown.is_reversed else []
    return [*look, _full_range(shown.size), "setsar=1", "format=bgra"]


def _full_range(size: tuple[int, int]) -> str:
    """From the samples of videos to those of images, in a size that may be odd."""
    scale = f"scale={size[0]}:{size[1]}:flags=bicubic"
    return f"{scale}:in_color_matrix=bt709:in_range=tv:out_range=pc"
