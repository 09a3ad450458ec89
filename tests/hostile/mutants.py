"""Damages real clips by a seed: what a bad disk, a bad network, a bad writer and an enemy do.

The same seed makes the same mutant of the same originals, so that whatever fails can be replayed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hostile.boxes import Box, boxes_in, joined
from hostile.originals import Original

EXTREMES = (0, 1, 2, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
"""Numbers that readers stumble over."""
MAGICS = (
    b"\x1a\x45\xdf\xa3",
    b"RIFF\xff\xff\xff\x7fAVI LIST",
    b"\0\0\0\x18ftypmp42",
    b"G@\0\x10",
    b"\0\0\x01\xba",
    b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"\x89PNG\r\n\x1a\n",
    b"%PDF-1.7\n",
    b"PK\x03\x04",
    b"ID3\x04\0\0\0\0\x0f\x76",
    b"FLV\x01\x05\0\0\0\x09",
)
"""How files of other kinds begin."""
LYING_BOXES = re.compile(
    rb"mvhd|mdhd|tkhd|elst|stts|ctts|stss|stsz|stsc|stco|co64|trun|tfhd|tfdt|trex|mfhd|sidx|stsd"
    rb"|avc1|hvc1|avcC|hvcC|mp4a|esds|colr|pasp|hdlr|dref|tx3g|apcn|chpl"
)
LYING_ELEMENTS = re.compile(
    # Duration, TimestampScale, Timestamp, SimpleBlock, pixel sizes, track number, default
    # duration, codec delay, seek position, cue time, block duration.
    rb"\x44\x89|\x2a\xd7\xb1|\xe7[\x81-\x84]|\xa3|\xb0[\x81\x82]|\xba[\x81\x82]|\xd7\x81|\x23\xe3\x83"
    rb"|\x56\xaa|\x53\xac|\xb3[\x81-\x84]|\x9b[\x81-\x84]|\x1f\x43\xb6\x75|\x16\x54\xae\x6b"
)
TS_PACKET_BYTES = 188


@dataclass(frozen=True)
class Mutant:
    """A damaged clip."""

    seed: int
    """What it is made from."""
    name: str
    """File name of the original."""
    deeds: tuple[str, ...]
    """What was done to it, in order."""
    content: bytes
    """All of it."""

    def __str__(self) -> str:
        """What a failing test says of it, and how to see it again."""
        return f"MUTANT={self.seed}: {self.name}, {', '.join(self.deeds)}"


def mutant(seed: int, originals: Sequence[Original]) -> Mutant:
    """Damage one of the originals one to three times."""
    chance = random.Random(seed)
    original, other = chance.choice(originals), chance.choice(originals)
    content, deeds = original.content, []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        deed = chance.choice(_deeds(original))
        content = deed(chance, content, other.content)
        deeds.append(deed.__name__)
    return Mutant(seed, original.name, tuple(deeds), content)


Deed = Callable[[random.Random, bytes, bytes], bytes]


def _deeds(original: Original) -> tuple[Deed, ...]:
    if original.is_mp4:
        return (*ANYWHERE, *IN_BOXES, lying_box, lying_box, lying_box)
    if original.name.endswith((".mkv", ".webm")):
        return (*ANYWHERE, lying_element, lying_element, lying_element)
    if original.name.endswith(".ts"):
        return (*ANYWHERE, packets_lost, packets_doubled, packets_mixed, lying_clock)
    return ANYWHERE


def truncated(chance: random.Random, content: bytes, other: bytes) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def bits_flipped(chance: random.Random, content: bytes, other: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 4, 64)) if damaged else 0):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def header_bits_flipped(chance: random.Random, content: bytes, other: bytes) -> bytes:
    return bits_flipped(chance, content[:512], other) + content[512:]


def zeroed(chance: random.Random, content: bytes, other: bytes) -> bytes:
    first, end = _region(chance, content)
    return content[:first] + bytes(end - first) + content[end:]


def filled_with_noise(chance: random.Random, content: bytes, other: bytes) -> bytes:
    first, end = _region(chance, content)
    return content[:first] + chance.randbytes(end - first) + content[end:]


def region_removed(chance: random.Random, content: bytes, other: bytes) -> bytes:
    first, end = _region(chance, content)
    return content[:first] + content[end:]


def region_doubled(chance: random.Random, content: bytes, other: bytes) -> bytes:
    first, end = _region(chance, content)
    return content[:end] + content[first:end] + content[end:]


def spliced(chance: random.Random, content: bytes, other: bytes) -> bytes:
    return content[: chance.randrange(len(content) + 1)] + other[chance.randrange(len(other)) :]


def joined_to_another(chance: random.Random, content: bytes, other: bytes) -> bytes:
    return content + other


def prefixed(chance: random.Random, content: bytes, other: bytes) -> bytes:
    return chance.choice(MAGICS) + content


def disguised(chance: random.Random, content: bytes, other: bytes) -> bytes:
    magic = chance.choice(MAGICS)
    return magic + content[len(magic) :]


def padded(chance: random.Random, content: bytes, other: bytes) -> bytes:
    return content + chance.choice((bytes(5000), bytes(100), b"\xff" * 5000, chance.randbytes(999)))


def lying_words(chance: random.Random, content: bytes, other: bytes) -> bytes:
    """Extreme numbers anywhere in the first 2 KiB or the last, where headers and indexes are."""
    for _ in range(chance.choice((1, 2, 5))):
        near = chance.randrange(max(1, min(2048, len(content) - 4)))
        place = near if chance.random() < 0.7 else max(0, len(content) - 4 - near)
        content = _with_word(content, place, chance.choice(EXTREMES))
    return content


def lying_box(chance: random.Random, content: bytes, other: bytes) -> bytes:
    """An extreme number in a box that says when, where or how much: also timescales of 0."""
    names = [match.start() for match in LYING_BOXES.finditer(content)]
    if not names:
        return lying_words(chance, content, other)
    place = chance.choice(names) + 4 * chance.choice((-1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 8))
    return _with_word(content, max(0, place), chance.choice(EXTREMES))


def lying_element(chance: random.Random, content: bytes, other: bytes) -> bytes:
    """Extreme bytes behind the id of an element that says when, where or how much."""
    ends = [match.end() for match in LYING_ELEMENTS.finditer(content)]
    if not ends:
        return lying_words(chance, content, other)
    place = chance.choice(ends) + chance.randrange(3)
    extreme = chance.choice((b"\0", b"\xff", b"\x80", b"\x7f\xff", b"\0\0\0\0", b"\x01\xff"))
    return content[:place] + extreme + content[place + len(extreme) :]


def box_removed(chance: random.Random, content: bytes, other: bytes) -> bytes:
    def change(siblings: list[Box]) -> None:
        del siblings[chance.randrange(len(siblings))]

    return _with_boxes(chance, content, change)


def box_doubled(chance: random.Random, content: bytes, other: bytes) -> bytes:
    def change(siblings: list[Box]) -> None:
        siblings.insert(chance.randrange(len(siblings) + 1), chance.choice(siblings))

    return _with_boxes(chance, content, change)


def boxes_reordered(chance: random.Random, content: bytes, other: bytes) -> bytes:
    def change(siblings: list[Box]) -> None:
        chance.shuffle(siblings)

    return _with_boxes(chance, content, change)


def box_of_another(chance: random.Random, content: bytes, other: bytes) -> bytes:
    strange = list(boxes_in(other)) or [Box(b"free", chance.randbytes(40))]

    def change(siblings: list[Box]) -> None:
        siblings.insert(chance.randrange(len(siblings) + 1), chance.choice(strange))

    return _with_boxes(chance, content, change)


def packets_lost(chance: random.Random, content: bytes, other: bytes) -> bytes:
    part = chance.choice((0.02, 0.2, 0.7))
    return b"".join(packet for packet in _packets(content) if chance.random() > part)


def packets_doubled(chance: random.Random, content: bytes, other: bytes) -> bytes:
    return b"".join(packet * chance.choice((1, 1, 1, 2)) for packet in _packets(content))


def packets_mixed(chance: random.Random, content: bytes, other: bytes) -> bytes:
    packets = _packets(content)
    for place in range(len(packets) - 1):
        if chance.random() < 0.1:
            packets[place : place + 2] = packets[place + 1], packets[place]
    return b"".join(packets)


def lying_clock(chance: random.Random, content: bytes, other: bytes) -> bytes:
    """Presentation times of some packets that jump: the five bytes behind a PES header's flags."""
    damaged = bytearray(content)
    for match in re.finditer(rb"\0\0\x01[\xc0\xe0]..\x80[\x80\xc0]", content, re.DOTALL):
        if chance.random() < 0.3:
            place = match.end() + 1
            damaged[place : place + 5] = b"!" + chance.randbytes(4)
    return bytes(damaged)


ANYWHERE: tuple[Deed, ...] = (
    truncated,
    bits_flipped,
    header_bits_flipped,
    zeroed,
    filled_with_noise,
    region_removed,
    region_doubled,
    spliced,
    joined_to_another,
    prefixed,
    disguised,
    padded,
    lying_words,
)
IN_BOXES: tuple[Deed, ...] = (box_removed, box_doubled, boxes_reordered, box_of_another)


def _region(chance: random.Random, content: bytes) -> tuple[int, int]:
    """Any part of at most a quarter of a file, often a small one."""
    longest = max(1, min(len(content) // 4, chance.choice((16, 512, 65536))))
    first = chance.randrange(len(content) + 1)
    return first, min(len(content), first + chance.randrange(longest) + 1)


def _with_word(content: bytes, place: int, value: int) -> bytes:
    return (content[:place] + value.to_bytes(4, "big") + content[place + 4 :])[: len(content)]


def _with_boxes(
    chance: random.Random, content: bytes, change: Callable[[list[Box]], None]
) -> bytes:
    """Change the children of one box, or those of the file; sizes are right again afterwards."""
    top = boxes_in(content)
    families = [top, *(box.children for parent in top for box in parent.with_all_below())]
    families = [siblings for siblings in families if siblings]
    if not families:
        return content
    change(chance.choice(families))
    return joined(top)


def _packets(content: bytes) -> list[bytes]:
    places = range(0, len(content) + TS_PACKET_BYTES, TS_PACKET_BYTES)
    return [content[first:end] for first, end in pairwise(places)]
