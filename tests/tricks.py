"""Files that are no videos but ways to another one: what a hostile client would submit."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from crafted import FILES, Ground, hls


def master(address: str, *before: str) -> str:
    """A playlist of one playlist."""
    tags = "\n".join(before)
    told = '#EXT-X-STREAM-INF:BANDWIDTH=9,RESOLUTION=160x90,AUDIO="a"'
    return f"#EXTM3U\n{tags}\n{told}\n{address}\n"


def mpd(inner: str, base: str = "", identity: str = "1", before: str = "") -> str:
    """A manifest of one picture."""
    based = f"<BaseURL>{base}</BaseURL>" if base else ""
    return (
        f'<?xml version="1.0"?>{before}<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
        ' xmlns:x="http://www.w3.org/1999/xlink"'
        ' profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"'
        ' minBufferTime="PT1S" mediaPresentationDuration="PT1S">'
        f'{based}<Period><AdaptationSet mimeType="video/mp4" contentType="video">'
        f'<Representation id="{identity}" bandwidth="9" codecs="avc1.42c00d" width="160"'
        f' height="90">{inner}</Representation></AdaptationSet></Period></MPD>'
    )


def template(media: str, init: str = "") -> str:
    """A SegmentTemplate of one segment."""
    named = f' initialization="{init}"' if init else ""
    return f'<SegmentTemplate media="{media}"{named} duration="1" startNumber="1"/>'


def segments(media: str, init: str = "") -> str:
    """A SegmentList of one segment."""
    named = f'<Initialization sourceURL="{init}"/>' if init else ""
    return f'<SegmentList duration="1">{named}<SegmentURL media="{media}"/></SegmentList>'


PLAYLISTS: dict[str, Callable[[Ground], str]] = {
    "absolute": lambda g: hls(f"{g.other}/secret.ts"),
    "file url": lambda g: hls(f"file://{g.other}/secret.ts"),
    "file url of localhost": lambda g: hls(f"file://localhost{g.other}/secret.ts"),
    "file url of a host": lambda g: hls(f"file://nas{g.other}/secret.ts"),
    "above": lambda _: hls("../../other/secret.ts"),
    "above in disguise": lambda _: hls("%2e%2e/%2e%2e/other/secret.ts"),
    "above by the way": lambda _: hls("own/../../../other/secret.ts"),
    "file without slashes": lambda g: hls(f"file:{g.other}/secret.ts"),
    "backslashes": lambda _: hls("..\\..\\other\\secret.ts"),
    "map": lambda g: hls("own.ts", f'#EXT-X-MAP:URI="{g.other}/secret.mp4"'),
    "map by url": lambda g: hls("own.ts", f'#EXT-X-MAP:URI="file://{g.other}/secret.mp4"'),
    "key": lambda g: hls("own.ts", f'#EXT-X-KEY:METHOD=AES-128,URI="{g.other}/secret.key"'),
    "key above": lambda _: hls("own.ts", '#EXT-X-KEY:METHOD=AES-128,URI="../../other/secret.key"'),
    "nested": lambda g: master(f"{g.other}/secret.m3u8"),
    "nested above": lambda _: master("../../other/secret.m3u8"),
    "sound": lambda g: master(
        "own.m3u8",
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",URI="{g.other}/secret.m3u8"',
    ),
    "innocent master": lambda _: master("bad.m3u8"),
    "link": lambda _: hls("link.ts"),
    "folder that is a link": lambda _: hls("linked/secret.ts"),
    "data": lambda g: hls(f"data:video/mp2t;base64,{_base64(g.other / 'secret.ts')[:2000]}"),
    "internal": lambda g: hls(f"{g.internal}/secret.ts"),
    "concat": lambda g: hls(f"concat:{g.other}/secret.ts|{g.other}/secret.ts"),
    "subfile": lambda g: hls(f"subfile,,start,0,end,0,,:{g.other}/secret.ts"),
    "crypto": lambda g: hls(f"crypto:{g.other}/secret.ts"),
    "crypto over file": lambda g: hls(f"crypto+file://{g.other}/secret.ts"),
    "gopher": lambda g: hls(g.internal.replace("http", "gopher") + "/secret.ts"),
    "byte order mark": lambda g: "\ufeff" + hls(f"{g.other}/secret.ts"),
    "blank lines first": lambda g: "\n\n" + hls(f"{g.other}/secret.ts"),
    "text as a segment": lambda g: hls(f"{g.other}/secret.txt", "#EXT-X-BYTERANGE:100@0"),
    "environment": lambda _: hls("/proc/self/environ"),
    "variable": lambda g: hls("{$a}", f'#EXT-X-DEFINE:NAME="a",VALUE="{g.other}/secret.ts"'),
    "segment that is a playlist": lambda _: hls("bad.m3u8"),
    "segment that is a list": lambda _: hls("bad.ffconcat"),
}
MANIFESTS: dict[str, Callable[[Ground], str]] = {
    "base url": lambda g: mpd(template("secret.ts"), f"file://{g.other}/"),
    "base above": lambda _: mpd(template("secret.ts"), "../../other/"),
    "template": lambda g: mpd(template(f"{g.other}/secret.ts")),
    "template with init": lambda g: mpd(template("own.ts", f"file://{g.other}/secret.mp4")),
    "identity": lambda _: mpd(template("$RepresentationID$.ts"), "", "../../other/secret"),
    "list": lambda g: mpd(segments(f"file://{g.other}/secret.ts")),
    "list with init": lambda g: mpd(segments("own.ts", f"{g.other}/secret.mp4")),
    "one file": lambda g: mpd(f"<BaseURL>file://{g.other}/secret.mp4</BaseURL>"),
    "one file above": lambda _: mpd("<BaseURL>../../other/secret.mp4</BaseURL>"),
    "one file by a link": lambda _: mpd("<BaseURL>link.ts</BaseURL>"),
    "internal manifest": lambda g: mpd(f"<BaseURL>{g.internal}/secret.mp4</BaseURL>"),
    "entity": lambda g: mpd("<BaseURL>&x;</BaseURL>", before=_doctype(f"file://{g.other}")),
    "entity of the web": lambda g: mpd("<BaseURL>&x;</BaseURL>", before=_doctype(g.internal)),
    "external subset": lambda g: mpd(
        template("own.ts"), before=f'<!DOCTYPE MPD SYSTEM "{g.internal}/secret.txt">'
    ),
    "laughs": lambda _: mpd("<BaseURL>&i;</BaseURL>", before=LAUGHS),
    "elsewhere": lambda g: mpd(f'<SegmentBase x:href="file://{g.other}/secret.m3u8"/>'),
    "include": lambda g: mpd(
        '<i:include xmlns:i="http://www.w3.org/2001/XInclude" parse="text"'
        f' href="file://{g.other}/secret.txt"/>',
        "own.ts",
    ),
}
LAUGHS: str = (
    '<!DOCTYPE MPD [<!ENTITY a "lol">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)
TEXTS: dict[str, tuple[str, Callable[[Ground], str]]] = {
    "ffconcat": ("ffconcat", lambda g: f"ffconcat version 1.0\nfile '{g.other}/secret.mp4'\n"),
    "ffconcat above": ("ffconcat", lambda _: "ffconcat version 1.0\nfile ../../other/secret.ts\n"),
    "ffconcat to a playlist": ("ffconcat", lambda _: "ffconcat version 1.0\nfile bad.m3u8\n"),
    "ffconcat to a url": (
        "ffconcat",
        lambda g: f"ffconcat version 1.0\nfile {g.internal}/secret.ts",
    ),
    "list of files": ("txt", lambda g: f"file '{g.other}/secret.mp4'\n"),
    "svg": ("svg", lambda g: _svg(f'<image href="file://{g.other}/secret.mp4"/>')),
    "svg with an entity": (
        "svg",
        lambda g: _doctype(f"file://{g.other}") + _svg("<text>&x;</text>"),
    ),
    "ttml": (
        "ttml",
        lambda g: (
            _doctype(f"file://{g.other}")
            + '<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p>&x;</p></div></body></tt>'
        ),
    ),
    "subrip": (
        "srt",
        lambda g: f'1\n00:00:00,000 --> 00:00:01,000\n<img src="{g.other}/secret.mp4">\n',
    ),
    "ass": (
        "ass",
        lambda g: (
            f"[Script Info]\nVideo File: {g.other}/secret.mp4\n[Fonts]\n"
            f"fontname: {g.other}/secret.txt\n[Events]\n"
        ),
    ),
    "webvtt": (
        "vtt",
        lambda g: (
            f"WEBVTT\n\nSTYLE\n::cue {{ background: url(file://{g.other}/secret.txt) }}\n\n"
            "00:00.000 --> 00:01.000\nx\n"
        ),
    ),
    "sami": ("smi", lambda g: f'<SAMI><BODY><SYNC Start=0><P src="{g.other}/secret.srt">x</BODY>'),
    "ted captions": ("json", lambda g: f'{{"captions":[{{"content":"{g.other}/secret.srt"}}]}}'),
    "vobsub": ("idx", lambda _: "# VobSub index file, v7\nsize: 160x90\nid: en, index: 0\n"),
    "session description": (
        "sdp",
        lambda _: (
            "v=0\no=- 0 0 IN IP4 127.0.0.2\ns=x\nc=IN IP4 127.0.0.2\nm=video 9 RTP/AVP 96\n"
            "a=rtpmap:96 H264/90000\n"
        ),
    ),
    "rtsp": ("ram", lambda _: "RTSPtext\nrtsp://127.0.0.2/secret\n"),
    "windows list": (
        "asx",
        lambda g: f'<asx><entry><ref href="file://{g.other}/secret.mp4"/></asx>',
    ),
    "pls": ("pls", lambda g: f"[playlist]\nFile1={g.other}/secret.mp4\nNumberOfEntries=1\n"),
    "xspf": (
        "xspf",
        lambda g: (
            '<playlist xmlns="http://xspf.org/ns/0/"><trackList><track><location>'
            f"file://{g.other}/secret.mp4</location></track></trackList></playlist>"
        ),
    ),
    "cue sheet": ("cue", lambda g: f'FILE "{g.other}/secret.mp4" MP3\n  TRACK 01 AUDIO\n'),
    "script": ("avs", lambda g: f'FFmpegSource2("{g.other}/secret.mp4")\n'),
    "filter graph": ("lavfi", lambda g: f"movie={g.other}/secret.mp4"),
    "metadata": ("ffmeta", lambda g: f";FFMETADATA1\ntitle=x\nfile={g.other}/secret.txt\n"),
    "composition": (
        "xml",
        lambda g: (
            '<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">'
            f"<Id>{g.other}/secret.mp4</Id></CompositionPlaylist>"
        ),
    ),
}


def write(name: str, ground: Ground, folder: Path, ending: str = "") -> Path:
    """Play a trick in a new folder; returns the file to submit.

    Args:
        name: in `ALL`.
        ground: where.
        folder: below the hostile client's.
        ending: what the file is called to be, such as `.mp4`; empty: what it is.
    """
    folder.mkdir(parents=True)
    (folder / "link.ts").symlink_to(ground.other / "secret.ts")
    (folder / "linked").symlink_to(ground.other)
    (folder / "own.ts").write_bytes((ground.own / "own.ts").read_bytes())
    (folder / "own.m3u8").write_text(hls("own.ts"))
    (folder / "bad.m3u8").write_text(hls(f"{ground.other}/secret.ts"))
    (folder / "bad.ffconcat").write_text(f"ffconcat version 1.0\nfile {ground.other}/secret.ts\n")
    path = _written(name, ground, folder)
    return path.rename(path.with_name(f"entry{ending}")) if ending else path


def _written(name: str, ground: Ground, folder: Path) -> Path:
    if name in FILES:
        return FILES[name](ground, folder)
    ending, text = "m3u8", PLAYLISTS.get(name)
    if name in MANIFESTS:
        ending, text = "mpd", MANIFESTS[name]
    if name in TEXTS:
        ending, text = TEXTS[name]
    assert text is not None
    path = folder / f"entry.{ending}"
    path.write_text(text(ground), encoding="utf-8")
    return path


ALL = (*PLAYLISTS, *MANIFESTS, *TEXTS, *FILES)
"""The names of all tricks."""
LIES = (".mp4", ".ts", ".mkv", ".m3u8", ".mpd")
"""What a trick may call itself."""


def lie(number: int, path: Path) -> str:
    """An ending for a trick that is not its own."""
    others = [ending for ending in LIES if ending != path.suffix]
    return others[number % len(others)]


def _doctype(place: str) -> str:
    return f'<!DOCTYPE MPD [<!ENTITY x SYSTEM "{place}/secret.txt">]>'


def _svg(inner: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="160" height="90">{inner}</svg>'


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
