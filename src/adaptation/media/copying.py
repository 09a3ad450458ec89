"""Plans the FFmpeg commands around a picture that is copied: argument lists, nothing is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from adaptation.media.encode import TIMESCALE, decimal, input_options, output_options
from adaptation.media.language import known_code
from adaptation.media.probe import AudioTrack, VideoTrack


@dataclass(frozen=True)
class Units:
    """Types of units of a codec, as the filter `filter_units` wants them."""

    entries: str
    """Pictures with which decoding can start."""
    sequence_sets: str
    """Parameters of all pictures; an encoder may change them where nobody expects it."""
    picture_sets: str
    """The same of single pictures."""
    unpacked: str
    """Filter that puts the parameters of the header before each of those pictures."""


UNITS: Mapping[str, Units] = {
    # ITU-T H.264 table 7-1.
    "h264": Units("5", "7|13|15", "8", "h264_mp4toannexb"),
    # ITU-T H.265 table 7-1.
    "hevc": Units("16-21", "32|33", "34", "hevc_mp4toannexb"),
}
"""Codecs whose units are looked at, by ffprobe's names."""
FIRST_FRAMES, FIRST_KEYS = 12, 4
"""How many frames, and key frames, are decoded before a picture is taken over: enough to see that
it decodes at all. What was copied is proven as what was encoded."""


def look_command(video: VideoTrack, input_path: Path) -> list[str]:
    """Print which packets hold entries and parameter sets, for `UnitReader`, and decode some.

    Args:
        video: of a codec of `UNITS`.
        input_path: absolute path of the source.

    Returns:
        FFmpeg's arguments without the program and its global options.
    """
    again = ["-threads", "1", "-i", f"file:{input_path}"]
    # Sets that lie only in the header count for each IDR picture: so they are put before it.
    units = UNITS[video.codec]
    annex_b = f"{units.unpacked},filter_units=pass_types="
    return [
        *input_options(input_path),
        *again,
        *("-skip_frame", "nokey", *again),
        *(word for _ in range(3) for word in ("-map", f"0:{video.index}")),
        *("-c", "copy", "-bsf:0", f"filter_units=pass_types={units.entries}"),
        *("-bsf:1", f"{annex_b}{units.sequence_sets}", "-bsf:2", f"{annex_b}{units.picture_sets}"),
        *("-f", "framemd5", "-"),
        *("-map", f"1:{video.index}", "-frames:v", str(FIRST_FRAMES), "-f", "null", "-"),
        # Key frames of open GOPs come out of their order when all others are skipped.
        *("-map", f"2:{video.index}", "-frames:v", str(FIRST_KEYS), "-vf", "setpts=N"),
        *("-fps_mode", "passthrough", "-f", "null", "-"),
    ]


def copy_command(video: VideoTrack, input_path: Path, output_path: Path) -> list[str]:
    """Copy the picture into a fragmented MP4 that begins at zero.

    Args:
        video: a picture that nothing speaks against copying of.
        input_path: absolute path of the source.
        output_path: absolute, an `.mp4`.

    Returns:
        FFmpeg's arguments without the program and its global options.
    """
    return [
        *input_options(input_path),
        *("-map", f"0:{video.index}", "-c:v", "copy"),
        # `hvc1` keeps parameter sets in the init segment, which Apple's players ask for.
        *(("-tag:v", "hvc1") if video.codec == "hevc" else ()),
        # The first frame, which is the first one shown, appears at zero; all move alike.
        *("-bsf:v", "setts=pts=PTS-STARTPTS:dts=DTS-STARTPTS"),
        *("-video_track_timescale", str(TIMESCALE)),
        # Each fragment can be read as soon as it is whole.
        *("-flush_packets", "1"),
        *output_options(output_path),
    ]


def copy_sound_command(
    track: AudioTrack, origin: Fraction, input_path: Path, output_path: Path
) -> list[str]:
    """Copy a sound track into a fragmented MP4 on the clock of the picture.

    Args:
        track: a sound track that an MP4 holds.
        origin: seconds of its own clock at which the picture begins.
        input_path: absolute path of the source.
        output_path: absolute, an `.mp4`.

    Returns:
        FFmpeg's arguments without the program and its global options.
    """
    # Packets before zero prime the decoder; an edit list hides them.
    shift = f"-({decimal(origin)})/TB"
    # What AAC of a transport stream has before each packet, an MP4 has in its header.
    bare = "aac_adtstoasc," if track.codec == "aac" else ""
    return [
        *input_options(input_path),
        *("-map", f"0:{track.index}", "-c:a", "copy"),
        *("-bsf:a", f"{bare}setts=pts=PTS{shift}:dts=DTS{shift}"),
        *("-metadata:s:a:0", f"language={known_code(track.language)}"),
        # Fragments of a second, or the muxer would hold all of the sound until its end.
        *("-frag_duration", "1000000"),
        *output_options(output_path, fragments=""),
    ]
