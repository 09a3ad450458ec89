"""Takes an MP4 apart into its boxes and puts it together again (ISO/IEC 14496-12 §4.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

PARENTS = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"mvex", b"moof"}
    | {b"traf", b"mfra"}
)
"""Boxes that hold nothing but boxes."""


@dataclass
class Box:
    """A box with a header of 8 bytes."""

    kind: bytes
    """Four letters."""
    body: bytes
    """What is in it, unless that is boxes."""
    children: list[Box] = field(default_factory=list)
    """The boxes in it."""

    def with_all_below(self) -> Iterator[Box]:
        """This one and all in it."""
        yield self
        for child in self.children:
            yield from child.with_all_below()

    def written(self) -> bytes:
        """Header and content."""
        content = joined(self.children) if self.children else self.body
        return (len(content) + 8).to_bytes(4, "big") + self.kind + content


def boxes_in(content: bytes) -> list[Box]:
    """The boxes of a file or of a box's content; what is no box ends the list."""
    found, place = list[Box](), 0
    while place + 8 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        kind, body = content[place + 4 : place + 8], content[place + 8 : place + max(size, 8)]
        if size < 8 or place + size > len(content):
            break
        found.append(Box(kind, body, boxes_in(body) if kind in PARENTS else []))
        place += size
    return found


def joined(boxes: Sequence[Box]) -> bytes:
    """Boxes behind each other."""
    return b"".join(box.written() for box in boxes)
