"""Cues come out of FFmpeg's WebVTT, onto the picture's clock and into the segments they concern."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.errors import SourceError
from adaptation.media import subtitles
from adaptation.media.probe import SubtitleTrack
from adaptation.media.subtitles import (
    LEAD_SECONDS,
    Cue,
    cut_cues,
    on_picture,
    parse_cues,
    read_cues,
    subtitle_command,
    webvtt,
)
from adaptation.media.texttrack import TextTrack, text_track
from adaptation.media.timeline import Timeline

SRT = SubtitleTrack(2, "subrip", "eng")
VTT = SubtitleTrack(2, "webvtt", "eng")
MILLISECOND = Fraction(1, 1000)
TEN_SECONDS = Timeline(Fraction(1, 25), tuple(range(35, 285)), 1)
"""250 frames from 1.4 s on."""


def seconds(milliseconds: int) -> Fraction:
    return milliseconds * MILLISECOND


def cue(start: int, end: int, text: str = "x") -> Cue:
    """A cue by milliseconds."""
    return Cue(seconds(start), seconds(end), text)


def extracted(text: str, track: SubtitleTrack = SRT) -> str:
    """What becomes of one text that FFmpeg has extracted."""
    (read,) = read_cues(f"WEBVTT\n\n01:00:00.000 --> 01:00:01.000\n{text}\n", track)
    return read.text


LINES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1)
TEXTS = st.lists(LINES, min_size=1, max_size=3).map("\n".join)
SETTINGS = st.sampled_from(["", "line:0", "align:left position:10%"])
TIMES = st.tuples(st.integers(0, 9_999), st.integers(1, 12_000)).map(
    lambda row: (row[0], row[0] + row[1])
)
CUES = st.lists(
    st.builds(
        lambda times, text, how: Cue(seconds(times[0]), seconds(times[1]), text, how),
        TIMES,
        TEXTS,
        SETTINGS,
    )
)
BOUNDS = st.sets(st.integers(1, 900_000), min_size=1, max_size=12).map(
    lambda ticks: [Fraction(tick, 90_000) for tick in sorted({0, *ticks})]
)


@given(CUES)
def test_what_is_written_is_read_back(cues: list[Cue]) -> None:
    written = [
        Cue(c.start_seconds, c.end_seconds, c.text.replace("-->", "--&gt;"), c.settings)
        for c in cues
    ]
    assert parse_cues(webvtt(cues, "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000")) == written
    assert parse_cues(webvtt(cues).replace("\n", "\r\n")) == written


@given(CUES, BOUNDS)
def test_a_cue_is_in_the_segments_it_overlaps_and_in_no_other(
    cues: list[Cue], bounds: list[Fraction]
) -> None:
    segments = cut_cues(cues, bounds)
    assert len(segments) == len(bounds) - 1
    for start, end, found in zip(bounds, bounds[1:], segments, strict=False):
        assert found == [c for c in cues if c.start_seconds < end and c.end_seconds > start]


@given(CUES)
def test_all_segments_together_hold_all_cues_in_their_order(cues: list[Cue]) -> None:
    shown = on_picture(cues, TEN_SECONDS)
    starts = range(0, 250, 37)
    record, files = text_track("text_en", SRT, shown, TEN_SECONDS, starts)
    parts = [parse_cues(files[segment.name].decode()) for segment in record.segments]
    whole = parse_cues(files["subtitles.vtt"].decode())
    joined = [c for number, part in enumerate(parts) for c in part if is_new(c, number, starts)]
    assert joined == whole
    assert len(whole) == len(shown) == record.cue_count


def is_new(found: Cue, number: int, starts: range) -> bool:
    """Whether this is the first segment the cue is in."""
    return found.start_seconds >= Fraction(starts[number], 25)


@given(CUES)
def test_cues_stay_within_the_picture_and_in_the_order_of_time(cues: list[Cue]) -> None:
    shown = on_picture(cues, TEN_SECONDS)
    for placed in shown:
        assert 0 <= placed.start_seconds < placed.end_seconds <= 10
    starts = [placed.start_seconds for placed in shown]
    assert starts == sorted(starts)


def test_the_first_frame_is_zero_for_cues_as_well() -> None:
    before, across, inside = cue(0, 1_400), cue(1_000, 2_000), cue(2_400, 3_000)
    past, behind = cue(11_000, 20_000), cue(11_400, 12_000)
    shown = on_picture([past, before, behind, inside, across], TEN_SECONDS)
    assert shown == [cue(0, 600), cue(1_000, 1_600), cue(9_600, 10_000)]


def test_a_clock_before_zero_is_no_trouble() -> None:
    early = Timeline(Fraction(1, 1000), (-520, -480), 40)
    text = "WEBVTT\n\n59:59.500 --> 01:00:00.000\nearly\n"
    assert on_picture(read_cues(text, SRT), early) == [cue(20, 80, "early")]


def test_cues_without_words_or_time_are_dropped() -> None:
    cues = [cue(2_000, 2_000), cue(2_000, 3_000, ""), cue(2_000, 3_000, "<b> </b>\n")]
    assert on_picture(cues, TEN_SECONDS) == []


def test_notes_styles_and_identifiers_are_no_cues() -> None:
    text = (
        "\ufeffWEBVTT - a title\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:a\n\n"
        "NOTE a remark\n\nan id\n00:01.000 --> 00:02.000 line:0 align:left\nHi\n\n"
        "NOTE\nanother\n\n100:00:01.000   -->   100:00:02.000\r\nHo\rha"
    )
    assert parse_cues(text) == [
        Cue(Fraction(1), Fraction(2), "Hi", "line:0 align:left"),
        Cue(Fraction(360_001), Fraction(360_002), "Ho\nha"),
    ]


def test_an_empty_line_inside_a_text_does_not_end_it() -> None:
    assert extracted("A\n\nB\nC") == "A\nB\nC"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I <3 R&B", "I &lt;3 R&amp;B"),
        ("<i>soft</i> & <b>hard</b>", "<i>soft</i> &amp; <b>hard</b>"),
        ("&lt;b&gt; &#34;", "&lt;b&gt; &#34;"),
        ("<font>", "&lt;font>"),
        ("a m 0 0 l 100 0 b 1 2 3 4 5 6 z", "a  z"),
        ("5 m 10 20 km", "5 m 10 20 km"),
        ("Ça va, 日本 ?", "Ça va, 日本 ?"),
    ],
)
def test_plain_text_is_escaped_but_markup_and_words_stay(text: str, wanted: str) -> None:
    assert extracted(text) == wanted


def test_what_was_webvtt_already_is_not_touched() -> None:
    text = "<v Bob>Hi &amp; bye</v> <c.yellow>m 0 0 l 1 1</c>"
    assert extracted(text, VTT) == text


def test_an_arrow_in_a_text_begins_no_cue() -> None:
    (written,) = parse_cues(webvtt([cue(0, 1_000, "00:01.000 --> 00:02.000")]))
    assert written.text == "00:01.000 --&gt; 00:02.000"


def test_a_file_without_cues_is_valid() -> None:
    assert webvtt([]) == "WEBVTT\n\n"
    assert webvtt([], "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000").splitlines() == [
        "WEBVTT",
        "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000",
        "",
    ]


def test_cues_that_would_fill_a_disk_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subtitles, "MAX_TEXT_BYTES", 100)
    bounds = [Fraction(second) for second in range(11)]
    assert cut_cues([cue(0, 10_000, "ten bytes!")], bounds)
    with pytest.raises(SourceError):
        cut_cues([cue(0, 10_000, "ten bytes!"), cue(0, 1_000)], bounds)


def test_only_what_is_webvtt_already_is_copied() -> None:
    def codec(track: SubtitleTrack) -> str:
        words = subtitle_command(track, input_path=Path("/a"), output_path=Path("/b.vtt"))
        assert words[words.index("-map") + 1] == "0:2"
        assert words[words.index("-output_ts_offset") + 1] == str(LEAD_SECONDS)
        return words[words.index("-c:s") + 1]

    assert (codec(SRT), codec(VTT)) == ("webvtt", "copy")


def test_the_record_says_size_and_digest_of_every_file() -> None:
    source = SubtitleTrack(3, "ass", "deu", "Schilder", default=True, forced=True)
    shown = [cue(500, 3_000, "Grüße"), cue(3_900, 4_100)]
    record, files = text_track("text_de", source, shown, TEN_SECONDS, (0, 100, 200))
    assert record.file_names == list(files)
    facts = {record.file_name: (record.file_size_bytes, record.file_sha256)}
    media = record.media
    assert media is not None
    facts[media.init_name] = (media.init_size_bytes, media.init_sha256)
    both = (*record.segments, *media.segments)
    facts |= {s.name: (s.size_bytes, s.sha256) for s in both}
    for name, content in files.items():
        assert facts[name] == (len(content), hashlib.sha256(content).hexdigest())
    spans = [(s.start, s.duration, s.sample_count) for s in record.segments]
    assert spans == [(0, 360_000, 2), (360_000, 360_000, 1), (720_000, 180_000, 0)]
    assert (record.language, record.title) == ("deu", "Schilder")
    assert (record.default, record.forced, record.hearing_impaired) == (True, True, False)
    assert TextTrack.from_json(record.to_json()) == record
