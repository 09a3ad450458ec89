"""Versions of a sound are one sound in all manifests, and one sound comes first."""

from __future__ import annotations

from dataclasses import replace

import m3u8  # type: ignore[import-untyped]
from lxml import etree

import samples
from adaptation.media import dash, hls
from adaptation.media.index import Track
from adaptation.media.sounds import audio_groups, default_sound, linked, main_sounds

MPD = f"{{{dash.NAMESPACE}}}"
PICTURE = samples.video()
ENGLISH = samples.audio(title="Film")
SLIM = samples.audio("audio_en_slim", title="Film", sizes=(30_000, 30_000, 9_000))
DOLBY = replace(samples.audio("audio_en_ac3", title="Film"), codec="ac-3", channels=6)
PLUS = replace(samples.audio("audio_en_ec3", title="Film"), codec="ec-3", channels=6)
FRENCH = samples.audio("audio_fr", "fra")
FOUND = [ENGLISH, SLIM, DOLBY, PLUS, FRENCH]


def names(tracks: list[Track]) -> list[str]:
    return [track.name for track in tracks]


def test_what_says_the_same_in_another_encoding_is_one_sound() -> None:
    tracks = linked(FOUND)
    assert names(main_sounds(tracks)) == ["audio_en", "audio_fr"]
    assert {group: names(members) for group, members in audio_groups(tracks).items()} == {
        "audio": ["audio_en", "audio_fr"],
        "audio_2": ["audio_en_slim", "audio_fr"],
        "audio_ac3_51": ["audio_en_ac3", "audio_fr"],
        "audio_eac3_51": ["audio_en_ec3", "audio_fr"],
    }
    assert linked(tracks) == tracks


def test_what_most_players_can_play_is_offered_first() -> None:
    tracks = linked([DOLBY, FRENCH, ENGLISH])
    assert names(tracks) == ["audio_en_ac3", "audio_fr", "audio_en"]
    assert [track.stereo_name for track in tracks] == ["audio_en", "", ""]
    assert linked(tracks) == tracks
    assert names(audio_groups(tracks)["audio"]) == ["audio_en", "audio_fr"]


def test_what_may_be_another_sound_is_one_of_its_own() -> None:
    unnamed = [replace(ENGLISH, title=""), replace(SLIM, title="")]
    unknown = [replace(one, language="und") for one in (ENGLISH, DOLBY)]
    same_rate = [ENGLISH, replace(ENGLISH, name="audio_en_2")]
    described = [ENGLISH, replace(DOLBY, describes_video=True)]
    for tracks in (unnamed, unknown, same_rate, described):
        assert main_sounds(linked(tracks)) == tracks


def test_a_link_that_leads_nowhere_hides_no_sound() -> None:
    chain = [ENGLISH, replace(SLIM, stereo_name="audio_en"), replace(FRENCH, stereo_name="gone")]
    chain.append(replace(DOLBY, stereo_name="audio_en_slim"))
    found = {track.name for members in audio_groups(chain).values() for track in members}
    assert found == {track.name for track in chain}
    sets = etree.fromstring(dash.manifest([PICTURE, *chain]).encode()).iter(f"{MPD}Representation")
    assert {one.get("id") for one in sets} == {"720p", *found}


def test_each_variant_names_the_codecs_of_its_own_group() -> None:
    read = m3u8.loads(hls.master_playlist([PICTURE, *linked(FOUND)]))
    codecs = {one.stream_info.audio: one.stream_info.codecs for one in read.playlists}
    assert codecs == {
        "audio": "avc1.64001f,mp4a.40.2",
        "audio_2": "avc1.64001f,mp4a.40.2",
        "audio_ac3_51": "avc1.64001f,ac-3,mp4a.40.2",
        "audio_eac3_51": "avc1.64001f,ec-3,mp4a.40.2",
    }
    told: dict[str, list[tuple[object, ...]]] = {}
    for one in read.media:
        facts = (one.name, one.language, one.default, one.autoselect)
        told.setdefault(one.group_id, []).append(facts)
    assert len({tuple(members) for members in told.values()}) == 1
    assert [facts[2] for facts in told["audio"]] == ["YES", "NO"]


def test_rates_of_one_sound_share_a_set_and_other_codecs_have_their_own() -> None:
    root = etree.fromstring(dash.manifest([PICTURE, *linked(FOUND)]).encode())
    sets = root.findall(f"{MPD}Period/{MPD}AdaptationSet[@contentType='audio']")
    assert [[r.get("id") for r in one.findall(f"{MPD}Representation")] for one in sets] == [
        ["audio_en", "audio_en_slim"],
        ["audio_fr"],
        ["audio_en_ac3"],
        ["audio_en_ec3"],
    ]
    labels = [one.findtext(f"{MPD}Label") for one in sets]
    assert labels == ["Film", "fr", "Film (5.1, AC-3)", "Film (5.1, E-AC-3)"]
    assert [one.get("selectionPriority") for one in sets] == [None, None, "0", "0"]


def test_nobody_hears_a_description_who_did_not_choose_it() -> None:
    described = replace(ENGLISH, name="audio_en_2", describes_video=True)
    remarks = replace(ENGLISH, name="audio_en_3", role="commentary")
    assert default_sound([described, remarks, FRENCH]) == FRENCH
    assert default_sound([described]) == described
    assert default_sound([ENGLISH, replace(FRENCH, default=True)]) == replace(FRENCH, default=True)
    assert default_sound([]) is None
    manifest = dash.manifest([PICTURE, described, FRENCH])
    sets = etree.fromstring(manifest.encode()).iter(f"{MPD}AdaptationSet")
    assert [one.get("selectionPriority") for one in sets] == [None, None, "2"]
