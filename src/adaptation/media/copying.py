"""Plans the FFmpeg commands around a picture that is copied: argument lists, nothing is run."""

from __future__ import annotations

from pathlib import Path

from adaptation.media.encode import TIMESCALE, input_options, output_options
from adaptation.media.probe import VideoTrack

IDR, SEQUENCE_SETS, PICTURE_SETS = "5", "7|13|15", "8"
"""Types of units, ITU-T H.264 table 7-1: what an encoder may change where nobody expects it."""
FIRST_FRAMES, FIRST_KEYS = 12, 4
"""How many frames, and key frames, are decoded before a picture is taken over: enough to see that
it decodes at all. What was copied is proven as what was encoded."""


def look_command(video: VideoTrack, input_path: Path) -> list[str]:
    """Print which packets hold IDR pictures and parameter sets, for `UnitReader`, and decode some.

    Args:
        video: H.264 in MP4 or Matroska.
        input_path: absolute path of the source.

    Returns:
        FFmpeg's arguments without the program and its global options.
    """
    again = ["-threads", "1", "-i", f"file:{input_path}"]
    # Sets that lie only in the header count for each IDR picture: so they are put before it.
    annex_b = "h264_mp4toannexb,filter_units=pass_types="
    return [
        *input_options(input_path),
        *again,
        *("-skip_frame", "nokey", *again),
        *(word for _ in range(3) for word in ("-map", f"0:{video.index}")),
        *("-c", "copy", "-bsf:0", f"filter_units=pass_types={IDR}"),
        *("-bsf:1", f"{annex_b}{SEQUENCE_SETS}", "-bsf:2", f"{annex_b}{PICTURE_SETS}"),
        *("-f", "framemd5", "-"),
        *("-map", f"1:{video.index}", "-frames:v", str(FIRST_FRAMES), "-f", "null", "-"),
        *("-map", f"2:{video.index}", "-frames:v", str(FIRST_KEYS)),
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
        # The first frame, which is the first one shown, appears at zero; all move alike.
        *("-bsf:v", "setts=pts=PTS-STARTPTS:dts=DTS-STARTPTS"),
        *("-video_track_timescale", str(TIMESCALE)),
        # Each fragment can be read as soon as it is whole.
        *("-flush_packets", "1"),
        *output_options(output_path),
    ]
