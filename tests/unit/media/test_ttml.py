"""TTML and IMSC documents as they are found, and the cues they stand for."""

from __future__ import annotations

import pytest

from adaptation.errors import SourceError
from adaptation.media.caption_file import read_caption_file

TTML = "http://www.w3.org/ns/ttml"
SPACES = (
    f'xmlns="{TTML}" xmlns:tts="{TTML}#styling" xmlns:ttp="{TTML}#parameter"'
    f' xmlns:ttm="{TTML}#metadata"'
)
HEAD = """<head><metadata><ttm:title>Film</ttm:title></metadata><styling>
<style xml:id="base" tts:color="white" tts:textAlign="center"/>
<style xml:id="loud" style="base" tts:color="#FFFF00FF" tts:fontStyle="italic"/>
<style xml:id="loop" style="loop2"/><style xml:id="loop2" style="loop" tts:fontWeight="bold"/>
</styling><layout>
<region xml:id="bottom" tts:origin="10% 80%" tts:extent="80% 10%" tts:displayAlign="after"/>
<region xml:id="top" tts:origin="10% 10%" tts:extent="80% 10%" tts:textAlign="center"/>
<region xml:id="left" tts:origin="64px 36px" tts:extent="320px 180px" tts:displayAlign="center"/>
<region xml:id="cells"><style tts:origin="8c 3c"/><style tts:extent="16c 3c"/></region>
</layout></head>"""


def document(body: str, root: str = "", head: str = HEAD) -> bytes:
    return f'<tt {SPACES} xml:lang="en" {root}>{head}<body>{body}</body></tt>'.encode()


def read(content: bytes, name: str = "film.ttml") -> list[tuple[float, float, str, str]]:
    cues = read_caption_file(content, name).cues
    return [(float(c.start_seconds), float(c.end_seconds), c.text, c.settings) for c in cues]


def test_paragraphs_are_cues_with_line_breaks_and_collapsed_space() -> None:
    body = """<div>
      <p begin="00:00:01.000" end="00:00:02.500">Hello<br/>
         big   world</p>
      <p begin="3s" dur="500ms" xml:space="preserve">a  b &amp; &lt;c></p></div>"""
    assert read(document(body)) == [
        (1.0, 2.5, "Hello\nbig world", ""),
        (3.0, 3.5, "a  b &amp; &lt;c&gt;", ""),
    ]


@pytest.mark.parametrize(
    ("root", "time", "seconds"),
    [
        ("", "00:01:00:15", 60.5),
        ('ttp:frameRate="25"', "00:01:00:05", 60.2),
        ('ttp:frameRate="24" ttp:frameRateMultiplier="1000 1001"', "00:00:10:13", 10.542),
        ('ttp:frameRate="24" ttp:frameRateMultiplier="1000:1001"', "240f", 10.01),
        ('ttp:tickRate="10000000"', "15000000t", 1.5),
        ('ttp:frameRate="25" ttp:subFrameRate="2"', "75t", 1.5),
        ("", "1.5h", 5400),
        ("", "2m", 120),
        ("", "1500ms", 1.5),
        ('ttp:timeBase="smpte" ttp:frameRateMultiplier="1000 1001"', "01:00:00:00", 3603.6),
        (
            'ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"'
            ' ttp:dropMode="dropNTSC"',
            "01:00:00:00",
            3599.996,
        ),
    ],
)
def test_times_count_what_the_root_says(root: str, time: str, seconds: float) -> None:
    ((begin, _, _, _),) = read(document(f'<div><p begin="{time}" dur="1s">x</p></div>', root))
    assert begin == seconds


def test_times_are_within_those_of_what_is_around() -> None:
    body = """<div begin="10s" end="15s"><p begin="1s" end="2s">in par</p>
      <p begin="4s" end="9s">cut</p></div>
      <div timeContainer="seq"><p dur="2s">first</p><p begin="1s" dur="2s">second</p></div>
      <div begin="20s"><p begin="0s" end="3s">al<span begin="1s">ways</span></p></div>"""
    assert [cue[:3] for cue in read(document(body))] == [
        (0, 2, "first"),
        (3, 5, "second"),
        (11, 12, "in par"),
        (14, 15, "cut"),
        (20, 21, "al"),
        (21, 23, "always"),
    ]


def test_styles_are_named_inherited_and_overridden() -> None:
    body = """<div style="loud"><p begin="0s" end="1s">all <span tts:fontStyle="normal">upright
      </span><span tts:textDecoration="underline" tts:color="rgb(0,255,255)">line</span></p>
      <p begin="1s" end="2s" style="loop">bold</p>
      <p begin="2s" end="3s" tts:color="white" tts:visibility="hidden">unseen
      <span tts:visibility="visible">seen</span></p></div>"""
    assert [cue[2] for cue in read(document(body))] == [
        "<c.yellow><i>all </i></c><c.yellow>upright </c><c.cyan><i><u>line</u></i></c>",
        "<c.yellow><i><b>bold</b></i></c>",
        "<i>seen</i>",
    ]


def test_regions_become_places() -> None:
    regions = {"bottom": 'tts:textAlign="center"', "top": "", "left": "", "cells": ""}
    lines = [
        f'<p region="{name}" begin="{n}s" end="{n + 1}s" {more}>x</p>'
        for n, (name, more) in enumerate(regions.items())
    ]
    shown = read(document(f"<div>{''.join(lines)}</div>", 'tts:extent="640px 360px"'))
    assert [cue[3] for cue in shown] == [
        "",
        "line:10%",
        "line:35%,center position:10% align:left",
        "line:20% position:25% align:left",
    ]


def test_ruby_keeps_its_base_and_drops_what_explains_it() -> None:
    body = """<div><p begin="0s" end="1s"><span tts:ruby="container"><span tts:ruby="base">利根川
      </span><span tts:ruby="text">とねがわ</span></span>を</p></div>"""
    assert [cue[2] for cue in read(document(body))] == ["利根川 を"]


def test_older_editions_and_other_encodings_are_read() -> None:
    for year, style in (("2006/10", "#style"), ("2006/04", "#style")):
        old = f'<tt xmlns="http://www.w3.org/{year}/ttaf1" xmlns:s="http://www.w3.org/{year}/ttaf1{style}">'
        old += '<body><div><p begin="1s" end="2s" s:fontWeight="bold">Grüße</p></div></body></tt>'
        for encoding in ("utf-8", "utf-16", "iso-8859-1"):
            text = f'<?xml version="1.0" encoding="{encoding}"?>{old}'
            assert read(text.encode(encoding), "film.dfxp") == [(1, 2, "<b>Grüße</b>", "")]


def test_pictures_of_text_are_told() -> None:
    body = '<div begin="0s" end="1s" smpte:backgroundImage="#one"/>'
    content = document(body, 'xmlns:smpte="http://www.smpte-ra.org/schemas/2052-1/2010/smpte-tt"')
    captions = read_caption_file(content, "film.xml")
    assert captions.notes[0] == "film.xml: its pictures are left out: only text is read"


BOMB = "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "declared",
    [
        f'<!DOCTYPE tt [<!ENTITY b0 "ha">{BOMB}]>',
        '<!DOCTYPE tt [<!ENTITY b9 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE tt [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;<!ENTITY b9 "">]>',
        '<!DOCTYPE tt SYSTEM "http://127.0.0.1:9/x.dtd">',
    ],
)
def test_hostile_documents_are_refused(declared: str) -> None:
    body = '<body><div><p begin="0s" end="1s">&b9;</p></div></body>'
    with pytest.raises(SourceError, match=r"^film\.ttml: ") as refused:
        read(f"{declared}<tt {SPACES}>{body}</tt>".encode())
    assert refused.value.code == "captions_invalid"


def test_text_that_grows_with_its_spans_is_refused() -> None:
    spans = "".join(f'<span begin="{n}s">{"x" * 20}</span>' for n in range(3000))
    with pytest.raises(SourceError, match="its text is too much"):
        read(document(f'<div><p begin="0s" end="9999s">{spans}</p></div>'))


def test_deep_documents_are_refused() -> None:
    spans = "<span>" * 5000 + "x" + "</span>" * 5000
    with pytest.raises(SourceError, match="it is no XML"):
        read(document(f'<div><p begin="0s" end="1s">{spans}</p></div>'))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<tt>\n<body>", "line [12]: it is no XML|it is no XML"),
        (b"<html/>", "line 1: its root is html"),
        (document('\n<div><p begin="soon" end="2s">x</p></div>'), r"line \d+: 'soon' is no time"),
        (document("", 'ttp:timeBase="clock"'), "its time base clock is not understood"),
        (document("", 'ttp:frameRate="0"'), "its frameRate '0' is no number"),
        (document("", 'ttp:frameRateMultiplier="1 0"'), "its frameRateMultiplier"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=rf"^film\.ttml: ({message})"):
        read(content)
