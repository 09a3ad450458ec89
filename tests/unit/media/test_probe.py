"""What ffprobe prints becomes the facts of a source, however little it prints."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from typing import Any

import pytest

from adaptation.errors import SourceError
from adaptation.media.inspection import Inspection
from adaptation.media.probe import Chapter, Source, parse_source, peak_nits


def video(**changes: object) -> dict[str, Any]:
    stream = {"index": 0, "codec_type": "video", "codec_name": "h264", "width": 720, "height": 576}
    return {**stream, "time_base": "1/25", "avg_frame_rate": "25/1", **changes}


def audio(**changes: object) -> dict[str, Any]:
    stream = {"index": 1, "codec_type": "audio", "codec_name": "aac", "channels": 2}
    return {**stream, "sample_rate": "48000", "time_base": "1/1000", **changes}


def subtitles(**changes: object) -> dict[str, Any]:
    stream = {"index": 2, "codec_type": "subtitle", "codec_name": "subrip"}
    return {**stream, "time_base": "1/1000", **changes}


def chapter(start: str, end: str, **tags: str) -> dict[str, Any]:
    return {"start_time": start, "end_time": end, "tags": tags}


def document(*streams: dict[str, Any], duration: str = "4.0") -> dict[str, Any]:
    return {"streams": list(streams), "format": {"format_name": "mov,mp4", "duration": duration}}


def size(**changes: object) -> tuple[int, int]:
    picture = parse_source(document(video(**changes))).video
    assert picture is not None
    return picture.width, picture.height


def inspected(lines: list[str], *streams: dict[str, Any], duration: str = "4.0") -> Inspection:
    inspection = Inspection()
    inspection.read_headers(document(*streams, duration=duration))
    for line in lines:
        inspection.read_packet(line)
    return inspection


def frames(count: int) -> list[str]:
    return [f"0,{n},{n},1,900,{'K__' if n == 0 else '___'}" for n in range(count)]


def test_the_size_is_the_displayed_one() -> None:
    matrix = {"side_data_list": [{"side_data_type": "Display Matrix", "rotation": -90}]}
    assert size() == (720, 576)
    assert size(sample_aspect_ratio="64:45") == (1024, 576)
    assert size(sample_aspect_ratio="0:1") == (720, 576)
    assert size(**matrix) == (576, 720)
    assert size(sample_aspect_ratio="64:45", **matrix) == (576, 1024)
    assert size(side_data_list=[{"rotation": 180}]) == (720, 576)


@pytest.mark.parametrize(("found", "clockwise"), [(-90, 90), (90, 270), (180, 180), (-0.4, 0)])
def test_rotation_counts_clockwise(found: float, clockwise: int) -> None:
    picture = parse_source(document(video(side_data_list=[{"rotation": found}]))).video
    assert picture is not None
    assert picture.rotation == clockwise


@pytest.mark.parametrize(
    ("stream", "is_plain"),
    [
        (video(), True),
        (video(sample_aspect_ratio="1:1", side_data_list=[{"side_data_type": "CPB"}]), True),
        (video(sample_aspect_ratio="64:45"), False),
        (video(side_data_list=[{"side_data_type": "Display Matrix", "rotation": 0}]), False),
        (video(side_data_list=[{"side_data_type": "Frame Cropping"}]), False),
    ],
)
def test_what_is_stored_may_be_what_is_shown(stream: dict[str, Any], is_plain: bool) -> None:
    picture = parse_source(document(stream)).video
    assert picture is not None
    assert (picture.square_pixels and not picture.reshaped) is is_plain


def test_how_packets_are_stored_is_known_also_when_the_decoder_must_tell_their_times() -> None:
    inspection = inspected(["0,N/A,0,1,100,K__", "0,N/A,1,1,50,___"], video())
    inspection.restart_frames()
    for frame in range(100):
        inspection.read_frame(frame, 1)
    assert inspection.result()[0].video is not None
    stored = inspection.stored()
    assert (stored.packets, stored.untimed, stored.gop_bytes) == (2, 2, (150,))


def test_cover_art_is_no_picture() -> None:
    cover = video(disposition={"attached_pic": 1})
    assert parse_source(document(cover, audio())).video is None
    picture = parse_source(document(cover, video(index=4, width=16, height=16))).video
    assert picture is not None
    assert picture.index == 4


def test_the_default_picture_comes_first_then_the_largest() -> None:
    small = video(index=2, width=320, disposition={"default": 1})
    large = video(index=1, width=640)
    chosen = parse_source(document(large, small)).video
    largest = parse_source(document(video(index=0, width=64), large)).video
    assert chosen is not None
    assert chosen.index == 2
    assert largest is not None
    assert largest.index == 1


def test_languages_and_titles_are_kept() -> None:
    tagged = audio(tags={"language": "ENG", "title": "Director"})
    tracks = parse_source(document(video(), tagged, audio(index=2))).audio
    assert [(t.language, t.title) for t in tracks] == [("eng", "Director"), ("und", "")]


def test_what_subtitles_are_for_is_kept() -> None:
    first = subtitles(tags={"language": "ENG", "title": "Full"}, disposition={"default": 1})
    forced = subtitles(disposition={"forced": 1}, tags={"name": "Signs"})
    deaf = subtitles(disposition={"hearing_impaired": 1})
    tracks = parse_source(document(video(), first, forced, deaf)).subtitles
    assert [(t.language, t.title) for t in tracks] == [
        ("eng", "Full"),
        ("und", "Signs"),
        ("und", ""),
    ]
    assert [(t.default, t.forced, t.hearing_impaired) for t in tracks] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


@pytest.mark.parametrize(
    ("stream", "is_text"),
    [
        (subtitles(codec_name="mov_text"), True),
        (subtitles(codec_name="ass"), True),
        (subtitles(codec_name="webvtt"), True),
        (subtitles(codec_name="hdmv_pgs_subtitle"), False),
        (subtitles(codec_name="dvd_subtitle"), False),
        (subtitles(codec_name="eia_608"), False),
        (subtitles(codec_type="data", codec_name="unknown", codec_tag_string="wvtt"), False),
    ],
)
def test_only_some_subtitles_are_text(stream: dict[str, Any], is_text: bool) -> None:
    (track,) = parse_source(document(video(), stream)).subtitles
    assert track.is_text is is_text
    assert track.codec != "unknown"


def test_the_names_of_chapters_in_mp4_are_no_subtitles() -> None:
    names = subtitles(codec_type="data", codec_name="bin_data", codec_tag_string="text")
    assert parse_source(document(video(), names)).subtitles == ()


def test_chapters_are_on_the_clock_of_the_picture() -> None:
    rows = [f"0,{n},{n},1,9,K__" for n in range(35, 85)]  # 1.4 s to 3.4 s
    chapters = [
        chapter("0.0", "1.0", title="before"),
        chapter("1.0", "2.4", title="Zwölf"),
        chapter("2.4", "99.0"),
        chapter("99.0", "100.0", title="behind"),
    ]
    inspection = Inspection()
    inspection.read_headers({**document(video(), duration="2.0"), "chapters": chapters})
    for row in rows:
        inspection.read_packet(row)
    assert inspection.result()[0].chapters == (Chapter(0.0, 1.0, "Zwölf"), Chapter(1.0, 2.0, ""))


def test_a_source_survives_json() -> None:
    facts = document(video(avg_frame_rate="30000/1001"), audio(), subtitles())
    source = parse_source({**facts, "chapters": [chapter("0.5", "1.0", title="One")]})
    assert Source.from_json(json.loads(json.dumps(source.to_json()))) == source
    silent = parse_source(document(audio()))
    assert Source.from_json(json.loads(json.dumps(silent.to_json()))) == silent


def test_a_source_without_any_facts_is_still_read() -> None:
    source = parse_source({"streams": [{"index": 0, "codec_type": "data"}]})
    assert (source.video, source.audio, source.duration_seconds) == (None, (), 0.0)


def test_a_picture_without_a_size_is_refused() -> None:
    with pytest.raises(SourceError, match="no size"):
        parse_source(document(video(width=0)))


def test_dolby_vision_is_read_only_where_its_base_is_an_ordinary_picture() -> None:
    def record(compatibility: int) -> list[dict[str, object]]:
        kind = {"side_data_type": "DOVI configuration record", "dv_profile": 5}
        return [{**kind, "dv_bl_signal_compatibility_id": compatibility}]

    with pytest.raises(SourceError) as caught:
        parse_source(document(video(side_data_list=record(0))))
    assert caught.value.code == "source_dolby_vision"
    assert "profile 5" in caught.value.message
    assert parse_source(document(video(side_data_list=record(1)))).video is not None


@pytest.mark.parametrize(
    ("facts", "has_alpha"),
    [
        ({"pix_fmt": "yuva444p12le"}, True),
        ({"pix_fmt": "argb"}, True),
        ({"pix_fmt": "yuv420p", "tags": {"ALPHA_MODE": "1"}}, True),
        ({"pix_fmt": "yuv420p", "tags": {"alpha_mode": "0"}}, False),
        ({"pix_fmt": "rgb24"}, False),
        ({}, False),
    ],
)
def test_transparency_is_known_from_the_samples_or_a_tag(
    facts: dict[str, object], has_alpha: bool
) -> None:
    picture = parse_source(document(video(**facts))).video
    assert picture is not None
    assert picture.has_alpha == has_alpha


def test_what_a_stream_does_not_state_is_empty() -> None:
    unknown = dict.fromkeys(["pix_fmt", "color_space", "color_transfer", "field_order"], "unknown")
    picture = parse_source(document(video(**unknown, color_primaries="bt2020"))).video
    assert picture is not None
    assert (picture.pixel_format, picture.color_space, picture.transfer) == ("", "", "")
    assert (picture.field_order, picture.primaries) == ("", "bt2020")


def test_the_brightest_pixel_counts_more_than_the_display_it_was_graded_on() -> None:
    display = {"side_data_type": "Mastering display metadata", "max_luminance": "40000000/10000"}
    content = {"side_data_type": "Content light level metadata", "max_content": 1200}
    assert peak_nits([display]) == 4000
    assert peak_nits([display, content]) == 1200
    assert peak_nits([display, {**content, "max_content": 0}]) == 4000
    assert peak_nits([{"side_data_type": "Display Matrix"}]) == 0


def test_frames_come_in_the_order_they_are_shown() -> None:
    lines = ["0,0,-1,1,9,K__", "0,3,0,1,9,___", "0,1,1,1,9,___", "0,2,2,1,9,___"]
    _, timeline = inspected(lines, video(), duration="0.16").result()
    assert timeline.pts == (0, 1, 2, 3)
    assert timeline.time_base == Fraction(1, 25)


def test_hidden_and_undecodable_frames_are_not_counted() -> None:
    lines = [
        "0,5,5,1,9,___",  # before the first key frame
        "0,8,6,1,9,KD_",  # hidden by an edit list
        "0,7,7,1,9,___",  # refers to what was before the key frame
        "0,9,8,1,9,___",
        "0,10,9,1,9,___,side data",
    ]
    _, timeline = inspected(lines, video(), duration="0.1").result()
    assert timeline.pts == (9, 10)


def test_durations_are_measured_from_the_first_frame() -> None:
    lines = [*frames(100), "1,-20,-20,20,9,K__", "1,4180,4180,20,9,K__", "junk", "1,N/A,1,1,1,_"]
    source, timeline = inspected(lines, video(), audio()).result()
    assert source.duration_seconds == pytest.approx(4.2)
    assert (source.audio[0].start_seconds, source.audio[0].end_seconds) == (-0.02, 4.2)
    assert timeline.duration_seconds == 4


def test_sound_that_nobody_would_hear_is_left_out() -> None:
    lines = [f"0,{n},{n},1,9,K__" for n in range(50, 150)]
    lines += ["1,0,0,1000,9,K__"]
    source, _ = inspected(lines, video(), audio(), audio(index=2)).result()
    assert source.audio == ()


def test_a_missing_end_is_noticed_by_the_announced_duration() -> None:
    assert len(inspected(frames(80), video()).result()[1]) == 80
    with pytest.raises(SourceError) as caught:
        inspected(frames(70), video()).result()
    assert caught.value.code == "source_truncated"
    assert "4.00 s and ends after 2.80 s" in caught.value.message


def test_a_missing_end_of_one_track_is_noticed() -> None:
    lines = [*frames(100), "1,0,0,2000,9,K__"]
    with pytest.raises(SourceError, match=r"track 1 should last 4\.00 s"):
        inspected(lines, video(), audio(duration="4.0")).result()


def test_a_picture_without_frames_is_none() -> None:
    with pytest.raises(SourceError) as caught:
        inspected([], video(), duration="0").result()
    assert caught.value.code == "source_no_video"


def test_frames_without_times_are_asked_of_the_decoder() -> None:
    inspection = inspected(["0,N/A,0,1,9,K__", "0,1,1,1,9,___"], video(), duration="0.08")
    assert inspection.times_missing
    inspection.restart_frames()
    inspection.read_frame(1, 1)
    inspection.read_frame(2, 1)
    assert inspection.result()[1].pts == (1, 2)


def test_key_frames_are_noted_with_what_is_shown_before_them() -> None:
    lines = ["0,0,-2,1,9,K__", "0,2,-1,1,9,___", "0,1,0,1,9,___"]
    lines += ["0,6,1,1,9,K__", "0,4,2,1,9,___", "0,9,7,1,9,K__", "0,12,8,1,9,K__"]
    points = inspected(lines, video()).seek_points()
    assert [(point.pts, point.dts) for point in points] == [(0, -2), (6, 1), (9, 7), (12, 8)]
    assert [point.pts for point in points if point.has_leading] == [6]


def test_a_hidden_key_frame_is_not_sought() -> None:
    lines = ["0,-4,-6,1,9,KD_", "0,0,-2,1,9,___", "0,3,N/A,1,9,K__"]
    (point,) = inspected(lines, video()).seek_points()
    assert (point.pts, point.dts) == (3, 3)


def test_without_times_nothing_is_sought() -> None:
    assert inspected(["0,0,0,1,9,K__", "0,N/A,1,1,9,___"], video()).seek_points() == ()


def test_the_raw_file_is_looked_at_first() -> None:
    with pytest.raises(SourceError) as caught:
        Inspection().read_file(io.BytesIO(b"hello"))
    assert caught.value.code == "source_not_media"
