"""Caption files, read by the product and by FFmpeg: the same words at the same times."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path

import clips
import judges
from adaptation.workflows.captions import read_captions

SUBRIP = """1
00:00:01,040 --> 00:00:03,500
<i>Previously</i> on
<b>the show</b>

2
00:00:03,000 --> 00:00:04,250
over the first one

3
01:23:45,678 --> 01:23:46,999
late, Ça va, 日本
"""
SCENARIST = """Scenarist_SCC V1.0

00:00:01:00\t94ae 94ae 9420 9420 9470 9470 54e5 73f4 942c 942c 942f 942f

00:00:03:00\t942c 942c

00:00:04:00\t9425 9425 94ad 94ad 9470 9470 efef 7073

00:00:05:00\t9425 9425 94ad 94ad 9470 9470 ceef f780

00:00:06:00\t942c 942c
"""
"""Pop-on `Test`, then `oops` and `Now` that roll up; parity and doubled codes as on the air."""


def test_subrip_is_read_as_ffmpeg_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "film.srt"
    file.write_bytes(b"\xef\xbb\xbf" + SUBRIP.replace("\n", "\r\n").encode())
    notes = list[str]()
    cues = read_captions(file, notes.append)
    assert [(c.start_seconds, c.end_seconds, c.text) for c in cues] == judges.cues(file)
    assert notes == []


def test_scenarist_is_read_as_ffmpeg_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "film.scc"
    file.write_text(SCENARIST)
    command = [str(clips.tools().ffmpeg), "-v", "error", "-i", str(file), "-f", "srt", "-"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    blocks = [block.split("\n", 2)[2] for block in printed.strip().split("\n\n")]
    theirs = [re.sub(r"<[^>]*>|\{[^}]*\}", "", block).strip() for block in blocks]
    cues = read_captions(file, print)
    assert [cue.text for cue in cues] == theirs == ["Test", "oops", "oops\nNow"]
    # FFmpeg takes 33 ms for a frame, and all of a line for its first one.
    starts = [cue.start_seconds for cue in cues]
    frames = [30 + 10, 120 + 6, 150 + 2]
    assert starts == [Fraction(round(n * Fraction(1001, 30)), 1000) for n in frames]
