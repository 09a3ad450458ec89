"""What is taken of a folder's files: languages, the best picture, sound without doubles."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from adaptation.media.language import is_language
from adaptation.media.probe import AudioTrack, Source, VideoTrack
from adaptation.media.source_files import (
    Heard,
    MediaFile,
    best_first,
    file_language,
    origin_of,
    sounds_of,
    without_doubles,
)

PICTURE = VideoTrack(
    index=0,
    codec="h264",
    width=1280,
    height=720,
    rotation=0,
    frame_rate=Fraction(25),
    pixel_format="yuv420p",
    color_space="bt709",
    interlaced=False,
    bitrate=3_000_000,
)


def file(name: str, picture: VideoTrack | None, *languages: str, channels: int = 2) -> MediaFile:
    audio = tuple(
        AudioTrack(number, "aac", channels, 48_000, language)
        for number, language in enumerate(languages, start=1)
    )
    return MediaFile(name, Source("mov,mp4", 10.0, 1000, 800, picture, audio), Fraction(0))


def taken(heard: list[Heard]) -> list[tuple[str, str]]:
    return [(one.file, one.track.language) for one in heard]


@pytest.mark.parametrize(
    ("name", "said", "found", "language"),
    [
        ("x_fre.m4a", "", "und", "fre"),
        ("x_fre.m4a", "", "swe", "swe"),
        ("x_fre.m4a", "nob", "swe", "nob"),
        ("a_b_PT.m4a", "", "und", "pt"),
        ("x_pt-BR.srt", "", "und", "pt-br"),
        ("x_gsw.m4a", "", "", "gsw"),
        ("x_hq.m4a", "", "und", "und"),
        ("x_aac.m4a", "", "und", "und"),
        ("fre.m4a", "", "und", "und"),
        ("x_.m4a", "", "und", "und"),
    ],
)
def test_the_language_of_a_file(name: str, said: str, found: str, language: str) -> None:
    assert file_language(name, said, found) == language


def test_codes_of_languages() -> None:
    assert all(map(is_language, ("en", "eng", "ger", "deu", "sr-Latn", "mis", "haw")))
    assert not any(map(is_language, ("", "xx", "e", "hd", "aac", "main", "1080", "und")))


def test_the_largest_picture_is_the_best() -> None:
    small = replace(PICTURE, width=640, height=360, bitrate=9_000_000)
    slow = file("slow.mp4", PICTURE)
    fast = file("fast.mp4", replace(PICTURE, frame_rate=Fraction(50)))
    rich = file("rich.mp4", replace(PICTURE, codec="hevc", bitrate=2_500_000))
    files = [file("small.mp4", small), slow, fast, rich, file("sound.m4a", None, "eng")]
    order = [one.name for one in best_first(files)]
    assert order == ["fast.mp4", "rich.mp4", "slow.mp4", "small.mp4"]


def test_of_two_alike_one_is_kept() -> None:
    poorer = file("b.mp4", replace(PICTURE, bitrate=2_900_000))
    rung = file("c.mp4", replace(PICTURE, bitrate=1_500_000))
    other = file("d.mp4", replace(PICTURE, codec="hevc"))
    kept, notes = without_doubles([file("a.mp4", PICTURE), poorer, rung, other])
    assert [one.name for one in kept] == ["a.mp4", "c.mp4", "d.mp4"]
    assert notes == ["b.mp4 is left out: a.mp4 is the same and no worse"]


def test_sound_in_files_with_pictures_is_taken_once_a_language() -> None:
    files = [
        file("large.mp4", PICTURE, "eng"),
        file("small.mp4", PICTURE, "en", "fra"),
        file("x_eng.m4a", None, "und", channels=6),
    ]
    everything = sounds_of(files, all_tracks=True)
    assert taken(everything) == [
        ("large.mp4", "eng"),
        ("small.mp4", "fra"),
        ("x_eng.m4a", "eng"),
    ]
    best = sounds_of(files, all_tracks=False)
    assert taken(best) == [("x_eng.m4a", "eng"), ("small.mp4", "fra")]


def test_one_word_of_the_client_is_not_for_several_tracks() -> None:
    one = replace(file("a.mp4", PICTURE, "und"), language="swe")
    two = replace(file("b.mp4", PICTURE, "dan", "nob"), language="swe")
    assert taken(sounds_of([one], all_tracks=True)) == [("a.mp4", "swe")]
    assert taken(sounds_of([two], all_tracks=True)) == [("b.mp4", "dan"), ("b.mp4", "nob")]


def test_where_a_file_of_sound_begins() -> None:
    assert origin_of("mov,mp4,m4a,3gp,3g2,mj2", "0.5") == 0
    assert origin_of("mpegts", "1.4") == Fraction("1.4")
    assert origin_of("mp3", "0.025057") == Fraction("0.025057")
    assert origin_of("ac3", "N/A") == 0


def test_heard_sound_survives_json() -> None:
    (heard,) = sounds_of([file("a.m4a", None, "eng")], all_tracks=True)
    assert Heard.from_json(heard.to_json()) == heard
