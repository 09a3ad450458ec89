"""Plans the command that puts gathered tracks into one file: argument lists, nothing is run."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from adaptation.media.container import EBML_ID
from adaptation.media.language import long_code
from adaptation.media.playlist_source import TrackPlan

_APPLE_CLOCK = b"com.apple.streaming.transportStreamTimestamp\0"
_MPEG_CLOCK = 90_000


def join_command(
    tracks: Sequence[TrackPlan], heads: Sequence[bytes], paths: Sequence[Path], output_path: Path
) -> list[str]:
    """Copy the pictures and sounds of gathered files into one, each at its time.

    Args:
        tracks: what each file is; the first one has the picture.
        heads: the first `HEAD_BYTES` of each file.
        paths: absolute, of the files.
        output_path: absolute.

    Returns:
        FFmpeg's arguments without the program and its global options.
    """
    words, maps = ["-copyts"], ["-map", "0:v:0"]
    for number, (track, head, path) in enumerate(zip(tracks, heads, paths, strict=True)):
        shift = track.shift_seconds + packed_sound_start(head)
        words += ["-itsoffset", f"{float(shift):.6f}"] if shift else []
        words += ["-i", f"file:{path}"]
        if track.kind == "audio":
            maps += ["-map", f"{number}:a:0"]
            maps += [f"-metadata:s:{number}", f"language={long_code(track.language)}"]
    # Behind the others, whose numbers would depend on how much there is of it.
    maps += ["-map", "0:a?"] if tracks[0].kind == "all" else []
    is_webm = any(head.startswith(EBML_ID) for head in heads)
    # Times of Matroska are whole milliseconds: only what cannot be in MP4 goes there.
    return [
        *words,
        *maps,
        *("-c", "copy", "-map_metadata", "-1"),
        *("-f", "matroska" if is_webm else "mp4", f"file:{output_path}"),
    ]


def packed_sound_start(head: bytes) -> Fraction:
    """When packed sound begins, in seconds: its ID3 tag says so, RFC 8216 §3.4; else 0."""
    if not head.startswith(b"ID3"):
        return Fraction(0)
    place = head.find(_APPLE_CLOCK)
    ticks = head[place + len(_APPLE_CLOCK) :][:8] if place >= 0 else b""
    return Fraction(int.from_bytes(ticks, "big") % (1 << 33), _MPEG_CLOCK)
