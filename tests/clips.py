"""Makes the small clips that the tests encode: each function says the FFmpeg command it runs.

All clips are a second or two long and small. Each function makes one file in the folder it is
given and returns its path; a test's fixture decides how long the folder lives.
"""

from __future__ import annotations

import shlex
import struct
import subprocess
from functools import cache
from pathlib import Path

from adaptation.adapters.tools import Tools, find_tools
from adaptation.settings import Settings

PICTURE = "testsrc2=s={size}:r={rate}:d={seconds}"
BEEP = "sine=f={pitch}:b=4:r=48000:d={seconds}"
X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"


@cache
def tools() -> Tools:
    """The tools the tests use: those of the settings in force."""
    return find_tools(Settings())


def ffmpeg(folder: Path, command: str) -> Path:
    """Run FFmpeg in `folder`; the last word of the command is the file it makes."""
    folder.mkdir(parents=True, exist_ok=True)
    words = shlex.split(command)
    start = [str(tools().ffmpeg), "-nostdin", "-v", "error", "-y"]
    subprocess.run([*start, *words], cwd=folder, check=True, timeout=120)
    return folder / words[-1]


def picture(size: str = "320x180", rate: str = "25", seconds: float = 1.2) -> str:
    """An input of FFmpeg: a moving test picture with a running number."""
    return f"-f lavfi -i {PICTURE.format(size=size, rate=rate, seconds=seconds)}"


def beep(pitch: int = 440, seconds: float = 1.2) -> str:
    """An input of FFmpeg: a tone with a beep each second."""
    return f"-f lavfi -i {BEEP.format(pitch=pitch, seconds=seconds)}"


def slowed(folder: Path, rate: float) -> Path:
    """A program like FFmpeg that encodes `rate` seconds of picture a second, and waits meanwhile.

    What is to be stopped or watched at work is so for as long as a test needs, at no cost.
    """
    program = folder / "slowed"
    pace = f'case "$*" in *libx264*) set -- -readrate {rate} "$@";; esac'
    program.write_text(f'#!/bin/sh\n{pace}\nexec {tools().ffmpeg} "$@"\n')
    program.chmod(0o755)
    return program


def make_plain(folder: Path) -> Path:
    """`testsrc2` 320x180 at 25 fps with a beep each second, H.264 + AAC, 1.2 s, faststart."""
    inputs = f"{picture()} {beep()}"
    return ffmpeg(folder, f"{inputs} {X264} -c:a aac -movflags +faststart plain.mp4")


def make_silent(folder: Path) -> Path:
    """A picture without any sound: `-an`."""
    return ffmpeg(folder, f"{picture()} {X264} -an silent.mp4")


def make_sound_only(folder: Path) -> Path:
    """A sound track without a picture, in an MP4."""
    return ffmpeg(folder, f"{beep()} -c:a aac sound_only.mp4")


def make_cover_only(folder: Path) -> Path:
    """Music with cover art: `-disposition:v:0 attached_pic` is a picture, but no video."""
    cover = "-c:v mjpeg -frames:v 1 -pix_fmt yuvj420p -disposition:v:0 attached_pic"
    return ffmpeg(folder, f"{picture()} {beep()} {cover} -c:a aac cover_only.m4a")


def make_odd_size(folder: Path) -> Path:
    """321x241 pixels in 4:4:4, the only way H.264 stores odd sizes."""
    code = "-vf scale=321:241 -c:v libx264 -preset ultrafast -pix_fmt yuv444p"
    return ffmpeg(folder, f"{picture('321x241')} {beep()} {code} -c:a aac odd_size.mp4")


def make_rotated(folder: Path) -> Path:
    """320x180 stored, 180x320 shown: `-display_rotation 90` copies the track with a matrix."""
    upright = make_silent(folder)
    return ffmpeg(folder, f"-display_rotation 90 -i {upright.name} -c copy rotated.mp4")


def make_cluttered(folder: Path) -> Path:
    """Picture and sound between a larger cover and time code: `-map 1 -map 0 -timecode …`."""
    plain = make_plain(folder)
    cover = ffmpeg(folder, f"{picture('640x360')} -frames:v 1 cover.png")
    order = "-map 1 -map 0 -disposition:v:0 attached_pic -timecode 01:00:00:00"
    return ffmpeg(folder, f"-i {plain.name} -i {cover.name} {order} -c copy cluttered.mp4")


def make_wide_pixels(folder: Path) -> Path:
    """PAL as in DVDs: 720x576 stored with pixels of 64:45, shown as 1024x576."""
    video = f"{picture('720x576')} -vf setsar=64/45 {X264}"
    return ffmpeg(folder, f"{video} -an wide_pixels.mp4")


def make_b_frames_with_offset(folder: Path) -> Path:
    """B-frames and a clock that starts at 5 s: `-bf 3 -output_ts_offset 5`, in Matroska."""
    code = "-c:v libx264 -preset fast -bf 3 -g 12 -pix_fmt yuv420p"
    return ffmpeg(
        folder, f"{picture()} {beep()} {code} -c:a aac -output_ts_offset 5 b_frames_with_offset.mkv"
    )


def make_b_frames_mp4_with_offset(folder: Path) -> Path:
    """B-frames, edit lists and tracks that start at 2 s: `-bf 3 -output_ts_offset 2`, in MP4."""
    code = "-c:v libx264 -preset fast -bf 3 -g 12 -pix_fmt yuv420p"
    return ffmpeg(
        folder, f"{picture()} {beep()} {code} -c:a aac -output_ts_offset 2 b_frames_mp4.mp4"
    )


def make_edited(folder: Path) -> Path:
    """An edit list that hides the first frames: `-ss 0.5 -c copy` cuts between key frames."""
    long = f"{picture(seconds=1.8)} {beep(seconds=1.8)} {X264} -c:a aac"
    whole = ffmpeg(folder, f"{long} unedited.mp4")
    return ffmpeg(folder, f"-ss 0.5 -i {whole.name} -c copy edited.mp4")


def make_ntsc(folder: Path) -> Path:
    """30000/1001 frames per second, as American television has it."""
    inputs = f"{picture(rate='30000/1001', seconds=2.2)} {beep(seconds=2.2)}"
    return ffmpeg(folder, f"{inputs} {X264} -c:a aac ntsc.mp4")


def make_variable_rate(folder: Path) -> Path:
    """Frames at uneven times: two of three are dropped in each other half second."""
    thin = "select='lt(mod(t\\,1)\\,0.5)+not(mod(n\\,3))'"
    inputs = f"{picture(rate='30', seconds=2.2)} {beep(seconds=2.2)}"
    return ffmpeg(
        folder, f'{inputs} -vf "{thin}" -fps_mode vfr {X264} -bf 2 -c:a aac variable_rate.mp4'
    )


def make_two_languages(folder: Path) -> Path:
    """English and French sound, told apart by pitch and by `language` tags."""
    tags = "-metadata:s:a:0 language=eng -metadata:s:a:1 language=fra"
    inputs = f"{picture()} {beep(440)} {beep(880)} -map 0 -map 1 -map 2"
    return ffmpeg(folder, f"{inputs} {X264} -c:a aac {tags} two_languages.mp4")


def make_late_audio(folder: Path) -> Path:
    """Sound that starts 0.5 s after the picture: `-itsoffset 0.5`."""
    inputs = f"{picture(seconds=1.6)} -itsoffset 0.5 {beep(seconds=1.1)}"
    return ffmpeg(folder, f"{inputs} {X264} -c:a aac late_audio.mp4")


def make_early_audio(folder: Path) -> Path:
    """Sound that starts 0.4 s before the picture: `-itsoffset 0.4` on the video, in Matroska."""
    inputs = f"-itsoffset 0.4 {picture()} {beep(seconds=1.6)}"
    return ffmpeg(folder, f"{inputs} {X264} -c:a aac early_audio.mkv")


def make_transport_stream(folder: Path) -> Path:
    """MPEG-TS whose clock starts at 10 s, with MPEG-2 sound: `-output_ts_offset 10`."""
    code = f"{X264} -bf 2 -g 12 -c:a mp2 -output_ts_offset 10 -f mpegts"
    return ffmpeg(folder, f"{picture()} {beep()} {code} transport_stream.ts")


def make_matroska(folder: Path) -> Path:
    """Matroska, whose times are whole milliseconds: 29.97 fps becomes uneven."""
    inputs = f"{picture(rate='30000/1001')} {beep()}"
    return ffmpeg(folder, f"{inputs} {X264} -c:a libopus matroska.mkv")


def make_fragmented(folder: Path) -> Path:
    """Fragmented MP4 without an index at its end: `-movflags +frag_keyframe+empty_moov`."""
    code = f"{X264} -g 5 -c:a aac -movflags +frag_keyframe+empty_moov"
    return ffmpeg(folder, f"{picture()} {beep()} {code} fragmented.mp4")


def write_srt(folder: Path, name: str, *cues: tuple[float, float, str]) -> str:
    """A SubRip file of cues: start and end in seconds, text; returns its name."""

    def clock(seconds: float) -> str:
        return f"00:00:{seconds:06.3f}".replace(".", ",")

    rows = enumerate(cues, start=1)
    blocks = [f"{n}\n{clock(start)} --> {clock(end)}\n{text}\n" for n, (start, end, text) in rows]
    _write(folder, name, "\n".join(blocks).encode())
    return name


def make_subtitled_mp4(folder: Path) -> Path:
    """2 s with English and French subtitles as `mov_text`, told apart by tags, and two chapters."""
    english = write_srt(folder, "en.srt", (0.2, 0.9, "Hello\n<i>world</i>"), (1.2, 9.0, "I <3 R&B"))
    french = write_srt(folder, "fr.srt", (0.4, 1.6, "Ça va, 日本 ?"))
    chapters = _chapters(folder, (0.0, 0.8, "One"), (0.8, 2.0, 'Zwölf "12"'))
    tags = "-metadata:s:s:0 language=eng -metadata:s:s:1 language=fra -metadata:s:s:1 title=Paris"
    inputs = f"{picture(seconds=2)} {beep(seconds=2)} -i {english} -i {french} -i {chapters}"
    maps = "-map 0 -map 1 -map 2 -map 3 -map_chapters 4"
    code = f"{X264} -c:a aac -c:s mov_text"
    return ffmpeg(folder, f"{inputs} {maps} {code} {tags} subtitled.mp4")


ASS = r"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, Bold, Italic, Underline, Alignment
Style: Default,Arial,16,0,0,0,2

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.50,{end},Default,,0,0,0,,Sign\N\N{{\b1}}EXIT{{\b0}}
Dialogue: 0,0:00:00.50,{end},Default,,0,0,0,,{{\p1}}m 0 0 l 100 0 100 100{{\p0}}
"""
CLOCK_SECONDS = 1.4
"""When the picture of `make_subtitled_mkv` begins on its own clock."""


def make_subtitled_mkv(folder: Path, seconds: float = 2) -> Path:
    """Subtitles of many kinds on a clock that starts at 1.4 s: `-output_ts_offset 1.4`.

    SubRip (cues over each other, past the end and behind it), forced ASS with a drawing and an
    empty line, WebVTT with settings for people who hear badly, a track without any cue, Blu-ray
    pictures. Its chapters begin before the picture and end behind it.
    """
    middle = seconds / 2
    srt = write_srt(
        folder,
        "en.srt",
        (0.4, seconds - 0.2, "all along"),
        (middle - 0.2, middle + 0.8, "in the middle"),
        (seconds - 0.1, seconds + 5, "past the end"),
        (seconds + 6, seconds + 7, "never seen"),
    )
    late = write_srt(folder, "late.srt", (50, 51, "cut away"))
    _write(folder, "signs.ass", ASS.format(end=f"0:00:{seconds - 0.5:05.2f}").encode())
    _write(folder, "sounds.vtt", VTT.format(end=f"00:{seconds - 0.1:06.3f}").encode())
    _write(folder, "pictures.sup", _blu_ray(0.5) + _blu_ray(1.5))
    chapters = _chapters(folder, (0.0, 1.0, "before"), (1.0, 2.4, "first"), (2.4, 99.0, "rest"))
    inputs = f"{picture(seconds=seconds)} {beep(seconds=seconds)} -i {srt} -i signs.ass"
    inputs += f" -i sounds.vtt -t 1 -i {late} -f sup -i pictures.sup -i {chapters}"
    maps = "-map 0 -map 1 -map 2 -map 3 -map 4 -map 5 -map 6 -map_chapters 7"
    kinds = "-disposition:s:0 default -disposition:s:1 forced -disposition:s:2 hearing_impaired"
    tags = "-metadata:s:s:0 language=eng -metadata:s:s:1 language=eng -metadata:s:s:2 language=deu"
    code = "-c:v libx264 -preset fast -bf 2 -g 12 -pix_fmt yuv420p -c:a aac -c:s copy"
    offset = f"-output_ts_offset {CLOCK_SECONDS}"
    return ffmpeg(folder, f"{inputs} {maps} {code} {kinds} {tags} {offset} subtitled.mkv")


VTT = """WEBVTT

id
00:00.100 --> {end} line:0 align:left
<v Bob>[door] Hi &amp; bye</v>
"""


def _blu_ray(seconds: float) -> bytes:
    """A Blu-ray subtitle that clears the screen: a composition of no objects, and its end."""
    composition = struct.pack(">HHBHBBBB", 320, 180, 0x10, 0, 0x80, 0, 0, 0)
    clock = round(seconds * 90_000)
    segments = ((0x16, composition), (0x80, b""))
    return b"".join(
        b"PG" + struct.pack(">IIBH", clock, 0, kind, len(body)) + body for kind, body in segments
    )


def _chapters(folder: Path, *chapters: tuple[float, float, str]) -> str:
    """A metadata file of FFmpeg with chapters: start and end in seconds, title."""
    text = ";FFMETADATA1\n"
    for start, end, title in chapters:
        times = f"START={round(start * 1000)}\nEND={round(end * 1000)}"
        text += f"[CHAPTER]\nTIMEBASE=1/1000\n{times}\ntitle={title}\n"
    _write(folder, "chapters.txt", text.encode())
    return "chapters.txt"


FLASH_SECONDS = 0.8
"""When the flash and the beep of `make_flash` begin."""


def make_flash(folder: Path, name: str = "flash.mp4", options: str = "") -> Path:
    """Black and silent, but for a white picture and a 1 kHz tone from 0.8 s to 1.0 s.

    Args:
        folder: where the clip goes.
        name: file name; its end chooses the container.
        options: of the output, such as `-output_ts_offset 5`.
    """
    shown = f"between(t\\,{FLASH_SECONDS - 0.001}\\,0.999)"
    white = f"drawbox=c=white:t=fill:enable='{shown}'"
    tone = f"aevalsrc='if(between(t\\,{FLASH_SECONDS}\\,1)\\,sin(2000*PI*t)\\,0)':s=48000:d=1.6"
    inputs = f'-f lavfi -i color=black:s=160x90:r=25:d=1.6 -f lavfi -i "{tone}"'
    code = "-c:v libx264 -preset fast -bf 2 -g 20 -pix_fmt yuv420p -c:a aac"
    return ffmpeg(folder, f'{inputs} -vf "{white}" {code} {options} {name}')


def make_avi(folder: Path) -> Path:
    """AVI with MPEG-4 part 2 and B-frames, which stores no presentation times."""
    return ffmpeg(folder, f"{picture()} {beep()} -c:v mpeg4 -bf 2 -c:a mp3 old.avi")


def make_interlaced(folder: Path) -> Path:
    """Two fields a picture, top first: `-vf interlace` and `-flags +ildct+ilme`."""
    weave = "-vf interlace=scan=tff,setfield=tff -flags +ildct+ilme -x264-params tff=1"
    return ffmpeg(
        folder,
        f"{picture('320x240', rate='50')} -c:v libx264 -preset ultrafast -pix_fmt yuv420p"
        f" {weave} -an interlaced.mp4",
    )


def make_html(folder: Path) -> Path:
    """A login page saved under the name of a video."""
    return _write(folder, "page.mp4", b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n")


def make_text(folder: Path) -> Path:
    """A note under the name of a video."""
    return _write(folder, "note.mp4", "Voilà, das ist kein Film.\n".encode() * 20)


def make_empty(folder: Path) -> Path:
    """A file of 0 bytes."""
    return _write(folder, "empty.mp4", b"")


def make_noise(folder: Path) -> Path:
    """Bytes that are no container at all."""
    return _write(folder, "noise.mp4", bytes((7 * n * n + n // 3) % 256 for n in range(40_000)))


def cut(clip: Path, keep: float = 0.6) -> Path:
    """The first part of a clip under the name `cut_…`; `keep` is 0 to 1."""
    whole = clip.read_bytes()
    return _write(clip.parent, f"cut_{clip.name}", whole[: int(len(whole) * keep)])


def _write(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path
