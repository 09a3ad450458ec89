"""Makes indexed tracks without any encoding, for tests of what is written from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

from hypothesis import strategies as st

from adaptation.media.index import Segment, Track
from adaptation.media.texttrack import TextMedia, TextTrack


def video(
    name: str = "720p",
    *,
    durations: Sequence[int] = (360_000, 360_000, 115_200),
    sizes: Sequence[int] = (),
    counts: Sequence[int] = (),
    timescale: int = 90_000,
    codec: str = "avc1.64001f",
) -> Track:
    """A picture of 1280x720 at 25 fps; durations in ticks, sizes in bytes."""
    return Track(
        kind="video",
        name=name,
        folder=name,
        codec=codec,
        timescale=timescale,
        media_time=7200,
        init_name="init.mp4",
        init_size_bytes=900,
        init_sha256="00" * 32,
        segments=_segments(durations, sizes, counts),
        width=1280,
        height=720,
        frame_rate=Fraction(25),
    )


def audio(
    name: str = "audio_en",
    language: str = "eng",
    title: str = "",
    *,
    durations: Sequence[int] = (191_488, 192_512, 60_416),
    sizes: Sequence[int] = (64_000, 64_000, 20_000),
) -> Track:
    """Stereo AAC of 48 kHz; durations in ticks, sizes in bytes."""
    return Track(
        kind="audio",
        name=name,
        folder=name,
        codec="mp4a.40.2",
        timescale=48_000,
        media_time=1024,
        init_name="init.mp4",
        init_size_bytes=800,
        init_sha256="11" * 32,
        segments=_segments(durations, sizes, ()),
        language=language,
        title=title,
        channels=2,
        sample_rate=48_000,
    )


def text(
    name: str = "text_en",
    language: str = "eng",
    title: str = "",
    *,
    durations: Sequence[int] = (360_000, 360_000, 115_200),
    sizes: Sequence[int] = (400, 60, 100),
    purpose: str = "",
) -> TextTrack:
    """Subtitles as WebVTT; the purpose is `default`, `forced` or `hearing_impaired`."""
    return TextTrack(
        name=name,
        folder=name,
        file_name="subtitles.vtt",
        file_size_bytes=500,
        file_sha256="33" * 32,
        cue_count=3,
        segments=_segments(durations, sizes, ()),
        language=language,
        title=title,
        default=purpose == "default",
        forced=purpose == "forced",
        hearing_impaired=purpose == "hearing_impaired",
    )


def with_media(text: TextTrack) -> TextTrack:
    """The same subtitles, in MP4 as well."""
    media = TextMedia("wvtt", "init.mp4", 535, "44" * 32, text.segments)
    return replace(text, media=media)


def _segments(
    durations: Sequence[int], sizes: Sequence[int], counts: Sequence[int]
) -> tuple[Segment, ...]:
    starts = accumulate(durations, initial=0)
    return tuple(
        Segment(
            name=f"{number + 1:05d}.m4s",
            start=start,
            duration=duration,
            size_bytes=sizes[number] if sizes else 100_000,
            sha256="22" * 32,
            independent=True,
            sample_count=counts[number] if counts else 10,
        )
        for number, (start, duration) in enumerate(zip(starts, durations, strict=False))
    )


VIDEOS = st.lists(
    st.tuples(st.integers(1, 10**6), st.integers(1, 10**7)), min_size=1, max_size=30
).flatmap(
    lambda rows: st.sampled_from([1000, 48_000, 90_000, 11_988]).map(
        lambda timescale: video(
            durations=[row[0] for row in rows],
            sizes=[row[1] for row in rows],
            timescale=timescale,
        )
    )
)
"""Pictures with any segments."""
