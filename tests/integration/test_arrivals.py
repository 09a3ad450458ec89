"""What appears in a folder, in a storage or while it grows goes through the parsers of others."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

import arrivals
import parsers
from adaptation.adapters import live
from adaptation.adapters.publish import publish_files
from adaptation.media import hls
from adaptation.media.index import target_duration
from samples import video
from storage_services import S3

GOOD = hls.media_playlist(video())
"""Its longest segment lasts 4 s."""
LONG = GOOD.replace("4.000000", "9.000000")
SILENT = GOOD.replace("#EXT-X-DISCONTINUITY-SEQUENCE:0\n", "")


def test_a_flaw_is_found_wherever_it_appears(tmp_path: Path, s3: S3) -> None:
    assert arrivals.complaints() == []
    (tmp_path / "source").write_text(f"{LONG}# published\n")

    publish_files([(tmp_path / "source", "a.m3u8")], tmp_path / "folder", token="t")
    live.write(tmp_path / "b.m3u8", f"{LONG}# grows\n")
    store = s3.store()
    store.put_file(tmp_path / "source", "c.m3u8")
    store.put_bytes(f"{LONG}# stored\n".encode(), "d.m3u8")

    told = arrivals.complaints()
    names = {one.partition(":")[0] for one in told if "less than or equal to the target" in one}
    # What is stored as it was published is known.
    assert names == {"a.m3u8", "b.m3u8", "d.m3u8"}
    assert arrivals.complaints() == []


@pytest.mark.parametrize("seconds", ["1/4", "3/2", "249/100", "5/2", "4", "13/2"])
def test_a_playlist_that_grows_promises_what_the_whole_one_says(seconds: str) -> None:
    track = video(durations=[int(90_000 * Fraction(seconds)), 90_000 // 5])
    target = target_duration(Fraction(seconds))
    growing = hls.media_playlist(track, growing_target=target)
    assert parsers.read("a.m3u8", growing)["warnings"] == []
    assert f"TARGETDURATION:{target}\n" in hls.media_playlist(track)


def test_the_parsers_have_nothing_to_say_of_a_good_playlist_alone() -> None:
    assert parsers.read("a.m3u8", GOOD)["warnings"] == []
    assert parsers.read("a.m3u8", SILENT)["warnings"] == [
        "warn: defaulting discontinuity sequence to zero"
    ]
    assert parsers.read("a.mpd", "<?xml version='1.0'?><MPD/>")["warnings"]
