"""Decides whether a picture can be taken as it is: pure, nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adaptation.errors import SourceError
from adaptation.media.as_stored import PictureAsStored
from adaptation.media.ladder import box_side
from adaptation.media.probe import AudioTrack, VideoTrack
from adaptation.media.rendition import Rendition
from adaptation.media.source_files import Heard
from adaptation.media.timeline import SeekPoint

CODECS = ("h264", "hevc", "av1")
"""Pictures that CMAF holds and our segments are made of, by ffprobe's names."""
SOUND_CODECS = frozenset({"aac", "ac3", "eac3"})
"""The same of sound."""
MOST_EARLY_SECONDS, MOST_LATE_SECONDS = 0.1, 0.0005
"""How far sound that is copied may begin before the picture, which an edit list hides, and behind
it: what is missing would have to be filled."""


@dataclass(frozen=True)
class AsIs(PictureAsStored):
    """A picture that is to be taken as it is."""

    name: str
    """Of its file."""

    def check(self) -> None:
        """Refuse what would not come out as it is shown now.

        Raises:
            SourceError: `source_not_copied`.
        """
        if reasons := [*self._against_picture(), *self._against_storage()]:
            raise not_copied(self.name, "; ".join(reasons))

    def keys(self, entries: Sequence[SeekPoint]) -> tuple[int, ...]:
        """Numbers of the frames at which players can enter.

        Args:
            entries: key frames that need nothing that lies before them.
        """
        places = {pts: frame for frame, pts in enumerate(self.timeline.pts)}
        points = (point for point in entries if not point.has_leading)
        return tuple(sorted(places[point.pts] for point in points if point.pts in places))

    def _against_picture(self) -> Iterator[str]:
        picture = self.picture
        if picture.codec not in CODECS:
            yield f"its picture is {picture.codec}, and players take {', '.join(CODECS)}"
        if picture.interlaced or picture.telecine or picture.field_order not in ("", "progressive"):
            yield "it is interlaced"
        if not picture.square_pixels:
            yield "its pixels are not square"
        if picture.reshaped or picture.rotation:
            yield "the container turns, mirrors or crops it"

    def _against_storage(self) -> Iterator[str]:
        stored = self.stored
        if stored.discarded:
            yield f"an edit list hides {stored.discarded} of its frames"
        if stored.untimed:
            yield f"{stored.untimed} of its frames have no time of their own"
        if not stored.begins_with_key:
            yield "it does not begin with a key frame"


def not_copied(name: str, why: str) -> SourceError:
    """The error for a file that cannot be taken as it is."""
    return SourceError(
        f"{name} cannot be taken as it is: {why}",
        code="source_not_copied",
        hint="Let it be encoded: encode_source true; or put a file of H.264 or HEVC there that is"
        " shown as it is stored.",
    )


def named_renditions(pictures: Sequence[VideoTrack]) -> list[Rendition]:
    """A rendition for each picture, called by its size as those of a ladder are.

    Args:
        pictures: best first; those of other codecs than the first one's have it in their names.
    """
    found = list[Rendition]()
    taken = set[str]()
    for picture in pictures:
        suffix = "" if picture.codec == pictures[0].codec else f"_{picture.codec}"
        stem = f"{box_side(picture)}p{suffix}"
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        found.append(Rendition(name, picture.height, picture.bitrate, picture.codec))
    return found


def against_sound(heard: Heard) -> str:
    """Why a sound track cannot be copied; empty: nothing speaks against it."""
    track: AudioTrack = heard.track
    if track.codec not in SOUND_CODECS:
        return f"players do not take {track.codec}"
    early = float(heard.origin) - track.start_seconds
    if not -MOST_LATE_SECONDS <= early <= MOST_EARLY_SECONDS:
        return f"it begins {abs(early):.3f} s {'before' if early > 0 else 'after'} the picture"
    return ""
