"""Every kind of sound comes out in the right channels, as loud as it was, and in time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import clips
import judges
from adaptation.adapters import ffmpeg
from adaptation.media.inspection import Inspection
from adaptation.media.sound import Layout, audio_command

RATE = 48_000
TONE = 0.25
"""Peak of the tone that one channel has, of 1."""
CHANNELS = ("FL", "FR", "FC", "LFE", "BL", "BR")
"""Of 5.1, in their order."""
AAC = "-c:a aac -b:a 384k"


def speaking(channel: str, peak: float = TONE) -> str:
    """An input of FFmpeg: a second of 5.1 in which one channel, or `all`, has a tone."""
    tones = [f"{peak}*sin(2000*PI*t)" if channel in (name, "all") else "0" for name in CHANNELS]
    return f"-f lavfi -i \"aevalsrc='{'|'.join(tones)}':c=5.1:s={RATE}:d=1\""


def encode(clip: Path, layout: Layout = "stereo") -> Path:
    """The first sound track of a clip, as the product makes it."""
    source, timeline = ffmpeg.inspect(clip, clips.tools(), Inspection())
    output = clip.with_name(f"{layout}.mp4")
    command = audio_command(
        source.audio[0], timeline, input_path=clip, output_path=output, layout=layout
    )
    ffmpeg.encode(command, clips.tools(), expected_seconds=1)
    return output


def make(folder: Path, sound: str, code: str = f"{AAC} a.mkv", picture: str = "") -> Path:
    """A clip of a picture and the given sound."""
    shown = picture or clips.picture(seconds=1)
    return clips.ffmpeg(folder, f"{shown} {sound} {clips.X264} {code}")


def peaks(path: Path) -> list[float]:
    """The loudest sample of each channel in the middle of a track, 0 to 1."""
    samples = decoded(path)
    count = judges.streams(path)[0]["channels"]
    middle = range(RATE // 4, 3 * RATE // 4)
    return [max(abs(samples[n * count + c]) for n in middle) for c in range(count)]


def decoded(path: Path) -> memoryview[float]:
    """All samples of a track, as floating point numbers."""
    command = [str(clips.tools().ffmpeg), "-v", "error", "-i", str(path), "-f", "f32le", "-"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert done.stderr == b""
    return memoryview(done.stdout).cast("f")


HALF = 0.5**0.5
DOWNMIX = {
    "FL": (1, 0),
    "FR": (0, 1),
    "FC": (HALF, HALF),
    "LFE": (0, 0),
    "BL": (HALF, 0),
    "BR": (0, HALF),
}
"""ITU-R BS.775: how much of each channel is heard left and right."""


@pytest.mark.parametrize("channel", CHANNELS)
def test_stereo_holds_each_channel_as_loud_as_the_standard_says(
    channel: str, tmp_path: Path
) -> None:
    made = encode(make(tmp_path, speaking(channel), "-c:a flac a.mkv"))
    expected = [TONE * part for part in DOWNMIX[channel]]
    assert peaks(made) == pytest.approx(expected, abs=0.02)


def test_a_mix_of_all_channels_at_full_scale_is_not_clipped(tmp_path: Path) -> None:
    made = encode(make(tmp_path, speaking("all", 0.99), "-c:a flac a.mkv"))
    left, right = peaks(made)
    assert 0.8 < left < 1
    assert 0.8 < right < 1


def test_one_channel_is_as_loud_from_both_sides(tmp_path: Path) -> None:
    tone = f"-f lavfi -i aevalsrc={TONE}*sin(2000*PI*t):s={RATE}:d=1"
    made = encode(make(tmp_path, tone, "-c:a flac a.mkv"))
    assert peaks(made) == pytest.approx([TONE, TONE], abs=0.02)


@pytest.mark.parametrize("channel", CHANNELS)
def test_surround_sound_keeps_each_channel_in_its_place(channel: str, tmp_path: Path) -> None:
    made = encode(make(tmp_path, speaking(channel), "-c:a flac a.mkv"), "5.1")
    facts = judges.streams(made)[0]
    assert (facts["channels"], facts["channel_layout"]) == (6, "5.1")
    # AAC's effects channel ends far below a tone of 1000 Hz.
    expected = [TONE if channel == name != "LFE" else 0 for name in CHANNELS]
    assert peaks(made) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("layout", ["5.1(side)", "7.1"])
def test_other_layouts_become_the_usual_one(layout: str, tmp_path: Path) -> None:
    count = {"5.1(side)": 6, "7.1": 8}[layout]
    tones = "|".join(["0"] * 4 + [f"{TONE}*sin(2000*PI*t)"] + ["0"] * (count - 5))
    sound = f"-f lavfi -i \"aevalsrc='{tones}':c={layout}:s={RATE}:d=1\""
    clip = make(tmp_path, sound, "-c:a pcm_s16le a.mov")
    surround = encode(clip, "5.1")
    assert judges.streams(surround)[0]["channel_layout"] == "5.1"
    left = peaks(surround)[4]
    assert left == pytest.approx(TONE, abs=0.03)
    assert peaks(encode(clip)) == pytest.approx([TONE * HALF, 0], abs=0.03)


BEEPS = {
    "in time": ("", ""),
    "late": ("-itsoffset 0.3", ""),
    "with a gap": ("", "-af aselect='not(between(t\\,0.1\\,0.55))'"),
    "with an offset of all": ("", "-output_ts_offset 4"),
    "early": ("", "-af asetpts=PTS-0.2/TB"),
    "in 44.1 kHz": ("", "-ar 44100"),
}
BEEP_SECONDS = 0.7
"""When the sound begins, before it is shifted."""


@pytest.mark.parametrize("name", BEEPS, ids=lambda name: name.replace(" ", "_"))
@pytest.mark.parametrize("layout", ["stereo", "5.1"])
def test_a_beep_is_heard_when_it_was(name: str, layout: Layout, tmp_path: Path) -> None:
    before, options = BEEPS[name]
    tones = "|".join(["0", "0", f"if(gte(t,{BEEP_SECONDS}),0.8*sin(2000*PI*t),0)", *"000"])
    sound = f"{before} -f lavfi -i \"aevalsrc='{tones}':c=5.1:s={RATE}:d=1\""
    made = encode(make(tmp_path, sound, f'{options} -c:a flac "a.mkv"'), layout)
    shift = {"late": 0.3, "early": -0.2}.get(name, 0.0)
    channel, count = (2, 6) if layout == "5.1" else (0, 2)
    samples = decoded(made)
    first = next(n for n in range(len(samples) // count) if abs(samples[n * count + channel]) > 0.1)
    # Matroska keeps milliseconds, and AAC rings a little before a tone.
    assert first / RATE == pytest.approx(BEEP_SECONDS + shift, abs=0.004)
    duration = float(judges.streams(made)[0]["duration"])
    assert duration == pytest.approx(1 + shift, abs=0.05)
