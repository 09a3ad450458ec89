"""The plan of an MP4: which tracks go into it, by which words, and what counts as a copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import samples
from adaptation.errors import SourceError, ToolError
from adaptation.media.index import Segment, Track
from adaptation.media.mp4 import (
    Copied,
    Extent,
    Extents,
    asset_tracks,
    check_copy,
    chosen,
    copy_command,
    file_tracks,
)

MADE = Path("/scratch/made.mp4")
PICTURE = Copied(Path("/a/v.mp4"), 0, "video", "h264", pixels=100, extent=Extent(3, 0.0, 0.12))
SOUND = Copied(Path("/a/a.mp4"), 1, "audio", "aac", language="fr", extent=Extent(2, 0.0, 0.04))


def track(name: str, **facts: Any) -> Track:
    """A track of an asset."""
    segment = Segment("00001.m4s", 0, 40, 9, "ab", independent=True, sample_count=2)
    kind: Any = "video" if "height" in facts else "audio"
    return Track(
        kind=kind,
        name=name,
        folder=name,
        codec="",
        timescale=1000,
        media_time=0,
        init_name="init.mp4",
        init_size_bytes=5,
        init_sha256="cd",
        segments=(segment,),
        **facts,
    )


def record(*tracks: Track) -> dict[str, Any]:
    """What an asset tells of its tracks."""
    listed = [{**one.to_json(), "size_bytes": 14, "playlist": "p"} for one in tracks]
    return {"format": 1, "tracks": [*listed, {"kind": "text", **samples.text().to_json()}]}


def packets(*lines: str) -> Extents:
    found = Extents()
    for line in lines:
        found.read(line)
    return found


WHOLE = ("0,0.00,0.04,K__", "0,0.08,0.04,___", "0,0.04,0.04,___", "1,0.00,0.02,K__")
"""An MP4 of the two tracks, but for the last packet of its sound."""
LAST = "1,0.02,0.02,K__"


def test_the_largest_picture_of_an_asset_is_taken_or_all() -> None:
    small, large = track("90p", width=160, height=90), track("180p", width=320, height=180)
    other = track("180p_hevc", width=320, height=180)
    tracks = record(small, large, other, track("audio_en"), track("audio_fr"))

    assert [one.name for one in asset_tracks(tracks, mezzanine=False)] == [
        "180p",
        "audio_en",
        "audio_fr",
    ]
    assert [one.name for one in asset_tracks(tracks, mezzanine=True)][:3] == [
        "180p",
        "180p_hevc",
        "90p",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"init_size_bytes": "many"},
        {"init_name": None},
        {"folder": 7},
        {"width": -1},
        {"segments": [{"name": "a"}]},
        {"segments": None},
        {"kind": []},
        {"title": ["x"]},
    ],
)
def test_a_record_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    told = record(track("90p", width=160, height=90))
    told["tracks"][0] |= change

    with pytest.raises(SourceError) as caught:
        asset_tracks(told, mezzanine=False)
    assert caught.value.code == "asset_damaged"


@pytest.mark.parametrize("told", [None, [], {}, {"format": 4, "tracks": []}, {"format": "1"}])
def test_what_is_no_record_is_refused(told: object) -> None:
    with pytest.raises(SourceError) as caught:
        asset_tracks(told, mezzanine=False)
    assert caught.value.code == "asset_damaged"


@pytest.mark.parametrize(
    ("name", "language", "found"),
    [
        ("x_fre.m4a", "und", "fre"),
        ("x_FR.m4a", "und", "fr"),
        ("x_fre.m4a", "eng", "eng"),
        ("x_1080.m4a", "und", "und"),
        ("fre.m4a", "und", "und"),
    ],
)
def test_sound_alone_is_named_by_its_file(name: str, language: str, found: str) -> None:
    stream = {"index": 0, "codec_type": "audio", "codec_name": "aac"}
    told = {"streams": [{**stream, "tags": {"language": language}}]}

    assert [one.language for one in file_tracks(Path("/a", name), told)] == [found]


def test_the_sound_of_a_lesser_picture_is_left_out() -> None:
    best = replace(PICTURE, path=Path("/a/best.mp4"), pixels=200)
    of_best = replace(SOUND, path=best.path)
    alone = replace(SOUND, path=Path("/a/x_de.m4a"), index=0)
    files = [[PICTURE, replace(SOUND, path=PICTURE.path)], [alone], [best, of_best], []]

    assert chosen(files, mezzanine=False) == [best, alone, of_best]
    assert chosen(files, mezzanine=True) == [best, PICTURE, alone, of_best]


def test_titles_stay_words_of_their_own() -> None:
    named = replace(SOUND, title="a\n-i /etc/passwd\x00")

    words = copy_command([PICTURE, named], MADE, same_clock=True)

    assert "title=a-i /etc/passwd" in words
    assert words.count("-i") == 2
    assert words[-1] == f"file:{MADE}"


def test_a_copy_has_all_packets_at_their_times() -> None:
    check_copy([PICTURE, SOUND], packets(*WHOLE, LAST), same_clock=True)


@pytest.mark.parametrize(
    "lines",
    [
        WHOLE,
        WHOLE[:3],
        (*WHOLE, LAST, "2,0.0,0.04,K__"),
        (*WHOLE, "1,0.20,0.02,K__"),
        ("0,0.00,0.04,K__", "0,0.08,0.04,___", "0,0.04,0.04,___", "1,0.1,0.02,K", "1,0.12,0.02,K"),
    ],
    ids=["a packet less", "a track less", "a track more", "a gap", "late sound"],
)
def test_anything_else_is_none(lines: tuple[str, ...]) -> None:
    with pytest.raises(ToolError) as caught:
        check_copy([PICTURE, SOUND], packets(*lines), same_clock=True)
    assert caught.value.code == "output_mismatch"


def test_what_an_edit_list_hides_is_counted_and_not_shown() -> None:
    found = packets("0,-0.02,0.02,KD_", "0,0.00,0.02,K__", "0,N/A,N/A,___", "nonsense")

    assert found.of(0) == Extent(packets=3, start_seconds=0.0, end_seconds=0.02, untimed=1)
