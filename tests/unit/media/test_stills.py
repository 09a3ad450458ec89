"""Which frame is meant, how small pictures lie on sheets, and what their cues say."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.errors import AdaptationError
from adaptation.media.dash_source import gather_plan
from adaptation.media.hls_source import Rendition, renditions, track_plan
from adaptation.media.moment import Moment, parse_moment
from adaptation.media.playlist_source import Preference
from adaptation.media.probe import VideoTrack
from adaptation.media.sprite import MOST_SHEET_SIDE, Grid, is_on_key_frames, plan_grid, webvtt
from adaptation.media.stills import animation, frame_at, gif_size
from adaptation.media.timeline import SeekPoint, Timeline

ON_AIR = datetime(2026, 5, 1, 18, tzinfo=UTC)


def picture(width: int = 1920, height: int = 1080) -> VideoTrack:
    return VideoTrack(0, "h264", width, height, 0, Fraction(25), "yuv420p", "bt709", False)


def film(frames: int = 75, start: int = 3) -> Timeline:
    """Frames of a 25th of a second from `start` on, in ticks of that length."""
    return Timeline(Fraction(1, 25), tuple(range(start, start + frames)), 1)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        (1.5, "1.5"),
        (0.2, "1/5"),
        ("90", "90"),
        ("00:01:30", "90"),
        ("1:00:00.040", "3600.04"),
        ("100:00:00", "360000"),
    ],
)
def test_a_moment_is_read_by_its_decimal_digits(words: float | str, seconds: str) -> None:
    assert parse_moment(words) == Moment(Fraction(seconds))


@pytest.mark.parametrize(
    "words",
    ["2026-05-01T18:00:01.480Z", "2026-05-01T20:00:01.48+02:00", "2026-05-01T13:00:01.480-0500"],
)
def test_utc_is_counted_from_programme_time(words: str) -> None:
    assert parse_moment(words).into(ON_AIR) == Fraction("1.48")


@pytest.mark.parametrize(
    "words",
    ["", "soon", "-1", -0.1, float("nan"), float("inf"), 1e9, "1:2:3", "00:60:00", "00:00:60",
     "2026-05-01T18:00:00", "2026-13-01T18:00:00Z", "2026-05-01", "١٢"],
)  # fmt: skip
def test_what_is_no_moment_is_refused(words: float | str) -> None:
    with pytest.raises(ValueError, match="give"):
        parse_moment(words)


@pytest.mark.parametrize(
    ("moment", "start", "code"),
    [
        (Moment(None, ON_AIR), None, "programme_time_missing"),
        (Moment(None, datetime(2026, 4, 1, tzinfo=UTC)), ON_AIR, "time_outside"),
    ],
)
def test_a_utc_time_that_cannot_be_found_says_why(
    moment: Moment, start: datetime | None, code: str
) -> None:
    with pytest.raises(AdaptationError) as error:
        moment.into(start)
    assert (error.value.code, bool(error.value.hint)) == (code, True)


@given(st.fractions(0, Fraction(299, 100), max_denominator=10_000))
def test_the_frame_at_a_time_has_appeared_and_the_next_has_not(seconds: Fraction) -> None:
    frame = frame_at(film(), seconds)
    assert frame <= seconds * 25 < frame + 1


def test_there_is_no_frame_at_the_end() -> None:
    with pytest.raises(AdaptationError) as error:
        frame_at(film(), Fraction(3))
    assert error.value.code == "time_outside"


@given(
    st.fractions(0, Fraction(29, 10), max_denominator=100),
    st.fractions(Fraction(1, 100), 5, max_denominator=100),
    st.sampled_from([Fraction(1, 2), Fraction(12), Fraction(50)]),
    st.sampled_from([Fraction(1, 10), Fraction(1), Fraction(3)]),
)
def test_a_gif_takes_no_picture_from_behind_its_end(
    start: Fraction, duration: Fraction, rate: Fraction, speed: Fraction
) -> None:
    shown = animation(film(), start, duration, rate=rate, speed=speed, size=(2, 2))
    begins = Fraction(shown.first_frame, 25)
    ends = min(begins + duration, Fraction(3))
    last = begins + (shown.pictures - 1) / shown.sampling
    assert shown.pictures >= 1
    assert begins <= last < ends
    assert last + 1 / shown.sampling >= ends, "and none is missing"
    assert frame_at(film(), last) < shown.end_frame <= 75


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        ((-1, -1), (854, 480)),
        ((320, -1), (320, 180)),
        ((-1, 180), (320, 180)),
        ((99, 77), (99, 77)),
    ],
)
def test_a_gif_keeps_the_shape_unless_both_sides_are_told(
    wanted: tuple[int, int], size: tuple[int, int]
) -> None:
    assert gif_size(picture(), *wanted) == size


@given(st.integers(16, 8192), st.integers(16, 8192), st.integers(1, 20_000))
def test_sheets_are_not_too_large_and_hold_each_picture_once(
    width: int, height: int, count: int
) -> None:
    grid = plan_grid(picture(width, height), count)
    assert grid.columns * grid.width <= MOST_SHEET_SIDE
    assert grid.rows * grid.height <= MOST_SHEET_SIDE
    assert grid.width <= max(2, min(320, width))
    assert (grid.width % 2, grid.height % 2) == (0, 0)
    sheet, left, top = grid.place(count - 1)
    assert sheet == grid.sheets - 1
    assert left + grid.width <= grid.columns * grid.width
    assert top + grid.height <= grid.rows * grid.height
    some = range(0, count, max(1, count // 50))
    assert len({grid.place(number) for number in some}) == len(some)


def test_cues_follow_each_other_to_the_end() -> None:
    grid = Grid(count=3, width=320, height=180, columns=2, rows=1)
    text = webvtt(grid, Fraction(1800), Fraction("3725.5"), ["a #1.jpg", "a #1_2.jpg"])
    assert text == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:30:00.000\na%20%231.jpg#xywh=0,0,320,180\n\n"
        "00:30:00.000 --> 01:00:00.000\na%20%231.jpg#xywh=320,0,320,180\n\n"
        "01:00:00.000 --> 01:02:05.500\na%20%231_2.jpg#xywh=0,0,320,180\n"
    )


@pytest.mark.parametrize(
    ("bitrate", "taken"), [(None, 900), (900, 900), (899, 400), (100, 100), (99, 100)]
)
def test_a_preference_takes_the_nearest_that_has_no_more(bitrate: int | None, taken: int) -> None:
    assert Preference(bitrate).pick([400, 900, 100], abs, lambda _: 0) == taken


@pytest.mark.parametrize(("width", "taken"), [(200, 400), (400, 400), (401, 900), (2000, 900)])
def test_a_preference_takes_the_smallest_that_is_wide_enough(width: int, taken: int) -> None:
    assert Preference(width=width).pick([900, 400, 100], abs, abs) == taken
    assert Preference(width=width).pick([900, 400, 100], abs, lambda _: 0) == 900


MPD = """<MPD mediaPresentationDuration="PT4S"><Period>
<AdaptationSet contentType="audio"><Representation id="a" bandwidth="9">
<BaseURL>a.mp4</BaseURL></Representation></AdaptationSet>
<AdaptationSet contentType="video">
<Representation id="b" bandwidth="900" width="640"><BaseURL>b.mp4</BaseURL></Representation>
<Representation id="c" bandwidth="400" width="320"><BaseURL>c.mp4</BaseURL></Representation>
<Representation id="d" bandwidth="100"><BaseURL>d.mp4</BaseURL></Representation>
</AdaptationSet></Period></MPD>"""


@pytest.mark.parametrize(
    ("preference", "files"),
    [
        (Preference(), "ba"),
        (Preference(with_sound=False), "b"),
        (Preference(899, with_sound=False), "c"),
        (Preference(width=320, with_sound=False), "c"),
        (Preference(width=641), "ba"),
    ],
)
def test_a_preference_holds_for_manifests_too(preference: Preference, files: str) -> None:
    plan = gather_plan(MPD.encode(), "https://example.org/x.mpd", preference)
    assert [track.pieces[0].address for track in plan.tracks] == [
        f"https://example.org/{name}.mp4" for name in files
    ]


MASTER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="en",URI="a.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=900,RESOLUTION=640x360,AUDIO="g"
b.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=400,RESOLUTION=320x180,AUDIO="g"
c.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=100,AUDIO="g"
d.m3u8
"""


@pytest.mark.parametrize(
    ("preference", "files"),
    [
        (Preference(), "ba"),
        (Preference(with_sound=False), "b"),
        (Preference(399, with_sound=False), "d"),
        (Preference(width=320, with_sound=False), "c"),
        (Preference(width=641), "ba"),
    ],
)
def test_a_preference_holds_for_master_playlists(preference: Preference, files: str) -> None:
    found = renditions(MASTER, "https://example.org/x.m3u8", preference)
    assert [one.address for one in found] == [f"https://example.org/{name}.m3u8" for name in files]
    assert all(one.kind == "video" for one in found[:1])


@pytest.mark.parametrize(
    ("interval", "keys", "expected"),
    [
        ("1", (0, 25, 50), True),
        ("0.5", (0, 25, 50), False),
        ("1", (0, 25), False),
        ("1.01", (0, 25, 50), True),
    ],
)
def test_key_frames_are_enough_where_each_picture_is_one(
    interval: str, keys: tuple[int, ...], expected: bool
) -> None:
    points = [SeekPoint(3 + key, 3 + key, has_leading=False) for key in keys]
    count = 3
    assert is_on_key_frames(film(), points, Fraction(interval), count) is expected


@pytest.mark.parametrize(
    ("rows", "start"),
    [
        ("#EXTINF:2.0,\na.ts\n", None),
        ("#EXT-X-PROGRAM-DATE-TIME:2026-05-01T18:00:00Z\n#EXTINF:2.0,\na.ts\n", ON_AIR),
        (
            "#EXTINF:2.0,\na.ts\n#EXTINF:4.0,\n"
            "#EXT-X-PROGRAM-DATE-TIME:2026-05-01T18:00:02+00:00\nb.ts\n",
            ON_AIR,
        ),
        ("#EXT-X-PROGRAM-DATE-TIME:yesterday\n#EXTINF:2.0,\na.ts\n", None),
        ("#EXT-X-PROGRAM-DATE-TIME:2026-05-01T18:00:00\n#EXTINF:2.0,\na.ts\n", None),
    ],
)
def test_a_playlist_says_when_its_first_segment_was_on_air(
    rows: str, start: datetime | None
) -> None:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{rows}#EXT-X-ENDLIST\n"
    plan = track_plan(text, "https://example.org/a.m3u8", Rendition("", "all"))
    assert plan.programme_start == start
