"""A file that is shorter than its container says is never taken for a whole one."""

from __future__ import annotations

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.errors import SourceError
from adaptation.media.container import check_complete


def box(kind: bytes, body: bytes = b"") -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def large_box(kind: bytes, body: bytes) -> bytes:
    return (1).to_bytes(4, "big") + kind + (len(body) + 16).to_bytes(8, "big") + body


def endless_box(kind: bytes, body: bytes) -> bytes:
    return (0).to_bytes(4, "big") + kind + body


def element(code: str, body: bytes) -> bytes:
    return bytes.fromhex(code) + (len(body) | 1 << 56).to_bytes(8, "big") + body


def code_of(content: bytes) -> str:
    with pytest.raises(SourceError) as caught:
        check_complete(io.BytesIO(content))
    assert caught.value.hint
    return caught.value.code


FTYP = box(b"ftyp", b"isom\0\0\2\0")
MOOV = box(b"moov", bytes(40))
WHOLE_MP4 = {
    "faststart": FTYP + MOOV + box(b"mdat", bytes(200)),
    "index at the end": FTYP + box(b"mdat", bytes(200)) + MOOV,
    "fragmented": FTYP + MOOV + (box(b"moof", bytes(30)) + box(b"mdat", bytes(90))) * 3,
    "64-bit size": FTYP + MOOV + large_box(b"mdat", bytes(200)),
}
EBML = element("1a45dfa3", b"\x42\x82\x88matroska")
WHOLE_MKV = EBML + element("18538067", bytes(300))


@pytest.mark.parametrize("content", WHOLE_MP4.values(), ids=list(WHOLE_MP4))
def test_a_whole_mp4_passes(content: bytes) -> None:
    check_complete(io.BytesIO(content))
    check_complete(io.BytesIO(content + bytes(4)))


@pytest.mark.parametrize("content", list(WHOLE_MP4.values()))
@given(st.data())
def test_an_mp4_cut_inside_a_box_is_cut_short(content: bytes, data: st.DataObject) -> None:
    # What ends with a whole fragment cannot be told from a shorter film.
    ends = {len(content) - 136, len(content) - 272} if b"moof" in content else set[int]()
    keep = data.draw(st.integers(9, len(content) - 1).filter(lambda end: end not in ends))
    assert code_of(content[:keep]) == "source_truncated"


def test_room_that_was_reserved_but_never_filled_is_cut_short() -> None:
    fragments = WHOLE_MP4["fragmented"]
    assert code_of(fragments + bytes(5000)) == "source_truncated"
    check_complete(io.BytesIO(fragments + bytes(500)))


def test_an_mp4_without_an_index_is_cut_short() -> None:
    assert code_of(FTYP) == "source_truncated"
    assert code_of(FTYP + endless_box(b"mdat", bytes(100))) == "source_truncated"


def test_a_last_box_may_go_on_to_the_end() -> None:
    check_complete(io.BytesIO(FTYP + MOOV + endless_box(b"mdat", bytes(100))))


def test_a_whole_matroska_passes() -> None:
    check_complete(io.BytesIO(WHOLE_MKV))


@given(st.integers(len(EBML), len(WHOLE_MKV) - 1))
def test_a_cut_matroska_is_cut_short(keep: int) -> None:
    assert code_of(WHOLE_MKV[:keep]) == "source_truncated"


def test_a_live_matroska_of_unknown_size_passes() -> None:
    unknown = bytes.fromhex("18538067") + b"\x01" + b"\xff" * 7
    check_complete(io.BytesIO(EBML + unknown + bytes(100)))


def test_a_cut_avi_is_cut_short() -> None:
    riff = b"RIFF" + (104).to_bytes(4, "little") + b"AVI " + bytes(100)
    check_complete(io.BytesIO(riff))
    assert code_of(riff[:80]) == "source_truncated"
    check_complete(io.BytesIO(b"RIFF" + bytes(4) + riff[8:80]))


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><p>Log in</p>",
        b"\xef\xbb\xbf#EXTM3U\n#EXTINF:1,\nfile.ts\n",
        '<?xml version="1.0"?><MPD/>'.encode("utf-16"),
        "Grüße, kein Film".encode("latin-1"),
        b'{"error": "not found"}\r\n',
    ],
)
def test_text_is_no_media(content: bytes) -> None:
    assert code_of(content) == "source_not_media"


def test_nothing_is_empty() -> None:
    assert code_of(b"") == "source_empty"


@given(st.binary(min_size=1, max_size=300))
def test_no_bytes_make_it_fail_in_another_way(content: bytes) -> None:
    for start in (b"", FTYP, EBML, b"RIFF"):
        with suppress(SourceError):
            check_complete(io.BytesIO(start + content))
