"""How a container stores a picture: what matters when it is to be copied, not encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class StoredPicture:
    """The packets of a picture in the order they are stored; times in ticks of its stream."""

    packets: int
    """All there are."""
    discarded: int
    """Those that an edit list hides, though others may need them."""
    untimed: int
    """Those without a time of their own: none is given, or that of another one."""
    begins_with_key: bool
    """Whether decoding can start with the first one."""
    reorder_ticks: int
    """By how much the turn of a frame comes too late at most: its turn is the time of the frame
    that has the same place in the order of showing."""
    gop_bytes: tuple[int, ...]
    """Size of each key frame that is shown, with the packets up to the next one."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return {**asdict(self), "gop_bytes": list(self.gop_bytes)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> StoredPicture:
        """Read what `to_json` wrote."""
        return cls(**{**document, "gop_bytes": tuple(document["gop_bytes"])})


class StoredReader:
    """Puts a `StoredPicture` together, packet by packet."""

    def __init__(self) -> None:
        self.size_bytes = 0
        """Of all packets so far."""
        self._packets = 0
        self._discarded = 0
        self._begins_with_key = False
        self._pts: list[int] = []
        self._gop_bytes: list[int] = []

    def read(self, pts: int | None, size_bytes: int, flags: str) -> None:
        """Take the next packet.

        Args:
            pts: ticks; none when the container does not say.
            size_bytes: of the packet.
            flags: ffprobe's: `K` key frame, `D` to be discarded.
        """
        if not self._packets:
            self._begins_with_key = "K" in flags
        self._packets += 1
        self._discarded += "D" in flags
        self.size_bytes += size_bytes
        if pts is not None:
            self._pts.append(pts)
        if "K" in flags and "D" not in flags:
            self._gop_bytes.append(0)
        if self._gop_bytes:
            self._gop_bytes[-1] += size_bytes

    def result(self) -> StoredPicture:
        """What was read so far."""
        turns = zip(sorted(self._pts), self._pts, strict=True)
        return StoredPicture(
            packets=self._packets,
            discarded=self._discarded,
            untimed=self._packets - len(set(self._pts)),
            begins_with_key=self._begins_with_key,
            reorder_ticks=max((turn - shown for turn, shown in turns), default=0),
            gop_bytes=tuple(self._gop_bytes),
        )
