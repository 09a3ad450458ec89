"""Cues of subtitles: read, put on the picture's clock, and cut along its segments."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.errors import SourceError
from adaptation.media import subtitles
from adaptation.media.probe import SubtitleTrack
from adaptation.media.subtitles import Cue, cut_cues, on_picture, parse_cues, read_cues, webvtt
from adaptation.media.timeline import Timeline

FILM = Timeline(Fraction(1, 25), tuple(range(35, 135)), 1)
"""Four seconds that begin at 1.4 s on the source's clock."""
MILLISECONDS = st.integers(0, 20_000).map(lambda n: Fraction(n, 1000))
CUES = st.lists(
    st.tuples(MILLISECONDS, st.integers(1, 6000), st.text("ab <>&é\n", min_size=1))
).map(
    lambda rows: sorted(
        (Cue(start, start + Fraction(length, 1000), text) for start, length, text in rows),
        key=lambda cue: cue.start_seconds,
    )
)
BOUNDS = st.lists(MILLISECONDS, min_size=2, max_size=8, unique=True).map(sorted)


def cue(start: float, end: float, text: str = "word", settings: str = "") -> Cue:
    return Cue(Fraction(str(start)), Fraction(str(end)), text, settings)


@given(CUES, BOUNDS)
def test_a_cue_is_in_each_segment_in_which_it_is_shown_and_in_no_other(
    cues: list[Cue], bounds: list[Fraction]
) -> None:
    segments = cut_cues(cues, bounds)
    for part, (start, end) in zip(segments, pairwise(bounds), strict=True):
        assert part == [c for c in cues if c.start_seconds < end and c.end_seconds > start]


@given(st.lists(st.tuples(MILLISECONDS, st.integers(1, 6000), st.text("abé", min_size=1))))
def test_what_is_written_can_be_read(rows: list[tuple[Fraction, int, str]]) -> None:
    cues = [Cue(start, start + Fraction(n, 1000), text, "line:0") for start, n, text in rows]
    assert parse_cues(webvtt(cues, "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000")) == cues


def test_notes_names_and_regions_are_no_cues_and_an_empty_line_ends_none() -> None:
    text = (
        "WEBVTT\n\nNOTE who wrote it\n\nREGION\nid:a\n\nname\n00:01.000 --> 00:02.000 line:0\n"
        "first\n\nsecond\n\n01:00:00.000 --> 01:00:01.500\nlater\n"
    )
    assert parse_cues(text) == [
        cue(1, 2, "first\nsecond", "line:0"),
        cue(3600, 3601.5, "later"),
    ]


def test_cues_come_on_the_clock_of_the_picture_and_end_with_it() -> None:
    cues = [
        cue(0.2, 1.3, "before the picture"),
        cue(1.0, 2.4, "over its start"),
        cue(5.0, 9.0, "past its end"),
        cue(6.0, 7.0, "behind it"),
        cue(2.0, 3.0, "<b></b>"),
    ]
    assert on_picture(cues, FILM) == [cue(0, 1, "over its start"), cue(3.6, 4, "past its end")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("I <3 you & me", "I &lt;3 you &amp; me"), ("<i>so</i> &amp; on", "<i>so</i> &amp; on")],
)
def test_text_that_is_no_markup_is_not_taken_for_it(text: str, expected: str) -> None:
    track = SubtitleTrack(2, "subrip")
    (found,) = read_cues(f"WEBVTT\n\n01:00:01.000 --> 01:00:02.000\n{text}\n", track)
    assert (found.text, float(found.start_seconds)) == (expected, 1.0)


def test_an_arrow_in_a_text_begins_no_cue() -> None:
    assert len(parse_cues(webvtt([cue(0, 1, "a --> b"), cue(1, 2)]))) == 2


def test_cues_that_would_fill_the_disk_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subtitles, "MAX_TEXT_BYTES", 1000)
    bounds = [Fraction(n) for n in range(101)]
    with pytest.raises(SourceError, match="too long"):
        cut_cues([replace(cue(0, 100), text="x" * 11)], bounds)
