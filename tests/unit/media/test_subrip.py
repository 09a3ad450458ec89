"""SubRip files as they are found, and the cues they stand for."""

from __future__ import annotations

from fractions import Fraction

import pytest

from adaptation.errors import SourceError
from adaptation.media.caption_file import MAX_FILE_BYTES, Captions, on_film, read_caption_file
from adaptation.media.subtitles import Cue


def read(content: bytes | str, name: str = "film.srt") -> list[tuple[float, float, str, str]]:
    if isinstance(content, str):
        content = content.encode()
    cues = read_caption_file(content, name).cues
    return [(float(c.start_seconds), float(c.end_seconds), c.text, c.settings) for c in cues]


def test_numbered_texts_with_times_are_cues() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,500\nHello\nworld\n\n"
    text += "2\n01:02:03,004 --> 01:02:04,000\nBye\n"
    assert read(text.replace("\n", "\r\n")) == [
        (1.0, 2.5, "Hello\nworld", ""),
        (3723.004, 3724.0, "Bye", ""),
    ]


def test_an_empty_line_inside_a_text_does_not_end_it() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nabove\n\nbelow\n\n42\n\n"
    text += "2\n00:00:03,000 --> 00:00:04,000\nnext\n"
    assert [cue[2] for cue in read(text)] == ["above\nbelow\n42", "next"]


def test_slant_weight_colour_and_place_become_those_of_webvtt() -> None:
    text = (
        "1\n00:00:01.000 --> 00:00:02.000 X1:10 X2:20\n"
        r'{\an8}<i>Far</i> <font color="#FFFF00">away <b>now</b></font> <3 R&B' + "\n"
        "\n2\n0:00:02,000 --> 0:00:03,000\n" + r"{\an1\fs20}{\pos(1,2)}<u>left</u></i>" + "\n"
    )
    assert read(text) == [
        (1, 2, "<i>Far</i> <c.yellow>away </c><c.yellow><b>now</b></c> &lt;3 R&amp;B", "line:0"),
        (2, 3, "<u>left</u>", "position:0% align:left"),
    ]


def test_cues_over_each_other_and_out_of_order_are_put_in_order() -> None:
    text = "1\n00:00:05,000 --> 00:00:06,000\nb\n\n2\n00:00:01,000 --> 00:00:09,000\na\n"
    assert [cue[2] for cue in read(text)] == ["a", "b"]


@pytest.mark.parametrize(
    ("encoding", "mark", "note"),
    [
        ("utf-8", b"", ""),
        ("utf-8", b"\xef\xbb\xbf", ""),
        ("utf-16-le", b"\xff\xfe", ""),
        ("utf-16-be", b"\xfe\xff", ""),
        ("utf-16-le", b"", "UTF-16-LE"),
        ("cp1252", b"", "Windows-1252"),
        ("latin-1", b"", "Windows-1252"),
    ],
)
def test_what_a_file_is_written_in_is_found_out(encoding: str, mark: bytes, note: str) -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nÇa va, Grüße: élève, garçon\n"
    captions = read_caption_file(mark + text.encode(encoding), "film.srt")
    assert [cue.text for cue in captions.cues] == ["Ça va, Grüße: élève, garçon"]
    assert list(captions.notes) == (
        [f"film.srt: it has no mark of its encoding, and is read as {note}"] if note else []
    )


@pytest.mark.parametrize(
    "content",
    [
        # Windows-1251 has its Cyrillic letters where Windows-1252 has accents.
        b"1\n00:00:01,000 --> 00:00:02,000\n" + bytes(range(0xC0, 0x100)),
        b"1\n00:00:01,000 --> 00:00:02,000\n\x81\x8d\n",
        b"\xff\xfe1\x00\n\x00\x00\xd8",
    ],
)
def test_what_is_in_no_encoding_that_can_be_told_is_refused(content: bytes) -> None:
    with pytest.raises(SourceError, match=r"^film\.srt: ") as refused:
        read(content)
    assert refused.value.code == "captions_invalid"


def test_a_line_without_readable_times_is_named() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nfine\n\n2\n00:00:xx,000 --> 00:00:03,000\nbad\n"
    with pytest.raises(SourceError, match=r"film\.srt: line 6: '00:00:xx,000 -->"):
        read(text)


def test_what_is_no_subrip_at_all_and_what_is_too_large_is_refused() -> None:
    with pytest.raises(SourceError, match="no line of times"):
        read("<html>\n")
    with pytest.raises(SourceError, match="16,777,216 bytes"):
        read(b" " * (MAX_FILE_BYTES + 1))
    with pytest.raises(SourceError) as refused:
        read("GSI", "film.stl")
    assert refused.value.code == "captions_unsupported"


def test_empty_files_and_empty_cues_are_told() -> None:
    assert read_caption_file(b"", "film.srt").notes == ("film.srt: it has no cues",)
    text = (
        b"1\n00:00:01,000 --> 00:00:01,000\nzero\n\n2\n00:00:02,000 --> 00:00:03,000\n <i> </i>\n"
    )
    captions = read_caption_file(text, "film.srt")
    assert captions.cues == ()
    assert captions.notes[0] == "film.srt: 2 cues without text or time are left out"


def test_webvtt_keeps_its_markup_and_settings() -> None:
    text = "\ufeffWEBVTT - film\n\nSTYLE\n::cue {color: red}\n\n"
    text += "id\n00:01.000 --> 00:02.000 line:0\n<v Bob>Hi &amp; bye</v>\n"
    assert read(text, "film.vtt") == [(1, 2, "<v Bob>Hi &amp; bye</v>", "line:0")]
    (note,) = read_caption_file(text.encode(), "film.vtt").notes
    assert "style sheets" in note
    with pytest.raises(SourceError, match="line 1: it does not begin with WEBVTT"):
        read("1\n00:01.000 --> 00:02.000\nHi\n", "film.vtt")


def cue(start: float, end: float) -> Cue:
    return Cue(Fraction(start), Fraction(end), "text")


def spans(captions: Captions) -> list[tuple[float, float]]:
    return [(float(c.start_seconds), float(c.end_seconds)) for c in captions.cues]


def test_captions_of_a_tape_that_begins_at_a_whole_hour_are_moved_back() -> None:
    for hour in (1, 10):
        late = [cue(hour * 3600 + 1, hour * 3600 + 2), cue(hour * 3600 + 50, hour * 3600 + 70)]
        moved = on_film(late, Fraction(60))
        assert spans(moved) == [(1, 2), (50, 60)]
        assert moved.notes == (f"all times lie behind {hour:02d}:00:00, taken for the start",)


def test_so_are_those_of_a_film_longer_than_that() -> None:
    late = [cue(3605, 3607), cue(10_700, 10_702)]
    assert spans(on_film(late, Fraction(7200))) == [(5, 7), (7100, 7102)]


def test_captions_of_a_long_film_stay_where_they_are() -> None:
    late = [cue(3700, 3702), cue(7100, 7102)]
    assert on_film(late, Fraction(7200)).cues == tuple(late)
    # A longer cut ended a minute later.
    assert on_film([*late, cue(7260, 7262)], Fraction(7200)).cues == tuple(late)


def test_cues_behind_the_end_are_left_out_and_told() -> None:
    placed = on_film([cue(1, 2), cue(9, 12), cue(11, 12)], Fraction(10))
    assert spans(placed) == [(1, 2), (9, 10)]
    assert placed.notes == ("1 cues behind the end of the picture are left out",)
