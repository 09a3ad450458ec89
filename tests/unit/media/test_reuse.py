"""A chunk's key: the same wherever it is encoded, another for whatever makes other bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from adaptation.media.cascade import Rung
from adaptation.media.chunk import Chunk, cut_chunks
from adaptation.media.coding import usual_coding
from adaptation.media.probe import Source, VideoTrack
from adaptation.media.rendition import Rendition
from adaptation.media.reuse import chunk_key, placeless_command
from adaptation.media.segment import PicturePlan, plan_pictures
from adaptation.media.timeline import SeekPoint, Timeline

TIMELINE = Timeline(Fraction(1, 25), tuple(range(100)), 1)
SEEK_POINTS = [SeekPoint(frame, frame, has_leading=False) for frame in (0, 50)]
STARTS = (0, 25, 50, 75)
CHUNK = cut_chunks(TIMELINE, SEEK_POINTS, STARTS, (0, 50), is_indexed=True)[1]
RUNG = Rung(Rendition("180p", 180, 300_000), (320, 180), Path("/a/180p.mp4"), usual_coding("h264"))
PICTURE = VideoTrack(0, "h264", 320, 180, 0, Fraction(25), "yuv420p", "", False)
FILM = Source("mov", 4.0, 1, 1, PICTURE, ())
SOURCE = {"sha256": "00" * 32, "format": "mov"}
VERSIONS = {"ffmpeg": "9.0", "libx264": "MD5=1", "adaptation": "0.1.0"}


def plan(starts: tuple[int, ...] = STARTS, depth: int = 1, chunk: Chunk = CHUNK) -> PicturePlan:
    return plan_pictures(TIMELINE, starts, depth).part(chunk.first_frame, chunk.end_frame)


def key(
    *,
    chunk: Chunk = CHUNK,
    rung: Rung = RUNG,
    source: Mapping[str, str] = SOURCE,
    plans: Mapping[str, PicturePlan] | None = None,
    versions: Mapping[str, str] = VERSIONS,
) -> str:
    arguments = placeless_command(FILM, TIMELINE, chunk, [rung])
    return chunk_key(source, arguments, plans or {"180p": plan(chunk=chunk)}, versions)


def test_the_place_of_the_output_changes_nothing() -> None:
    elsewhere = replace(RUNG, output_path=Path("/elsewhere/180p.mp4"))
    assert key() == key(rung=elsewhere)
    assert len(key()) == 64


@pytest.mark.parametrize(
    "other",
    [
        {"source": {**SOURCE, "sha256": "11" * 32}},
        {"source": {**SOURCE, "format": "mpegts"}},
        {"versions": {**VERSIONS, "ffmpeg": "9.1"}},
        {"versions": {**VERSIONS, "libx264": "MD5=2"}},
        {"versions": {**VERSIONS, "adaptation": "0.2.0"}},
        {"plans": {"180p": plan(depth=0)}},
        {"plans": {"180p": plan((0, 50))}},
        {"plans": {"180p": replace(plan(), first_number=9)}},
        {"plans": {"other": plan()}},
        {"rung": replace(RUNG, rendition=Rendition("180p", 180, 301_000))},
        {"rung": replace(RUNG, size=(318, 180))},
        {"rung": replace(RUNG, coding=replace(RUNG.coding, preset="fast"))},
        {"rung": replace(RUNG, coding=replace(RUNG.coding, crf=24))},
        {"rung": replace(RUNG, coding=usual_coding("hevc"))},
        {"chunk": replace(CHUNK, seek_seconds=None)},
        {"chunk": replace(CHUNK, first_frame=75, starts=(75,))},
        {"chunk": replace(CHUNK, first_frame=0, end_frame=50, starts=(0, 25))},
    ],
)
def test_whatever_makes_other_bytes_gives_another_key(other: dict[str, Any]) -> None:
    assert key(**other) != key()
