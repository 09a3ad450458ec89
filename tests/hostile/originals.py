"""Tiny real clips of every container that is read, to be damaged: 160x90, under a second."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import clips

EXACT = "-fflags +bitexact -flags:v +bitexact -flags:a +bitexact -map_metadata -1"
"""The same bytes each time: no random ids, no dates, no versions."""
H264 = "-c:v libx264 -preset ultrafast -bf 2 -g 5 -pix_fmt yuv420p"
INPUTS = f"{clips.picture('160x90', seconds=0.8)} {clips.beep(seconds=0.8)}"
FEW = f"{clips.picture('160x90', seconds=0.24)} {clips.beep(seconds=0.24)}"


@dataclass(frozen=True)
class Original:
    """A whole clip."""

    name: str
    """File name; its end names the container."""
    content: bytes
    """All of it."""

    @property
    def is_mp4(self) -> bool:
        """Whether it is made of boxes (ISO/IEC 14496-12)."""
        return self.name.endswith((".mp4", ".mov"))


COMMANDS = (
    f"{INPUTS} {H264} -c:a aac {EXACT} late_index.mp4",
    f"{INPUTS} {H264} -c:a aac -movflags +faststart {EXACT} faststart.mp4",
    f"{INPUTS} {H264} -c:a aac -movflags +frag_keyframe+empty_moov {EXACT} fragmented.mp4",
    f"{INPUTS} {H264} -c:a libopus {EXACT} matroska.mkv",
    f"{INPUTS} {H264} -c:a mp2 {EXACT} transport.ts",
    f"{INPUTS} -c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus {EXACT} webm.webm",
    f"{INPUTS} -c:v mpeg4 -bf 2 -c:a mp3 {EXACT} old.avi",
    f"{INPUTS} -c:v mpeg2video -c:a mp2 {EXACT} program.mpg",
    f"{INPUTS} {H264} -c:a aac {EXACT} flash.flv",
    f"{FEW} -c:v prores_ks -profile:v 0 -c:a pcm_s16le {EXACT} prores.mov",
    f"{INPUTS} -c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1"
    f" -c:a aac {EXACT} hevc.mp4",
)
"""One command of FFmpeg for each; the last word is the file."""


def make_originals(folder: Path) -> tuple[Original, ...]:
    """Make all clips in a folder, and one with subtitles and chapters; always the same bytes."""
    made = [clips.ffmpeg(folder, command) for command in COMMANDS]
    cue = clips.write_srt(folder, "cue.srt", (0.1, 0.5, "Hello"))
    texts = f"{INPUTS} -i {cue} -map 0 -map 1 -map 2 {H264} -c:a aac -c:s mov_text {EXACT}"
    made.append(clips.ffmpeg(folder, f"{texts} subtitled.mp4"))
    return tuple(Original(path.name, path.read_bytes()) for path in made)
