"""Subtitles and chapters of a source arrive in the asset, in their time, in both formats."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import m3u8  # type: ignore[import-untyped]
import pytest
from lxml import etree

import clips
import judges
from command_line import adaptation, here

ONE_RUNG = ("--rendition", "180:300", "--preset", "ultrafast", "--segment-seconds", "1")


def cues_of(path: Path, stream: str = "0:s:0") -> list[tuple[str, str]]:
    """Start and text of each cue, as FFmpeg reads it."""
    command = [str(clips.tools().ffmpeg), "-v", "error", "-i", str(path), "-map", stream]
    command += ["-f", "srt", "-"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert printed.stderr == ""
    return re.findall(r"(\d\d:\d\d:\d\d,\d{3}) --> .*\n(.+)", printed.stdout)


@pytest.fixture
def asset(tmp_path: Path) -> Path:
    """`make_subtitled_mkv`, encoded."""
    clip = clips.make_subtitled_mkv(tmp_path / "clip")
    ended = adaptation("encode", clip, tmp_path / "asset", *ONE_RUNG)
    assert (ended.status, ended.last_line) == (0, str(tmp_path / "asset"))
    return tmp_path / "asset"


def test_text_tracks_are_in_both_formats_and_what_cannot_be_text_is_named(asset: Path) -> None:
    assert cues_of(asset / "text_en" / "subtitles.vtt") == [
        ("00:00:00,400", "all along"),
        ("00:00:00,800", "in the middle"),
        ("00:00:01,900", "past the end"),
    ]
    master = m3u8.load(str(asset / judges.MASTER))
    texts = [media for media in master.media if media.type == "SUBTITLES"]
    found = {
        (t.language, t.name, t.default, t.forced, t.characteristics is not None) for t in texts
    }
    assert found == {
        ("en", "en", "YES", "NO", False),
        ("en", "en (forced)", "NO", "YES", False),
        ("de", "de (SDH)", "NO", "NO", True),
    }
    assert all(variant.stream_info.subtitles == "text" for variant in master.playlists)
    manifest = etree.parse(asset / judges.MANIFEST)
    sets = [
        s for s in manifest.iter(f"{judges.MPD}AdaptationSet") if s.get("contentType") == "text"
    ]
    names = [s.findtext(f".//{judges.MPD}BaseURL") for s in sets]
    assert sorted(str(name) for name in names) == sorted(
        f"{text.uri.partition('/')[0]}/subtitles.vtt" for text in texts
    )
    log = here("logs", 1).out
    assert re.search(r"warning .*left out: it is made of pictures", log)
    assert re.search(r"warning .*left out: it says nothing", log)


def test_each_segment_is_webvtt_on_the_grid_of_the_picture(asset: Path) -> None:
    playlist = m3u8.load(str(asset / "text_en" / "playlist.m3u8"))
    picture = m3u8.load(str(asset / "180p" / "playlist.m3u8"))
    assert [s.duration for s in playlist.segments] == [s.duration for s in picture.segments]
    first, second = (asset / "text_en" / s.uri for s in playlist.segments)
    assert [text for _, text in cues_of(first)] == ["all along", "in the middle"]
    assert [text for _, text in cues_of(second)] == ["all along", "in the middle", "past the end"]
    assert first.read_text().splitlines()[1].startswith("X-TIMESTAMP-MAP=")


def test_files_of_text_are_in_the_record_with_their_digests(asset: Path) -> None:
    assert judges.tree(asset) == judges.promised(asset)
    assert judges.media_digests(asset) == judges.promised_digests(asset)
    chapters = judges.record(asset)["chapters"]
    assert [(c["title"], c["start_seconds"], c["end_seconds"]) for c in chapters] == [
        ("first", 0.0, 1.0),
        ("rest", 1.0, 2.0),
    ]


def test_a_source_without_subtitles_has_no_such_group(tmp_path: Path) -> None:
    clip = clips.make_plain(tmp_path / "clip")
    assert adaptation("encode", clip, tmp_path / "asset", *ONE_RUNG).status == 0
    assert "SUBTITLES" not in (tmp_path / "asset" / judges.MASTER).read_text()
