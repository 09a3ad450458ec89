"""The files of a folder of sources: what each is for, and what is taken of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any

from adaptation.media.index import nominal_rate
from adaptation.media.ladder import WORTH
from adaptation.media.language import is_language, language_tag
from adaptation.media.probe import UNKNOWN_LANGUAGE, AudioTrack, Source, VideoTrack

PICTURE_SUFFIXES = frozenset(
    {".mp4", ".mov", ".mkv", ".mpg", ".mpeg", ".avi", ".m4v", ".ts", ".m2ts", ".webm"}
)
"""How files end that may have a picture, in small letters."""
SOUND_SUFFIXES = frozenset(
    {".m4a", ".aac", ".ac3", ".ec3", ".eac3", ".mp3", ".mp2", ".wav", ".flac", ".mka", ".ogg"}
)
"""How files of sound end."""
TEXT_SUFFIXES = frozenset({".srt", ".vtt", ".ttml", ".dfxp", ".xml", ".scc"})
"""How files of subtitles end."""
STARTED_CLOCKS = frozenset({"mov", "matroska", "avi", "wav", "asf", "flv"})
"""Containers whose clock begins where the presentation does; that of others starts anywhere."""
ALIKE = Fraction(1, 10)
"""Part by which the bit rates of two files differ that nobody can tell apart."""


@dataclass(frozen=True)
class MediaFile:
    """A file with a picture or with sound."""

    name: str
    """In its folder."""
    source: Source
    """What is in it."""
    origin: Fraction
    """Seconds of its own clock at which the presentation begins: with a picture, its first frame.
    """
    language: str = ""
    """What the client says; empty: nothing."""
    kind: str = ""
    """The same."""

    @property
    def picture(self) -> VideoTrack:
        """The video track.

        Raises:
            ValueError: there is none.
        """
        if self.source.video is None:
            raise ValueError(f"{self.name} has no picture")
        return self.source.video


@dataclass(frozen=True)
class Heard:
    """A sound track that is taken."""

    file: str
    """Name of the file it lies in."""
    track: AudioTrack
    """With the language that it has in the asset."""
    origin: Fraction
    """Seconds of its clock at which the presentation begins."""
    kind: str = ""
    """What it is for, by the client's words."""

    @property
    def end_seconds(self) -> float:
        """When it ends, from the presentation's beginning."""
        return self.track.end_seconds - float(self.origin)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return {**asdict(self), "origin": str(self.origin)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Heard:
        """Read what `to_json` wrote."""
        track, origin = AudioTrack(**document["track"]), Fraction(document["origin"])
        return cls(**{**document, "track": track, "origin": origin})


def suffix(name: str) -> str:
    """The end of a file's name in small letters, such as `.mp4`."""
    return PurePosixPath(name).suffix.lower()


def origin_of(format_name: str, start_seconds: str) -> Fraction:
    """Where the presentation of a file without a picture begins on its own clock.

    Args:
        format_name: FFmpeg's name of the container.
        start_seconds: `start_time` as ffprobe prints it.
    """
    if STARTED_CLOCKS & set(format_name.split(",")):
        return Fraction(0)
    try:
        return Fraction(start_seconds)
    except ValueError:
        return Fraction(0)


def file_language(name: str, said: str, found: str) -> str:
    """The language of a track in a file of sound or subtitles.

    Args:
        name: of the file; the part behind its last `_` counts where nothing else is known.
        said: by the client; empty: nothing.
        found: in the file's metadata.
    """
    if said:
        return said
    if language_tag(found) != UNKNOWN_LANGUAGE:
        return found
    _, sign, end = PurePosixPath(name).stem.rpartition("_")
    return end.lower() if sign and is_language(end) else UNKNOWN_LANGUAGE


def best_first(files: Iterable[MediaFile]) -> list[MediaFile]:
    """The files with a picture: the largest first, of equal ones the best."""
    return sorted((file for file in files if file.source.video), key=_quality, reverse=True)


def without_doubles(files: Sequence[MediaFile]) -> tuple[list[MediaFile], list[str]]:
    """Leave out pictures that are as large and rich as a better one.

    Args:
        files: best first.

    Returns:
        The others, and sentences for the log.
    """
    kept, notes = list[MediaFile](), list[str]()
    for file in files:
        better = next((one for one in kept if _is_double(one.picture, file.picture)), None)
        if better is None:
            kept.append(file)
        else:
            notes.append(f"{file.name} is left out: {better.name} is the same and no worse")
    return kept, notes


def sounds_of(files: Sequence[MediaFile], *, all_tracks: bool) -> list[Heard]:
    """The sound that is taken: each language once of the files with pictures, and all other files.

    Args:
        files: those with pictures best first, then those of sound.
        all_tracks: whether all are taken; else the best of each language and kind.
    """
    found, known = list[Heard](), set[str]()
    for file in files:
        tracks = [_heard(file, track) for track in file.source.audio]
        if file.source.video:
            # The same sound lies in each rendition's file.
            tracks = [one for one in tracks if language_tag(one.track.language) not in known]
            known |= {language_tag(one.track.language) for one in tracks}
        found += tracks
    if all_tracks:
        return found
    best = dict[tuple[str, str], Heard]()
    for one in found:
        key = language_tag(one.track.language), one.kind
        if key not in best or _richness(one.track) > _richness(best[key].track):
            best[key] = one
    return list(best.values())


def _heard(file: MediaFile, track: AudioTrack) -> Heard:
    if file.source.video and len(file.source.audio) > 1:
        # One word cannot be meant for all of them.
        return Heard(file.name, track, file.origin, file.kind)
    # What a picture's file is called says how large it is rather than what is spoken.
    name = "" if file.source.video else file.name
    language = file_language(name, file.language, track.language)
    return Heard(file.name, replace(track, language=language), file.origin, file.kind)


def _richness(track: AudioTrack) -> tuple[int, int]:
    return track.channels, track.sample_rate


def _quality(file: MediaFile) -> tuple[int, Fraction, float]:
    picture = file.picture
    worth = WORTH.get(picture.codec, WORTH["h264"])
    return picture.width * picture.height, picture.frame_rate, worth * picture.bitrate


def _is_double(one: VideoTrack, other: VideoTrack) -> bool:
    facts = [
        (video.codec, video.width, video.height, nominal_rate(video.frame_rate or Fraction(1)))
        for video in (one, other)
    ]
    return facts[0] == facts[1] and one.bitrate - other.bitrate <= ALIKE * one.bitrate
