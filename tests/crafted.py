"""Where hostile files are made, and those of them that are made of bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import clips

TOKEN = "kH7tQv2canary9ZrW"
"""What stands in every text of the other client, and in the tags of the other clip."""
KEY = TOKEN[:16].encode()


@dataclass(frozen=True)
class Ground:
    """Where a trick is played."""

    other: Path
    """Of another client: `secret.mp4`, `.ts`, `.m3u8`, `.txt`, `.key`, `.srt`; all is magenta."""
    own: Path
    """The hostile client's, with `own.ts`, `own.mp4`, `own.mkv`, all green."""
    internal: str
    """Address of a server that nobody outside may reach; it serves `other`."""


def make_ground(folder: Path, internal: str) -> Ground:
    """The other client's clip: 1 s of magenta with a tone; the own one: 1 s of green."""
    other, own = folder / "other", folder / "sources"
    for place, colour in ((other / "secret", "magenta"), (own / "own", "green")):
        place.parent.mkdir(parents=True)
        inputs = f"-f lavfi -i color={colour}:s=160x90:r=10:d=1 {clips.beep(seconds=1)}"
        tags = f"-metadata title={TOKEN}" if colour == "magenta" else ""
        code = f"{clips.X264} -g 5 -c:a aac {tags}"
        clips.ffmpeg(place.parent, f"{inputs} {code} {place.name}.mp4")
        clips.ffmpeg(place.parent, f"-i {place.name}.mp4 -c copy {place.name}.ts")
    clips.ffmpeg(own, "-i own.mp4 -c copy -reserve_index_space 900 own.mkv")
    (other / "secret.txt").write_text(f"{TOKEN}\n" * 50)
    (other / "secret.key").write_bytes(KEY)
    (other / "secret.srt").write_text(f"1\n00:00:00,000 --> 00:00:01,000\n{TOKEN}\n")
    (other / "secret.m3u8").write_text(hls("secret.ts"))
    return Ground(other, own, internal)


def hls(address: str, *before: str) -> str:
    """A playlist of one segment."""
    tags = "\n".join(before)
    return (
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-VERSION:7\n"
        f"{tags}\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n"
    )


Trick = Callable[[Ground, Path], Path]
"""Writes a file into a folder of its own and gives it."""


def _utf_16(ground: Ground, folder: Path) -> Path:
    path = folder / "entry.m3u8"
    path.write_bytes(hls(f"{ground.other}/secret.ts").encode("utf-16"))
    return path


def _behind_a_tag(ground: Ground, folder: Path) -> Path:
    """A playlist behind 1 KiB of ID3, which players and FFmpeg pass over."""
    path = folder / "entry.m3u8"
    tag = b"ID3\x04\x00\x00\x00\x00\x08\x00" + bytes(1024)
    path.write_bytes(tag + hls(f"{ground.other}/secret.ts").encode())
    return path


def _external_media(ground: Ground, folder: Path, kind: bytes, place: bytes) -> Path:
    """A film whose index says that its samples lie in another file, ISO/IEC 14496-12 §8.7.2."""
    whole = (ground.own / "own.mp4").read_bytes()
    entry = struct.pack(">I4sI", 12 + len(place), kind, 0) + place
    for _ in range(whole.count(b"dref")):
        whole = _with_reference(whole, entry)
    path = folder / "entry.mov"
    path.write_bytes(whole)
    return path


def _with_reference(film: bytes, entry: bytes) -> bytes:
    """Put another entry for the first `url ` that says "in this file"; sizes around it follow."""
    place = film.index(b"url \0\0\0\1") - 4
    grown = bytearray(film[:place] + entry + film[place + 12 :])
    start, end = 0, len(film)
    while start < place:
        size = int.from_bytes(film[start : start + 4], "big")
        if start <= place < start + size:
            grown[start : start + 4] = (size + len(entry) - 12).to_bytes(4, "big")
            # A `dref` has its version and a count before its entries.
            start += 16 if film[start + 4 : start + 8] == b"dref" else 8
        else:
            start += size
        assert start < end
    return bytes(grown)


def _reference_movie(ground: Ground, folder: Path) -> Path:
    """QuickTime's `rmra`: a film that only says where the film is."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), kind) + body

    where = f"file://{ground.other}/secret.mp4".encode() + b"\0"
    reference = box(b"rdrf", struct.pack(">I4sI", 0, b"url ", len(where)) + where)
    path = folder / "entry.mov"
    moov = box(b"moov", box(b"rmra", box(b"rmda", reference)))
    path.write_bytes(box(b"ftyp", b"qt  \0\0\0\0qt  ") + moov + box(b"mdat", bytes(8)))
    return path


def _linked_segments(ground: Ground, folder: Path) -> Path:
    """Matroska that says by name which file goes before it and which behind, RFC 9559 §5.1.2."""
    film = bytearray((ground.own / "own.mkv").read_bytes())
    name = f"{ground.other}/secret.mkv".encode()

    def element(number: int, body: bytes) -> bytes:
        size = len(body) | 1 << 14
        return (
            number.to_bytes((number.bit_length() + 7) // 8, "big") + size.to_bytes(2, "big") + body
        )

    links = element(0x3C83AB, name) + element(0x3E83BB, name) + element(0x3EB923, bytes(16))
    info = element(0x1549A966, links)
    void = film.index(b"\xec\x01") if b"\xec\x01" in film else film.index(b"\xec\x43")
    assert len(info) < 800
    film[void : void + len(info)] = info
    rest = 900 - len(info)
    film[void + len(info) : void + len(info) + 3] = b"\xec" + (rest | 1 << 14).to_bytes(2, "big")
    path = folder / "entry.mkv"
    path.write_bytes(film)
    return path


def _numbered(ground: Ground, folder: Path) -> Path:
    """A name that stands for many files, of which one is a link."""
    (folder / "1.png").symlink_to(ground.other / "secret.mp4")
    path = folder / "%d.png"
    path.write_bytes((ground.own / "own.mp4").read_bytes())
    return path


def _named(name: str) -> Trick:
    """The own clip under a name that FFmpeg would take for a protocol."""

    def write(ground: Ground, folder: Path) -> Path:
        (folder / "secret.ts").symlink_to(ground.other / "secret.ts")
        path = folder / name
        path.write_bytes((ground.own / "own.ts").read_bytes())
        return path

    return write


FILES: dict[str, Trick] = {
    "utf-16": _utf_16,
    "behind a tag": _behind_a_tag,
    "url of media": lambda g, f: _external_media(
        g, f, b"url ", f"file://{g.other}/secret.mp4\0".encode()
    ),
    "path of media": lambda g, f: _external_media(
        g, f, b"url ", f"{g.other}/secret.mp4\0".encode()
    ),
    "alias of media": lambda g, f: _external_media(g, f, b"alis", _alias(g.other / "secret.mp4")),
    "reference movie": _reference_movie,
    "linked segments": _linked_segments,
    "numbered": _numbered,
    "named concat": _named("concat:secret.ts|secret.ts"),
    "named subfile": _named("subfile,,start,0,end,0,,:secret.ts"),
    "named crypto": _named("crypto:secret.ts"),
    "named option": _named("-i secret.ts"),
}


def _alias(path: Path) -> bytes:
    """A Mac alias record with the absolute path, as FFmpeg reads it."""
    name = str(path).encode()
    head = bytearray(150)
    head[4:8] = struct.pack(">HH", 150, 2)
    head[50] = len(path.name)
    head[51 : 51 + len(path.name)] = path.name.encode()
    head[130:134] = struct.pack(">hh", 1, 1)
    return bytes(head) + struct.pack(">hH", 2, len(name)) + name + struct.pack(">hH", -1, 0)
