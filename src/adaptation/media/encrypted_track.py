"""The record of one track of an encrypted copy, and how it follows from the clear track."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adaptation.media.index import Segment, Track
from adaptation.media.one_file import in_one_file
from adaptation.media.protection import Protection

Digests = Sequence[tuple[int, str]]
"""Size in bytes and SHA-256 of segments."""


@dataclass(frozen=True)
class EncryptedTrack:
    """One track of a copy."""

    protection: Protection
    track: Track
    """Its files, with the times of the clear track."""

    def to_json(self) -> dict[str, Any]:
        """What the clear track does not say already."""
        init = (self.track.init_size_bytes, self.track.init_sha256)
        files = [list(facts) for facts in (init, *self.digests)]
        return {**self.protection.to_json(), "files": files}

    @classmethod
    def from_json(cls, clear: Track, document: Mapping[str, Any]) -> EncryptedTrack:
        """Read what `to_json` wrote.

        Args:
            clear: the track it was made of.
            document: plain JSON.
        """
        init, *segments = [(size, digest) for size, digest in document["files"]]
        return encrypted_track(clear, Protection.from_json(document), init, segments)

    def retold(self, clear: Track) -> EncryptedTrack:
        """The same files of a clear track with other properties."""
        init = (self.track.init_size_bytes, self.track.init_sha256)
        return encrypted_track(clear, self.protection, init, self.digests)

    @property
    def digests(self) -> Digests:
        """Of its media segments."""
        return [(segment.size_bytes, segment.sha256) for segment in self.track.segments]


def encrypted_track(
    clear: Track, protection: Protection, init: tuple[int, str], segments: Digests
) -> EncryptedTrack:
    """A track of a copy.

    Args:
        clear: the track it was made of.
        protection: how it is encrypted.
        init: size in bytes and SHA-256 of its init segment.
        segments: of all media segments. They lie in one file if they do so in the clear.
    """
    init_size_bytes, init_sha256 = init
    track = replace(
        clear,
        folder=f"{protection.scheme}/{clear.name}",
        init_size_bytes=init_size_bytes,
        init_sha256=init_sha256,
        segments=tuple(
            _resized(segment, *facts)
            for segment, facts in zip(clear.segments, segments, strict=True)
        ),
    )
    return EncryptedTrack(protection, in_one_file(track) if clear.is_one_file else track)


def _resized(segment: Segment, size_bytes: int, sha256: str) -> Segment:
    return replace(segment, size_bytes=size_bytes, sha256=sha256)
