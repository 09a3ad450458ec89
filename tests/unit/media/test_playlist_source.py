"""Playlists as sources: what any text becomes, and where each address may lead."""

from __future__ import annotations

import re
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.errors import SourceError
from adaptation.media.dash_source import gather_plan
from adaptation.media.hls_source import Rendition, is_master, renditions, track_plan
from adaptation.media.joining import packed_sound_start
from adaptation.media.playlist_source import Piece, playlist_kind, resolved

WEB, LOCAL = "https://host.example/film/index.m3u8?token=1", "file:///srv/film/index.m3u8"
WHOLE = Rendition(WEB, "all")

HLS_LINES = st.sampled_from(
    [
        *(
            "#EXTM3U",
            "#EXTINF:2,",
            "#EXTINF:",
            "#EXTINF:x",
            "a.ts",
            "../b.ts",
            "",
            "#EXT-X-ENDLIST",
        ),
        *("#EXT-X-BYTERANGE:9@1", "#EXT-X-BYTERANGE:9", "#EXT-X-BYTERANGE:x@y", "#EXT-X-GAP"),
        *('#EXT-X-MAP:URI="i.mp4",BYTERANGE="5@0"', "#EXT-X-MAP:", "#EXT-X-MAP:BYTERANGE=1"),
        *('#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1', "#EXT-X-KEY:METHOD=AES-128", "#EXT-X-KEY:"),
        *("#EXT-X-KEY:METHOD=NONE", "#EXT-X-MEDIA-SEQUENCE:7", "#EXT-X-MEDIA-SEQUENCE:x"),
        *("#EXT-X-STREAM-INF:BANDWIDTH=1", "#EXT-X-STREAM-INF:", "#EXT-X-STREAM-INF:BANDWIDTH=x"),
        *('#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="s.m3u8"', "#EXT-X-MEDIA:", "#EXT-X-VERSION:"),
        *("#EXT-X-DISCONTINUITY", "#EXT-X-TARGETDURATION:x", "#EXT-X-SESSION-KEY:METHOD=x"),
        *("#EXT-X-PROGRAM-DATE-TIME:yesterday", "#EXT-X-DATERANGE:ID=1", "http://[", "//", "\0"),
    ]
)
XML_PARTS = st.sampled_from(
    [
        *('<MPD type="static" mediaPresentationDuration="PT4S">', "<MPD>", "</MPD>", "<Period>"),
        *("</Period>", '<AdaptationSet contentType="video">', "</AdaptationSet>", "<BaseURL>a"),
        *("</BaseURL>", '<Representation bandwidth="1" id="v">', "</Representation>", "&x;"),
        *('<SegmentTemplate media="$Number%03d$.m4s" duration="2">', "</SegmentTemplate>", "text"),
        *('<SegmentTimeline><S t="0" d="2" r="-1"/></SegmentTimeline>', "<!-- -->", "<?a b?>"),
        *('<SegmentList><SegmentURL media="a" mediaRange="1-2"/></SegmentList>', "<SegmentBase/>"),
        *(
            '<Initialization range="9-1"/>',
            "<ContentProtection/>",
            '<Representation bandwidth="x">',
        ),
    ]
)


@given(st.one_of(st.lists(HLS_LINES).map("\n".join), st.text().map("#EXTM3U\n".__add__)))
def test_any_hls_text_becomes_a_plan_or_a_refusal(text: str) -> None:
    with suppress(SourceError):
        found = renditions(text, WEB) if is_master(text) else track_plan(text, WEB, WHOLE).pieces
        assert all(re.match(r"https?://", one.address) for one in found)


@given(st.one_of(st.lists(XML_PARTS).map("".join), st.text()))
def test_any_xml_becomes_a_plan_or_a_refusal(text: str) -> None:
    with suppress(SourceError):
        plan = gather_plan(text.encode("utf-8", "replace"), WEB)
        assert all(track.pieces for track in plan.tracks)


@pytest.mark.parametrize(
    ("base", "reference", "address"),
    [
        (WEB, "a.ts", "https://host.example/film/a.ts"),
        (WEB, "/a.ts?b#c", "https://host.example/a.ts?b#c"),
        (WEB, "//other.example/a", "https://other.example/a"),
        (LOCAL, "a%20b.ts", "file:///srv/film/a%20b.ts"),
        (WEB, "file:///etc/passwd", None),
        (WEB, "data:,x", None),
        (WEB, "concat:a|b", None),
        (WEB, "gopher://host.example/a", None),
        (LOCAL, "http://host.example/a", None),
        (LOCAL, "//nas/a", None),
        (LOCAL, "crypto:a", None),
    ],
)
def test_an_address_leads_to_the_web_from_the_web_and_to_files_from_files(
    base: str, reference: str, address: str | None
) -> None:
    if address is None:
        with pytest.raises(SourceError) as caught:
            resolved(base, reference)
        assert caught.value.code == "source_child_forbidden"
    else:
        assert resolved(base, reference) == address


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"#EXTM3U\n", "hls"),
        (b"\xef\xbb\xbf#EXTM3U\r\n", "hls"),
        (b"#EXTM3UX", None),
        (b" #EXTM3U", None),
        (b"<MPD>", "dash"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- <x> -->\n<mpd:MPD xmlns', "dash"),
        (b"<MPDX>", None),
        (b"<svg><MPD>", None),
        (b"", None),
    ],
)
def test_a_playlist_is_known_by_its_first_bytes(head: bytes, kind: str | None) -> None:
    assert playlist_kind(head) == kind


TEMPLATE = (
    '<MPD mediaPresentationDuration="PT{seconds}S"><BaseURL>x/</BaseURL><Period>'
    '<AdaptationSet mimeType="video/mp4"><SegmentTemplate timescale="10" {told}>{lines}'
    '</SegmentTemplate><Representation id="v" bandwidth="7"/></AdaptationSet></Period></MPD>'
)
NAMES = 'media="$RepresentationID$-$Bandwidth$-{}.m4s" initialization="$$i.mp4"'


def names(seconds: str, told: str, lines: str = "") -> list[str]:
    text = TEMPLATE.format(seconds=seconds, told=told, lines=lines)
    pieces = gather_plan(text.encode(), WEB).tracks[0].pieces
    assert pieces[0] == Piece("https://host.example/film/x/$i.mp4", is_init=True)
    return [piece.address.rpartition("/v-7-")[2].removesuffix(".m4s") for piece in pieces[1:]]


def test_a_template_by_number_reaches_to_the_end_of_the_period() -> None:
    by_number = NAMES.format("$Number%03d$")
    assert names("4", f'{by_number} duration="20"') == ["001", "002"]
    assert names("4.1", f'{by_number} duration="20" startNumber="9"') == ["009", "010", "011"]
    assert names("9", f'{by_number} duration="20" endNumber="2"') == ["001", "002"]


@pytest.mark.parametrize(
    ("seconds", "told", "doubtful"),
    [("4.02", "", True), ("4", "", False), ("5", "", False), ("4.02", 'endNumber="3"', False)],
)
def test_a_last_segment_that_only_a_rounding_asks_for_may_be_absent(
    seconds: str, told: str, doubtful: bool
) -> None:
    told = f'{NAMES.format("$Number$")} duration="20" {told}'
    text = TEMPLATE.format(seconds=seconds, told=told, lines="")
    *others, last = gather_plan(text.encode(), WEB).tracks[0].pieces
    assert last.may_be_absent == doubtful
    assert not any(piece.may_be_absent for piece in others)


def test_a_template_by_time_follows_its_timeline() -> None:
    rows = '<SegmentTimeline><S t="5" d="10" r="1"/><S d="7"/><S t="40" d="20" r="-1"/>'
    told = NAMES.format("$Time$")
    assert names("10", told, f"{rows}</SegmentTimeline>") == ["5", "15", "25", "40", "60", "80"]


def test_a_track_that_begins_before_its_period_is_moved() -> None:
    text = TEMPLATE.format(
        seconds="2", told=NAMES.format("$Number$") + ' duration="20"', lines=""
    ).replace("timescale", 'presentationTimeOffset="25" timescale')
    assert gather_plan(text.encode(), WEB).tracks[0].shift_seconds == Fraction(-5, 2)


def test_packed_sound_tells_when_it_begins() -> None:
    tag = b"PRIV\0\0\0\x35\0\0com.apple.streaming.transportStreamTimestamp\0"
    clock = (900_000).to_bytes(8, "big")
    assert packed_sound_start(b"ID3\4\0\0\0\0\0\x3f" + tag + clock + b"\xff\xf1") == 10
    assert packed_sound_start(b"\xff\xf1" + tag + clock) == 0
    assert packed_sound_start(b"ID3\4\0\0\0\0\0\0") == 0
