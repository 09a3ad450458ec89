"""The record of an asset: what earlier versions wrote stays readable, and nothing is lost."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import samples
from adaptation.errors import SourceError
from adaptation.media import dash, hls
from adaptation.media.asset import Asset, media_files
from adaptation.media.asset_record import Origin, asset_document
from adaptation.media.encrypted_track import EncryptedTrack, encrypted_track
from adaptation.media.probe import Source
from adaptation.media.protection import Protection

EARLIER: dict[str, Any] = json.loads(
    (Path(__file__).parent / "asset_format_1.json").read_text(encoding="utf-8")
)
"""As version 1 wrote it: stereo and 5.1, subtitles, thumbnails, and an encrypted copy, active."""


def new(base: str = "") -> dict[str, Any]:
    """The record of a new asset."""
    source, origin = Source("mov", 9.28, 1000, 800, None, ()), Origin("film", {}, {}, "2026-11-27")
    tracks = [samples.video(), samples.audio(), samples.audio("audio_fr", "fra")]
    return asset_document(origin, source, tracks, [samples.with_media(samples.text())], base)


def test_a_record_of_format_1_is_read() -> None:
    asset = Asset.from_json(EARLIER)
    assert (asset.asset_id, asset.active, asset.base) == ("film", "cbcs", "")
    assert [track.folder for track in asset.tracks] == [
        "clear/360p",
        "clear/audio_en",
        "clear/audio_en_51",
    ]
    assert [track.folder for track in (one.track for one in asset.active_copy.values())] == [
        "cbcs/360p",
        "cbcs/audio_en",
        "cbcs/audio_en_51",
    ]
    assert asset.trick is not None
    assert asset.systems == ("widevine", "fairplay")
    assert [text.hearing_impaired for text in asset.texts] == [True]


def test_all_that_a_record_says_is_written_again() -> None:
    told = {**EARLIER, "of_others": 1}
    told["tracks"] = [{**track, "of_others": 2} for track in told["tracks"]]
    again = Asset.from_json(told).document()
    for before, after in zip(told["tracks"], again["tracks"], strict=True):
        assert {name: after[name] for name in before} == before
    assert {name: again[name] for name in told if name not in ("tracks", "trickplay")} == {
        name: told[name] for name in told if name not in ("tracks", "trickplay")
    }
    assert Asset.from_json(again) == replace(Asset.from_json(told), record=again)


def test_manifests_are_written_from_the_record_alone() -> None:
    asset = Asset.from_json(json.loads(json.dumps(new())))
    assert asset.master_playlist() == hls.master_playlist(asset.tracks, asset.texts)
    assert asset.manifest() == dash.manifest(asset.tracks, asset.texts)


def test_all_addresses_begin_with_the_base() -> None:
    asset = Asset.from_json(new("v1234"))
    assert [track.folder for track in asset.tracks] == ["720p", "audio_en", "audio_fr"]
    for text in (asset.master_playlist(), asset.manifest()):
        for folder in ("720p", "audio_en", "audio_fr", "text_en"):
            assert text.count(f"v1234/{folder}/") == text.count(f"{folder}/") > 0
    document = asset.document()
    # A reader of format 1 would look for the files at the root.
    assert (document["format"], document["base"]) == (2, "v1234")
    assert document["tracks"][0]["playlist"] == "v1234/720p/playlist.m3u8"
    assert asset.place("720p/init.mp4") == "v1234/720p/init.mp4"
    assert new()["format"] == 1


def test_tracks_in_one_file_each_are_read_as_they_are_written() -> None:
    cut = Asset.from_json(new("v1234"))
    asset = cut.in_one_file_each()
    document = json.loads(json.dumps(asset.document()))

    assert Asset.from_json(document).tracks == asset.tracks
    # A reader of format 2 would take each segment for a file of its own.
    assert document["format"] == 3
    assert all("offset" not in one for track in new()["tracks"] for one in track["segments"])
    names = {file for track in asset.tracks for file in media_files(track)}
    assert len(names) == len(asset.tracks), "one file each"
    index_bytes = sum(track.index_size_bytes for track in asset.tracks)
    assert document["size_bytes"] == cut.record["size_bytes"] + index_bytes
    assert sum(one["size_bytes"] for one in document["tracks"]) == document["size_bytes"]


def test_a_copy_of_a_track_in_one_file_is_another_file() -> None:
    track = Asset.from_json(new()).in_one_file_each().tracks[0]
    digests = [(100_016, "bb" * 32) for _ in track.segments]
    protection = Protection("cbcs", bytes(16), bytes(16))
    copy = encrypted_track(track, protection, (1000, "aa" * 32), digests)

    assert copy.track.is_one_file
    assert [one.offset for one in copy.track.segments] == [1076, 101_092, 201_108]
    assert copy.track.init_name != track.init_name, "whoever has ranges of one finds no other"
    assert EncryptedTrack.from_json(track, json.loads(json.dumps(copy.to_json()))) == copy


@pytest.mark.parametrize(
    "change", [{"offset": 977}, {"offset": None}, {"offset": "976"}, {"name": "00001.m4s"}]
)
def test_segments_that_do_not_follow_each_other_in_their_file_are_refused(
    change: dict[str, Any],
) -> None:
    record = Asset.from_json(new()).in_one_file_each().document()
    assert record["tracks"][0]["segments"][0]["offset"] == 976
    record["tracks"][0]["segments"][0] |= change
    with pytest.raises(SourceError) as caught:
        Asset.from_json(record)
    assert caught.value.code == "asset_damaged"


@pytest.mark.parametrize("base", ["/etc", "../other", 3])
def test_a_base_that_leads_out_is_refused(base: object) -> None:
    with pytest.raises(SourceError) as caught:
        Asset.from_json({**new(), "base": base})
    assert caught.value.code == "asset_damaged"


@pytest.mark.parametrize(
    ("field", "value"),
    [("language", 3), ("role", None), ("default", "yes"), ("segments", []), ("description", [])],
)
def test_a_track_with_other_things_in_its_place_is_refused(field: str, value: object) -> None:
    for number in (0, -1):
        record = new()
        record["tracks"][number][field] = value
        with pytest.raises(SourceError) as caught:
            Asset.from_json(record)
        assert caught.value.code == "asset_damaged"


def test_a_copy_that_is_not_whole_is_not_shown() -> None:
    record = deepcopy(EARLIER)
    del record["protection"]["copies"]["cbcs"]["audio_en"]
    with pytest.raises(SourceError) as caught:
        Asset.from_json(record)
    assert caught.value.code == "asset_damaged"


def test_what_is_encrypted_may_not_be_shown_in_the_clear() -> None:
    with pytest.raises(SourceError) as caught:
        Asset.from_json(EARLIER).need_clear()
    assert caught.value.code == "asset_protected"
    Asset.from_json(EARLIER).cleared().need_clear()
