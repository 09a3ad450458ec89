"""A source that is a playlist: how it is recognised, and the plan to fetch its pieces by."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Literal, TypeVar
from urllib.parse import urljoin, urlsplit

from adaptation.errors import SourceError
from adaptation.media.probe import UNKNOWN_LANGUAGE

HEAD_BYTES = 4096
"""How much of a source is looked at to tell what it is."""
MAX_PLAYLIST_BYTES = 32 * 1024 * 1024
"""The largest playlist that is read: 20,000 addresses with long signatures."""
MAX_PIECES = 20_000
"""The most init and media segments that a source may have, over all its tracks: a film of 11 hours
in segments of 2 s."""
MAX_TRACKS = 16
"""The most tracks that are taken: a picture, and sound in many languages."""
IV_BYTES = 16
"""Length of an initialisation vector of AES, and of its key."""

_BOM = b"\xef\xbb\xbf"
_MPD = re.compile(rb"(?:\s|<\?[^>]*\?>|<!--.*?-->)*<(?:[\w.-]+:)?MPD[\s>]", re.DOTALL)

T = TypeVar("T")


@dataclass(frozen=True)
class Preference:
    """What of a playlist is taken where there is a choice."""

    bitrate: int | None = None
    """Bits per second: of the pictures the one with most of them that has no more; where all have
    more, the one with the fewest. None: the best."""
    width: int | None = None
    """Pixels, instead of a bit rate: of the pictures that are at least so wide the one with the
    fewest bits; the best where none is, or the playlist does not say. None: it does not matter."""
    with_sound: bool = True
    """Whether sound is taken, too."""

    def pick(
        self, streams: Sequence[T], bandwidth: Callable[[T], int], width: Callable[[T], int]
    ) -> T:
        """The stream that is meant.

        Args:
            streams: at least one.
            bandwidth: tells bits per second.
            width: tells pixels; 0 when unknown.
        """
        wide = [one for one in streams if self.width is not None and width(one) >= self.width]
        if wide:
            return min(wide, key=bandwidth)
        most = self.bitrate
        if most is None:
            return max(streams, key=bandwidth)
        fitting = [stream for stream in streams if bandwidth(stream) <= most]
        return max(fitting, key=bandwidth) if fitting else min(streams, key=bandwidth)


BEST = Preference()
"""The best picture, and all sound."""


@dataclass(frozen=True)
class Key:
    """What a piece is encrypted with: AES-128-CBC over all of it, RFC 8216 §4.3.2.4."""

    address: str
    """Where its 16 bytes lie."""
    iv: bytes
    """The initialisation vector, 16 bytes."""


@dataclass(frozen=True)
class Piece:
    """An init or media segment: a file, or a part of one."""

    address: str
    """Absolute: `http`, `https`, or `file` below the folder of a local playlist."""
    first_byte: int = 0
    """Where it begins in the file."""
    size_bytes: int | None = None
    """How long it is; None: to the end of the file."""
    key: Key | None = None
    """What it is encrypted with."""
    is_init: bool = False
    """Whether it is an init segment; where the playlist has keys, it may be encrypted or not."""
    may_be_absent: bool = False
    """Whether there may be no such file: nothing of the track is missing then."""


@dataclass(frozen=True)
class TrackPlan:
    """Pieces that make one file when they are put behind each other."""

    kind: Literal["all", "video", "audio"]
    """What is taken from that file: one picture and all sound, the picture alone, one sound."""
    pieces: tuple[Piece, ...]
    """In their order; the init segment is the first one, if there is one."""
    language: str = UNKNOWN_LANGUAGE
    """Of sound, as found."""
    shift_seconds: Fraction = Fraction(0)
    """What is added to the times in the file to put it on the clock of all tracks."""
    least_seconds: float = 0.0
    """How long it is by what the playlist says, at least."""
    programme_start: datetime | None = None
    """When its first segment was on air; None: the playlist does not say."""


@dataclass(frozen=True)
class GatherPlan:
    """All that must be fetched for a source."""

    tracks: tuple[TrackPlan, ...]
    """The picture first, then the sound that is heard by default."""

    @property
    def least_seconds(self) -> float:
        """How long the film is by what the playlist says, at least."""
        return max(track.least_seconds for track in self.tracks)


def playlist_kind(head: bytes) -> Literal["hls", "dash"] | None:
    """What kind of playlist begins so; none: it is none, whatever its name is.

    Args:
        head: the first `HEAD_BYTES` of a file.
    """
    text = head.removeprefix(_BOM)
    if re.match(rb"#EXTM3U(?:\s|$)", text):
        return "hls"
    return "dash" if _MPD.match(text) else None


def checked(tracks: Sequence[TrackPlan]) -> GatherPlan:
    """A plan over these tracks.

    Raises:
        SourceError: `source_playlist_unsupported`, it has too many pieces or tracks.
    """
    if sum(len(track.pieces) for track in tracks) > MAX_PIECES:
        raise unsupported(f"it has more than {MAX_PIECES:,} segments")
    return GatherPlan(tuple(tracks[:MAX_TRACKS]))


def resolved(base: str, reference: str) -> str:
    """The address that a playlist means by a reference, RFC 3986 §5.

    Args:
        base: address of the playlist itself: `http`, `https` or `file`.
        reference: as written in it.

    Raises:
        SourceError: `source_child_forbidden`, it leads from the web to anything else than the web,
            or from a file to anything else than files; `source_playlist_invalid`.
    """
    try:
        address = urljoin(base, reference.strip())
        parts, scheme = urlsplit(address), urlsplit(base).scheme
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError as error:
        raise invalid(f"an address in it cannot be read: {error}") from error
    is_file = parts.scheme == "file" and parts.netloc in ("", "localhost")
    if is_file if scheme == "file" else is_web:
        return address
    raise forbidden(f"it names something at {parts.scheme or 'no scheme'}:{parts.netloc:.60}")


def forbidden(what: str) -> SourceError:
    """The error for a playlist that names what it has no business with."""
    return SourceError(
        f"the playlist may not be followed: {what}",
        code="source_child_forbidden",
        hint="A playlist on the web may name http and https addresses only, a local one files in"
        " its own folder and below.",
    )


def invalid(what: str) -> SourceError:
    """The error for a playlist that is not what its format says."""
    return SourceError(
        f"the playlist cannot be read: {what}",
        code="source_playlist_invalid",
        hint="Check it with a validator, or give the video as one file.",
    )


def unsupported(what: str) -> SourceError:
    """The error for a playlist that says something that cannot be followed."""
    return SourceError(
        f"the playlist cannot be taken as a source: {what}",
        code="source_playlist_unsupported",
        hint="Give the video as one file, or a plain playlist on demand.",
    )


def encrypted(what: str) -> SourceError:
    """The error for what only a licence opens."""
    return SourceError(
        f"the source is encrypted: {what}",
        code="source_encrypted",
        hint="Give it without DRM; of encryptions only AES-128 of HLS is opened.",
    )


def live(what: str) -> SourceError:
    """The error for a source that has no end yet."""
    return SourceError(
        f"the source is live: {what}",
        code="source_is_live",
        hint="Wait until it has ended, and give the playlist of the recording.",
    )
