"""Plans an MP4 of tracks that are copied, and judges it against them; nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from adaptation.errors import SourceError, ToolError
from adaptation.media.asset_record import listed_tracks
from adaptation.media.index import Track
from adaptation.media.language import language_tag, long_code
from adaptation.media.probe import UNKNOWN_LANGUAGE, is_cover

SOURCE_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".mpg", ".avi", ".m4v", ".ts", ".m4a"})
"""How files end that are sources, in small letters."""
CODECS = frozenset(
    {"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video"}
    | {"aac", "ac3", "eac3", "mp3", "mp2", "opus", "flac", "alac", "dts"}
)
"""What an MP4 can hold, by ffprobe's names."""
LENGTH_TOLERANCE_SECONDS = 0.05
"""By which the times of a copy may differ: the priming of sound, and rounding to other ticks."""
LONGEST_TITLE = 200


@dataclass(frozen=True)
class Extent:
    """What the packets of one track cover."""

    packets: int = 0
    """All that are stored."""
    start_seconds: float = 0.0
    """When the first one that is shown begins."""
    end_seconds: float = 0.0
    """When the last one ends."""
    untimed: int = 0
    """Packets of which the container does not say when they are shown."""

    @property
    def seconds(self) -> float:
        """From start to end."""
        return self.end_seconds - self.start_seconds


class Extents:
    """Measures the tracks of a file, packet by packet."""

    def __init__(self) -> None:
        self._packets = dict[int, int]()
        self._starts = dict[int, float]()
        self._ends = dict[int, float]()
        self._untimed = dict[int, int]()

    def read(self, line: str) -> None:
        """Take one packet: `stream_index,pts_time,duration_time,flags`."""
        words = line.split(",")
        if len(words) < 4 or not words[0].isdigit():
            return
        index, start = int(words[0]), _seconds(words[1])
        self._packets[index] = self._packets.get(index, 0) + 1
        if start is None:
            self._untimed[index] = self._untimed.get(index, 0) + 1
        # What an edit list hides is stored, and shown to nobody.
        elif "D" not in words[3]:
            end = start + (_seconds(words[2]) or 0.0)
            self._starts[index] = min(start, self._starts.get(index, start))
            self._ends[index] = max(end, self._ends.get(index, end))

    @property
    def count(self) -> int:
        """How many tracks have packets."""
        return len(self._packets)

    def of(self, index: int) -> Extent:
        """The extent of one track."""
        start, end = self._starts.get(index, 0.0), self._ends.get(index, 0.0)
        return Extent(self._packets.get(index, 0), start, end, self._untimed.get(index, 0))


@dataclass(frozen=True)
class Copied:
    """A track that is copied into the MP4."""

    path: Path
    """The file it is in."""
    index: int
    """Number of the stream in that file."""
    kind: str
    """`video` or `audio`."""
    codec: str
    """ffprobe's name."""
    pixels: int = 0
    """Width by height; 0 for sound."""
    bitrate: int = 0
    """Bits per second; 0: not told."""
    language: str = UNKNOWN_LANGUAGE
    """As the source says."""
    title: str = ""
    """Name for people."""
    extent: Extent = Extent()
    """What its packets cover."""


def asset_tracks(record: object, *, mezzanine: bool) -> list[Track]:
    """The tracks of an asset that go into its MP4: pictures, the best one first, then sound.

    Args:
        record: what its `asset.json` holds.
        mezzanine: whether all pictures do, not only the best.

    Raises:
        SourceError: `asset_damaged`.
    """
    found, _ = listed_tracks(record)
    pictures = [track for track in found if track.kind == "video"]
    # Of equal size the first one: the main codec comes first.
    pictures.sort(key=lambda track: -track.width * track.height)
    if not pictures:
        raise _no_picture()
    sounds = [track for track in found if track.kind == "audio"]
    return [*(pictures if mezzanine else pictures[:1]), *sounds]


def file_tracks(path: Path, document: Mapping[str, Any]) -> list[Copied]:
    """The first picture and all sounds of a file.

    Args:
        path: of the file.
        document: ffprobe's answer about its streams.
    """
    found = [
        _copied(path, stream)
        for stream in document.get("streams", ())
        if stream.get("codec_type") in {"video", "audio"} and not is_cover(stream)
    ]
    pictures = [track for track in found if track.kind == "video"]
    sounds = [track for track in found if track.kind == "audio"]
    if not pictures:
        return [replace(sound, language=_named_language(sound)) for sound in sounds]
    return [*pictures[:1], *sounds]


def chosen(files: Sequence[Sequence[Copied]], *, mezzanine: bool) -> list[Copied]:
    """The tracks of plain files that go into an MP4.

    Args:
        files: the tracks of each.
        mezzanine: whether all pictures do, not only the best.

    Returns:
        The best picture (others behind it), the sounds of its file, those of files without one.

    Raises:
        SourceError: `source_no_video`, `codec_not_in_container`.
    """
    pictures = [track for tracks in files for track in tracks if track.kind == "video"]
    pictures.sort(key=lambda track: (-track.pixels, -track.bitrate))
    if not pictures:
        raise _no_picture()
    sounds = [
        track
        for tracks in files
        if tracks and (tracks[0].kind == "audio" or tracks[0] == pictures[0])
        for track in tracks
        if track.kind == "audio"
    ]
    found = [*(pictures if mezzanine else pictures[:1]), *sounds]
    for track in found:
        if track.codec not in CODECS:
            raise SourceError(
                f"{track.path.name} has a track in {track.codec:.40}, which no MP4 can hold",
                code="codec_not_in_container",
                hint="Encode the source first, for example with encoding_workflow.",
            )
    return found


def check_times(tracks: Sequence[Copied]) -> None:
    """Refuse tracks whose order of showing is not stored: a copy would be shown in another one.

    Args:
        tracks: with their extents.

    Raises:
        SourceError: `source_times`.
    """
    for track in tracks:
        if track.extent.untimed:
            raise SourceError(
                f"{track.path.name} does not say when {track.extent.untimed} of the"
                f" {track.extent.packets} packets of a track are shown",
                code="source_times",
                hint="Old containers such as AVI leave that to the decoder: encode the source.",
            )


def copy_command(tracks: Sequence[Copied], output_path: Path, *, same_clock: bool) -> list[str]:
    """The words that copy tracks into one MP4.

    Args:
        tracks: in the order they get in it.
        output_path: absolute.
        same_clock: whether the times of all files count from the same moment; else each file
            begins at 0.

    Returns:
        FFmpeg's arguments without the program and its global options.
    """
    paths = list(dict.fromkeys(track.path for track in tracks))
    words = ["-copyts"] if same_clock else []
    words += [word for path in paths for word in ("-i", f"file:{path}")]
    tags = list[str]()
    for number, track in enumerate(tracks):
        words += ["-map", f"{paths.index(track.path)}:{track.index}"]
        tags += [f"-metadata:s:{number}", f"language={long_code(track.language)}"]
        if title := _plain(track.title):
            tags += [f"-metadata:s:{number}", f"title={title}"]
        # Apple's players know HEVC by this name alone.
        tags += [f"-tag:{number}", "hvc1"] if track.codec == "hevc" else []
    return [
        *words,
        *("-c", "copy", "-map_metadata", "-1", "-map_chapters", "-1"),
        *tags,
        # One picture and one sound are played unless somebody chooses another.
        *("-disposition:v", "0", "-disposition:v:0", "default"),
        *(("-disposition:a", "0", "-disposition:a:0", "default") if _has_sound(tracks) else ()),
        # The index first: a player need not fetch the end before it can begin.
        *("-movflags", "+faststart", "-f", "mp4", f"file:{output_path}"),
    ]


def check_copy(tracks: Sequence[Copied], found: Extents, *, same_clock: bool) -> None:
    """Check that an MP4 holds all packets of its tracks, at the same times.

    Args:
        tracks: what was to be copied, with its extents.
        found: those of the MP4.
        same_clock: as for `copy_command`.

    Raises:
        ToolError: `output_mismatch`.
    """
    if found.count != len(tracks):
        raise _mismatch(f"it has {found.count} tracks instead of {len(tracks)}")
    shift = found.of(0).start_seconds - tracks[0].extent.start_seconds
    for number, track in enumerate(tracks):
        copy, known, name = found.of(number), track.extent, f"track {number}"
        if copy.packets != known.packets:
            raise _mismatch(f"{name} has {copy.packets} packets instead of {known.packets}")
        _check_seconds(f"the length of {name}", known.seconds, copy.seconds)
        if same_clock or track.path == tracks[0].path:
            begins = known.start_seconds + shift
            _check_seconds(f"the start of {name}", begins, copy.start_seconds)


def _check_seconds(what: str, expected: float, found: float) -> None:
    if abs(expected - found) > LENGTH_TOLERANCE_SECONDS:
        raise _mismatch(f"{what} is {found:.3f} s instead of {expected:.3f} s")


def _copied(path: Path, stream: Mapping[str, Any]) -> Copied:
    tags: Mapping[str, Any] = stream.get("tags", {})
    rate = str(stream.get("bit_rate", ""))
    return Copied(
        path=path,
        index=int(stream["index"]),
        kind=str(stream["codec_type"]),
        codec=str(stream.get("codec_name", "unknown")),
        pixels=int(stream.get("width") or 0) * int(stream.get("height") or 0),
        bitrate=int(rate) if rate.isdigit() else 0,
        language=str(tags.get("language") or UNKNOWN_LANGUAGE).lower(),
        title=str(tags.get("title") or tags.get("name") or ""),
    )


def _named_language(sound: Copied) -> str:
    """What the sound says, else the part behind the last `_` of its file's name: `x_fre.m4a`."""
    if language_tag(sound.language) != UNKNOWN_LANGUAGE:
        return sound.language
    _, sign, ending = PurePath(sound.path).stem.rpartition("_")
    is_code = bool(sign) and language_tag(ending) != UNKNOWN_LANGUAGE
    return ending.lower() if is_code else UNKNOWN_LANGUAGE


def _plain(title: str) -> str:
    """A title as a word of a command: one line, no controls, not endless."""
    return "".join(letter for letter in title if letter.isprintable())[:LONGEST_TITLE].strip()


def _has_sound(tracks: Sequence[Copied]) -> bool:
    return any(track.kind == "audio" for track in tracks)


def _seconds(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _no_picture() -> SourceError:
    return SourceError(
        "the folder has no picture to copy",
        code="source_no_video",
        hint="Give a folder with an asset, or with a video file.",
    )


def _mismatch(what: str) -> ToolError:
    return ToolError(
        f"the MP4 differs from what was copied: {what}",
        code="output_mismatch",
        hint="The source may be damaged where it differs; if it plays well, report this.",
    )
