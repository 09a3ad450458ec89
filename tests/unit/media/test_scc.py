"""Scenarist files, coded by hand after CTA-608-E, and the cues they stand for."""

from __future__ import annotations

from fractions import Fraction

import pytest

from adaptation.errors import SourceError
from adaptation.media.caption_file import read_caption_file
from adaptation.media.subtitles import Cue

RCL, EDM, ENM, EOC = (0x1420,), (0x142C,), (0x142E,), (0x142F,)
RU2, CR, RDC = (0x1425,), (0x142D,), (0x1429,)
ROW_1, ROW_14, ROW_15 = (0x1140,), (0x1440,), (0x1460,)
ROW_15_INDENT_8, ROW_15_ITALIC = (0x1474,), (0x146E,)
FRAME = Fraction(1001, 30000)


def letters(text: str) -> tuple[int, ...]:
    padded = text + "\0" * (len(text) % 2)
    pairs = zip(padded[::2], padded[1::2], strict=True)
    return tuple(ord(first) << 8 | ord(second) for first, second in pairs)


def words(*codes: tuple[int, ...]) -> str:
    """Pairs with odd parity in hex; control codes twice, as they are sent."""
    sent = [pair for code in codes for pair in code for _ in range(1 + (0x10 <= pair >> 8 < 0x20))]
    return " ".join(f"{_odd(pair >> 8):02x}{_odd(pair & 255):02x}" for pair in sent)


def _odd(byte: int) -> int:
    return byte if byte.bit_count() % 2 else byte | 0x80


def scc(*lines: str) -> bytes:
    return ("Scenarist_SCC V1.0\n\n" + "\n\n".join(lines) + "\n").encode()


def read(*lines: str) -> list[tuple[int, int, str, str]]:
    """Start and end in milliseconds, text and settings."""
    cues = read_caption_file(scc(*lines), "film.scc").cues
    return [(_ms(c.start_seconds), _ms(c.end_seconds), c.text, c.settings) for c in cues]


def _ms(seconds: Fraction) -> int:
    return int(seconds * 1000)


def at(frames: int) -> int:
    """Milliseconds of a frame of 29.97 a second."""
    return round(frames * FRAME * 1000)


def test_a_caption_pops_on_with_its_last_code_and_goes_with_the_next() -> None:
    # 94ae 94ae 9420 9420 9460 9460 "Hello" 942c 942c 942f 942f: EOC is the 12th pair.
    hello = words(ENM, RCL, ROW_15, letters("Hello"), EDM, EOC)
    assert hello.startswith("94ae 94ae 9420 9420")
    shown = read(f"00:00:01:00\t{hello}", f"00:00:03:00\t{words(EDM)}")
    first = 30 + len(hello.split()) - 2
    assert shown == [(at(first), at(90), "Hello", "position:10% align:left")]


def test_non_drop_time_codes_run_slow_and_drop_frame_ones_keep_time() -> None:
    caption = words(RCL, ROW_15, letters("Hello"), EOC)
    frames = len(caption.split()) - 2
    (slow,) = read(f"01:00:00:00\t{caption}")
    assert slow[0] == at(108_000 + frames)  # 3.6 s more than an hour
    (true,) = read(f"01:00:00;00\t{caption}")
    assert true[0] == at(107_892 + frames)  # 108 numbers are left out in an hour
    assert abs(true[0] - at(frames) - 3_600_000) <= 4


def test_rows_colours_slant_and_places_are_kept() -> None:
    top = (ROW_1, letters("Up"), ROW_14, letters("and "), (0x1128,), letters("red"))
    bottom = (ROW_15_ITALIC, letters("slanted"))
    shown = read(f"00:00:01:00\t{words(RCL, *top, *bottom, EOC)}", f"00:00:02:00\t{words(EDM)}")
    assert [cue[2:] for cue in shown] == [
        ("Up", "line:10% position:10% align:left"),
        ("and  <c.red>red</c>\n<i>slanted</i>", "position:10% align:left"),
    ]


def test_text_in_the_middle_of_the_bottom_needs_no_settings() -> None:
    row = words(RCL, ROW_15_INDENT_8, letters("In the very middle"), EOC)
    (shown,) = read(f"00:00:01:00\t{row}")
    # Column 8 to 26 of 32.
    assert shown[2:] == ("In the very middle", "")


def test_odd_special_and_extended_characters() -> None:
    # 2A is a with acute; 11 37 a note; 12 21 takes the place of the E before it.
    row = words(RCL, ROW_15, letters("Se*or ~"), (0x1137,), letters("E"), (0x1221,), EOC)
    (shown,) = read(f"00:00:01:00\t{row}")
    assert shown[2] == "Seáor ñ♪É"


def test_rows_roll_up_with_each_carriage_return() -> None:
    first = words(RU2, CR, ROW_15, letters("one"))
    second = words(RU2, CR, ROW_15, letters("two"))
    third = words(RU2, CR, ROW_15, letters("three"))
    shown = read(
        f"00:00:01:00\t{first}",
        f"00:00:02:00\t{second}",
        f"00:00:03:00\t{third}",
        f"00:00:04:00\t{words(EDM)}",
    )
    assert [cue[2] for cue in shown] == ["one", "one\ntwo", "two\nthree"]
    starts = [at(30 + 6), at(60 + 2), at(90 + 2)]
    assert [cue[0] for cue in shown] == starts
    assert [cue[1] for cue in shown] == [*starts[1:], at(120)]


def test_painted_text_appears_at_once() -> None:
    shown = read(f"00:00:01:00\t{words(RDC, ROW_15, letters('painted'))}")
    assert [cue[2] for cue in shown] == ["painted"]
    # Nothing takes it off: it stands for ten seconds more.
    assert shown[0][1] - shown[0][0] == 10_000


def test_other_services_are_left_out_and_told() -> None:
    other = words((0x1C20,), (0x1C60,), letters("other"), (0x1C2F,))
    captions = read_caption_file(scc(f"00:00:01:00\t{other}"), "film.scc")
    assert captions.cues == ()
    assert captions.notes[0] == "film.scc: only its first service, CC1, is read"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"00:00:01:00\t9420\n", "line 1: it does not begin with Scenarist_SCC V1.0"),
        (scc("00:00:01:00\t9420", "00:00:0x:00\t942c"), "line 5: '00:00:0x:00"),
        (scc("00:00:01:00\t94"), "line 3: "),
        (scc("00:00:01:30\t9420"), "line 3: "),
    ],
)
def test_what_is_no_scenarist_file_is_refused_with_its_line(content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=rf"film\.scc: {message}") as refused:
        read_caption_file(content, "film.scc")
    assert refused.value.code == "captions_invalid"


def test_captions_that_are_added_while_others_stand_come_in_their_own_time() -> None:
    one = words(ENM, RCL, ROW_14, letters("A: Yes"), EOC)
    both = words(ENM, RCL, ROW_14, letters("A: Yes"), ROW_15, letters("B: No"), EOC)
    shown = read(f"00:00:01:00\t{one}", f"00:00:02:00\t{both}", f"00:00:03:00\t{words(EDM)}")
    assert [cue[2] for cue in shown] == ["A: Yes", "A: Yes\nB: No"]


def test_cue_is_what_every_reader_gives() -> None:
    (cue,) = read_caption_file(
        scc(f"00:00:01:00\t{words(RCL, ROW_15, letters('x'), EOC)}"), "a.SCC"
    ).cues
    assert isinstance(cue, Cue)
