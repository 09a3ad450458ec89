"""A picture as a file has it: all that decides whether it can be taken without encoding it."""

from __future__ import annotations

from dataclasses import dataclass

from adaptation.media.probe import Source, VideoTrack
from adaptation.media.stored import StoredPicture
from adaptation.media.timeline import SeekPoint, Timeline


@dataclass(frozen=True)
class PictureAsStored:
    """What is known of the picture of a source."""

    source: Source
    """It has a picture."""
    timeline: Timeline
    """When each frame is shown."""
    seek_points: tuple[SeekPoint, ...]
    """Its key frames."""
    stored: StoredPicture
    """Its packets."""

    @property
    def picture(self) -> VideoTrack:
        """The video track.

        Raises:
            ValueError: there is none.
        """
        if self.source.video is None:
            raise ValueError("only a picture can be taken as it is stored")
        return self.source.video
