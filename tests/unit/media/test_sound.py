"""Stereo is made of every sound track, 5.1 only on request and of what has it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from adaptation.media.probe import AudioTrack
from adaptation.media.sound import Layout, Sound, audio_command, audio_filter, plan_sounds
from adaptation.media.timeline import Timeline

EVEN = Timeline(Fraction(1, 25), tuple(range(100, 200)), 1)
TRACKS = (
    AudioTrack(1, "aac", 2, 48_000, "eng"),
    AudioTrack(2, "ac3", 6, 48_000, "fra", "Film"),
    AudioTrack(3, "dts", 8, 48_000, "eng"),
)


def test_every_track_becomes_stereo() -> None:
    planned = plan_sounds(TRACKS)
    assert [(sound.name, sound.layout) for sound in planned] == [
        ("audio_en", "stereo"),
        ("audio_fr", "stereo"),
        ("audio_en_2", "stereo"),
    ]


def test_on_request_tracks_of_six_channels_become_surround_too() -> None:
    planned = plan_sounds(TRACKS, surround=True)
    assert planned[:3] == plan_sounds(TRACKS)
    assert planned[3:] == (
        Sound("audio_fr_51", 2, "fra", "Film", "5.1", "audio_fr", 384_000),
        Sound("audio_en_2_51", 3, "eng", "", "5.1", "audio_en_2", 384_000),
    )


def test_names_stay_different_whatever_the_source_has() -> None:
    many = [AudioTrack(n, "aac", 6, 48_000, "eng") for n in range(52)]
    names = [sound.name for sound in plan_sounds(many, surround=True)]
    assert len(set(names)) == len(names) == 104


def test_sound_starts_with_the_first_frame_not_with_itself() -> None:
    track = AudioTrack(1, "aac", 6, 44_100, "fra", start_seconds=9.0, end_seconds=11.0)
    words = audio_command(track, EVEN, input_path=Path("/in/a"), output_path=Path("/out/a.mp4"))
    assert words[words.index("-af") + 1] == audio_filter(EVEN.start_seconds, 6)
    assert audio_filter(EVEN.start_seconds, 6).startswith(
        "atrim=start=4.000000000,asetpts=PTS-(4.000000000)/TB"
    )
    assert words[words.index("-metadata:s:a:0") + 1] == "language=fra"


@pytest.mark.parametrize(("layout", "bitrate"), [("stereo", "128000"), ("5.1", "384000")])
def test_each_channel_has_its_bits(layout: Layout, bitrate: str) -> None:
    source, output = Path("/in/a"), Path("/out/a.mp4")
    words = audio_command(TRACKS[1], EVEN, layout=layout, input_path=source, output_path=output)
    assert words[words.index("-b:a") + 1] == bitrate


@pytest.mark.parametrize(
    ("channels", "layout", "is_limited"),
    [
        (1, "stereo", False),
        (2, "stereo", False),
        (6, "stereo", True),
        (6, "5.1", False),
        (8, "5.1", True),
    ],
)
def test_only_a_mix_is_limited(channels: int, layout: Layout, is_limited: bool) -> None:
    assert ("alimiter" in audio_filter(EVEN.start_seconds, channels, layout)) == is_limited
