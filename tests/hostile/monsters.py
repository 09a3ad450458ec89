"""Films that are strange in what they say, not damaged: each with the verdict it must get."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import clips

SMALL = clips.picture("160x90", seconds=0.8)
BEEP = clips.beep(seconds=0.8)
TINY = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 10"
HUGE = "-f lavfi -i color=s={} -frames:v 1"
HOURS = 29
"""Length of a hole that no film has."""


@dataclass(frozen=True)
class Monster:
    """A strange film and what must become of it."""

    make: Callable[[Path], Path]
    """Makes it in a folder."""
    code: str = "fine"
    """Of the error that it ends with."""
    frames: int = 0
    """How many must be shown when all is well."""
    is_encoded: bool = True
    """Whether all of it is encoded, too; else it is only planned, for encoding takes long."""


def _made(command: str) -> Callable[[Path], Path]:
    return lambda folder: clips.ffmpeg(folder, command)


def _joined(name: str, *commands: str) -> Callable[[Path], Path]:
    """The files of some commands behind each other, as a restarted recorder leaves them."""

    def make(folder: Path) -> Path:
        parts = [clips.ffmpeg(folder, command) for command in commands]
        path = folder / name
        path.write_bytes(b"".join(part.read_bytes() for part in parts))
        return path

    return make


def _renamed(make: Callable[[Path], Path], name: str) -> Callable[[Path], Path]:
    return lambda folder: make(folder).rename(folder / name)


def _with_words(
    make: Callable[[Path], Path], *changes: tuple[bytes, int, int]
) -> Callable[[Path], Path]:
    """A film in whose first box of a kind the 32-bit word at an offset is another."""

    def lie(folder: Path) -> Path:
        path = make(folder)
        content = bytearray(path.read_bytes())
        for kind, offset, value in changes:
            place = content.index(kind) + 4 + offset
            content[place : place + 4] = value.to_bytes(4, "big")
        path.write_bytes(content)
        return path

    return lie


def make_encrypted(folder: Path) -> Path:
    """The picture of a film in `cenc`, as Shaka Packager makes it, with the key thrown away."""
    plain = clips.ffmpeg(folder, f"{SMALL} {TINY} -an plain.mp4")
    keys = "label=:key_id=00112233445566778899aabbccddeeff:key=ffeeddccbbaa99887766554433221100"
    command = [
        str(clips.tools().packager),
        f"in={plain},stream=video,output={folder / 'encrypted.mp4'}",
        "--enable_raw_key_encryption",
        "--keys",
        keys,
        "--clear_lead",
        "0",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder / "encrypted.mp4"


def make_gap(folder: Path) -> Path:
    """Two frames 29 hours apart: the second duration of `stts` is that long."""
    rate = "-f lavfi -i testsrc2=s=64x64:r=1:d=2"
    path = clips.ffmpeg(folder, f"{rate} {TINY} -bf 0 -video_track_timescale 1 -an gap.mp4")
    content = bytearray(path.read_bytes())
    place = content.index(b"stts") + 4
    assert int.from_bytes(content[place + 4 : place + 8], "big") == 1
    content[place + 12 : place + 16] = (HOURS * 3600).to_bytes(4, "big")
    for kind, offset in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16), (b"elst", 8)):
        _stretch(content, kind, offset)
    path.write_bytes(content)
    return path


def _stretch(content: bytearray, kind: bytes, offset: int) -> None:
    """Multiply a duration by the length of the gap, as far as 32 bits reach."""
    place = content.index(kind) + 4 + offset
    duration = int.from_bytes(content[place : place + 4], "big") * HOURS * 3600
    content[place : place + 4] = min(duration, 0xFFFFFFFF).to_bytes(4, "big")


def make_many(folder: Path) -> Path:
    """A hundred thousand packets of a few bytes: a short film looped, by `-stream_loop`."""
    grey = "-f lavfi -i color=s=16x16:r=1000:d=1"
    short = clips.ffmpeg(folder, f"{grey} -c:v mpeg4 -threads 1 -an short.mkv")
    return clips.ffmpeg(folder, f"-stream_loop 99 -i {short.name} -c copy many.mkv")


UNSHIFTED = "-muxdelay 0 -muxpreload 0"
"""A transport stream keeps the times it is given."""
RIGHT = _made(f"{SMALL} {TINY} -an right.mkv")
HUGE_PNG = _made(f"{HUGE.format('9000x9000')} -pix_fmt gray big.png")
HUGE_H264 = _made(f"{HUGE.format('8192x4336')} {TINY} big.mp4")
NEGATIVE = f"-output_ts_offset -0.5 {UNSHIFTED} -avoid_negative_ts disabled"
DEEP = "-c:v libx264 -preset ultrafast -pix_fmt yuv444p10le"
PIXEL = "-f lavfi -i testsrc2=s=16x16:r=25:d=0.2 -vf format=bgr0,crop=1:1 -c:v ffv1"
LARGER = clips.picture("320x240", seconds=0.4)
AGAIN = clips.picture("160x90", seconds=0.4)
FAST = clips.picture("160x90", rate="1000", seconds=0.2)
SINGLE = clips.picture("160x90", seconds=0.04)
TRACKS = f"{SMALL} {BEEP} -map 0 {'-map 1 ' * 31}{TINY} -c:a mp2 -b:a 32k"
WIDE = _with_words(
    _made(f"{SMALL} -vf setsar=2 {TINY} -an wide.mp4"), (b"pasp", 0, 255), (b"pasp", 4, 1)
)
RESIZED = (
    f"{SMALL} {TINY} {UNSHIFTED} -an first.ts",
    f"{LARGER} {TINY} -output_ts_offset 0.8 {UNSHIFTED} -an second.ts",
)
JUMPING = (
    f"{SMALL} {BEEP} {TINY} -c:a mp2 first.ts",
    f"{SMALL} {BEEP} {TINY} -c:a mp2 -output_ts_offset 36000 second.ts",
)
RESTARTED = (f"{SMALL} {TINY} -an first.ts", f"{AGAIN} {TINY} -an second.ts")
WRAPPING = f"{SMALL} {BEEP} {TINY} -c:a mp2 -output_ts_offset 95443.4 {UNSHIFTED}"
LATE = f"{SMALL} -itsoffset 90000 {BEEP} {TINY} -c:a libopus"
TOO_LARGE = "source_picture_too_large"

MONSTERS: dict[str, Monster] = {
    "a gap of 29 hours": Monster(make_gap, "source_gap"),
    "sound that comes a day later": Monster(_made(f"{LATE} late.mkv"), "source_gap"),
    "encrypted": Monster(make_encrypted, "source_encrypted"),
    "times below zero": Monster(
        _made(f"{SMALL} {BEEP} {TINY} -bf 2 -c:a mp2 {NEGATIVE} negative.ts"), frames=20
    ),
    "a clock that wraps": Monster(_made(f"{WRAPPING} wrap.ts"), frames=20),
    "a size that changes": Monster(_joined("sizes.ts", *RESIZED), frames=30),
    "a clock that jumps ten hours": Monster(_joined("jump.ts", *JUMPING), "source_gap"),
    "a clock that starts again": Monster(_joined("again.ts", *RESTARTED), "source_times"),
    "a thousand frames a second": Monster(_made(f"{FAST} {TINY} -an fast.mp4"), frames=200),
    "one frame": Monster(_made(f"{SINGLE} {TINY} -an one.mp4"), frames=1),
    "one pixel": Monster(_made(f"{PIXEL} -an one.mkv"), frames=5),
    "thirty-two tracks": Monster(_made(f"{TRACKS} tracks.mkv"), frames=20, is_encoded=False),
    "ten bits in 4:4:4": Monster(_made(f"{SMALL} {DEEP} -an deep.mp4"), frames=20),
    "a wrong extension": Monster(_renamed(RIGHT, "wrong.mp4"), frames=20),
    "a huge PNG": Monster(_renamed(HUGE_PNG, "big.mp4"), "source_format_refused"),
    "35 million pixels": Monster(HUGE_H264, TOO_LARGE),
    "pixels 255 times as wide as high": Monster(WIDE, TOO_LARGE),
    "a hundred thousand packets": Monster(make_many, frames=100_000, is_encoded=False),
}
"""By what is strange about them."""
