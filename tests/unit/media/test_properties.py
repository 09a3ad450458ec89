"""Properties of tracks: what is refused, which tracks a filter chooses, what manifests then say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import m3u8  # type: ignore[import-untyped]
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import etree

import samples
from adaptation.errors import ParameterError
from adaptation.media import dash
from adaptation.media.asset import Asset
from adaptation.media.asset_record import Origin, asset_document
from adaptation.media.index import Track
from adaptation.media.probe import Source
from adaptation.media.properties import (
    Properties,
    applied,
    described,
    parse_file_properties,
    parse_properties,
)
from adaptation.media.texttrack import TextTrack

FIRST_TEXT = "track_properties.textstream[0]"
MPD = f"{{{dash.NAMESPACE}}}"
SOUNDS = [
    samples.audio(),
    replace(samples.audio("audio_en_51"), channels=6, stereo_name="audio_en"),
    samples.audio("audio_en_2", title="Director"),
    samples.audio("audio_pt", "pt-BR"),
    samples.audio("audio_und", "und"),
]
TEXTS = [
    samples.text(),
    samples.text("text_en_2", purpose="forced"),
    samples.text("text_fr", "fre", purpose="hearing_impaired"),
]


def asset(sounds: list[Track] = SOUNDS, texts: list[TextTrack] = TEXTS) -> Asset:
    source, origin = Source("mov", 9.28, 1000, 800, None, ()), Origin("film", {}, {}, "2026-11-27")
    return Asset.from_json(asset_document(origin, source, [samples.video(), *sounds], texts))


def entry(**fields: Any) -> dict[str, Any]:
    return {"properties": {"track_name": "X"}, **fields}


def named(document: Any) -> list[str]:
    """The tracks that get the name X, and the places of entries that chose none."""
    found, missed = applied(asset(), parse_properties(document))
    tracks = [one.name for one in found.tracks if one.title == "X"]
    return [*tracks, *(one.name for one in found.texts if one.title == "X"), *missed]


@pytest.mark.parametrize(
    ("fields", "chosen"),
    [
        ({"language": "en"}, ["audio_en", "audio_en_51", "audio_en_2"]),
        ({"language": "ENG"}, ["audio_en", "audio_en_51", "audio_en_2"]),
        ({"language": "por"}, ["audio_pt"]),
        ({"language": "pt_br"}, ["audio_pt"]),
        ({"language": "pt-PT"}, ["track_properties.audio[0] chooses no track"]),
        ({"language": "und"}, ["audio_und"]),
        ({"language": ""}, ["audio_und"]),
        ({"role": "main"}, ["audio_en", "audio_en_51"]),
        ({"kind": "alternative", "language": "en"}, ["audio_en_2"]),
        ({"kind": "main-desc"}, ["track_properties.audio[0] chooses no track"]),
        ({}, ["audio_en", "audio_en_51", "audio_en_2", "audio_pt", "audio_und"]),
    ],
)
def test_a_filter_chooses_sounds(fields: dict[str, str], chosen: list[str]) -> None:
    assert named({"audio": [entry(**fields)]}) == chosen


@pytest.mark.parametrize(
    ("fields", "chosen"),
    [
        ({"kind": "subtitles"}, ["text_en"]),
        ({"kind": "forced"}, ["text_en_2"]),
        ({"role": "forced_subtitle"}, ["text_en_2"]),
        ({"kind": "captions", "language": "fra"}, ["text_fr"]),
        (
            {"role": "caption", "language": "en"},
            [f"{FIRST_TEXT} chooses no track"],
        ),
    ],
)
def test_a_filter_chooses_subtitles(fields: dict[str, str], chosen: list[str]) -> None:
    assert named({"textstream": [entry(**fields)]}) == chosen


@pytest.mark.parametrize(
    ("document", "place", "remedy"),
    [
        ([], "track_properties is no object", "audio, textstream"),
        ({"sound": []}, "track_properties.sound is unknown", "Known: audio"),
        ({"audio": {}}, "track_properties.audio is no list", "list"),
        ({"audio": "x"}, "track_properties.audio is no list", "list"),
        ({"audio": ["x"]}, "track_properties.audio[0] is no object", "language"),
        ({"audio": [entry(), {}]}, "audio[1].properties is missing", "track_name"),
        ({"audio": [entry(lang="en")]}, "audio[0].lang is unknown", "Did you mean language"),
        ({"audio": [entry(language="klingon")]}, "audio[0].language is no lang", "ISO 639"),
        ({"audio": [entry(role="leading")]}, "audio[0].role is unknown", "main-desc"),
        ({"audio": [entry(role="caption")]}, "audio[0].role is unknown", "commentary"),
        ({"audio": [entry(role="main", kind="main")]}, "audio[0] has a role and a kind", "one"),
        (
            {"textstream": [{"properties": {"track_role": "dub"}}]},
            "textstream[0].properties.track_role is unknown: 'dub'",
            "forced-subtitle",
        ),
        ({"audio": [{"properties": {"track_nam": "a"}}]}, "track_nam is unk", "mean track_name"),
        ({"audio": [{"properties": {"track_name": 3}}]}, "track_name is no short", "200"),
        ({"audio": [{"properties": {"track_name": "a" * 201}}]}, "track_name is no short", "200"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(document: Any, place: str, remedy: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_properties(document)
    assert place in str(caught.value)
    assert remedy in str(caught.value.hint)


def test_properties_of_files_are_read() -> None:
    told = {"a.m4a": {"kind": "main-desc", "language": "fre"}, "b.srt": {"kind": "captions"}}
    found = parse_file_properties(told)
    assert found == {
        "a.m4a": Properties(role="description", language="fr"),
        "b.srt": Properties(role="caption"),
    }
    assert described(SOUNDS[0], found["a.m4a"]).describes_video
    assert described(TEXTS[0], found["b.srt"]).hearing_impaired
    assert parse_file_properties(None) == {}
    with pytest.raises(ParameterError, match=r"file_properties\.a\.m4a\.kind is unknown"):
        parse_file_properties({"a.m4a": {"kind": "x"}})
    with pytest.raises(ParameterError, match="names no files"):
        parse_file_properties([1])


def test_the_last_entry_that_chooses_a_track_counts() -> None:
    entries = [
        {"properties": {"track_name": "All", "track_description": "First"}},
        {"language": "en", "properties": {"track_name": "English", "track_language": "en-GB"}},
        {"language": "en-GB", "properties": {"track_name": "not yet"}},
    ]
    found, missed = applied(asset(), parse_properties({"audio": entries}))
    sounds = [(one.title, one.description, one.language) for one in found.tracks[1:]]
    assert sounds[0] == ("English", "First", "en-GB")
    assert sounds[3] == ("All", "First", "pt-BR")
    assert missed == ["track_properties.audio[2] chooses no track"]


def test_copies_are_told_of_like_their_tracks() -> None:
    from adaptation.media.encrypted_track import encrypted_track
    from adaptation.media.protection import Protection

    before = asset()
    protection = Protection("cenc", bytes(16))
    made = [
        encrypted_track(one, protection, (1, "00"), [(2, "11") for _ in one.segments])
        for one in before.tracks
    ]
    entries = parse_properties({"audio": [entry(language="pt", properties={"track_name": "Br"})]})
    after, _ = applied(before.apart().with_copy(made, ["cenc"]), entries)
    assert 'NAME="Br"' in after.master_playlist()
    assert "cenc/audio_pt/playlist.m3u8" in after.master_playlist()
    assert Asset.from_json(after.document()).master_playlist() == after.master_playlist()
    segments = [one.size_bytes for one in after.active_copy["audio_pt"].track.segments]
    assert segments == [2] * len(segments)


WORDS = st.text(max_size=12)
LANGUAGES = st.sampled_from(["en", "eng", "fr", "pt", "pt-BR", "und", "", "deu"])
LAID = st.fixed_dictionaries(
    {},
    optional={
        "track_name": WORDS | st.sampled_from(["en", "en (2)", "Director"]),
        "track_description": WORDS,
        "track_language": LANGUAGES,
        "track_role": st.sampled_from(["main", "alternate", "commentary", "description"]),
    },
).filter(bool)
ENTRY = st.fixed_dictionaries(
    {"properties": LAID},
    optional={"language": LANGUAGES, "role": st.sampled_from(["main", "alternate", "description"])},
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={"audio": st.lists(ENTRY, max_size=5), "textstream": st.lists(ENTRY, max_size=3)},
)


@settings(max_examples=30)
@given(DOCUMENTS)
def test_applying_twice_is_applying_once(document: dict[str, Any]) -> None:
    entries = parse_properties(document)
    once, missed = applied(asset(), entries)
    # Unless its filters choose other tracks, now that these are told of in another way.
    again, still_missed = applied(once, entries)
    marks = [
        applied(one, [replace(e, properties=Properties(title=f"mark {n}"))])[0]
        for n, e in enumerate(entries)
        for one in (asset(), once)
    ]
    chosen = [[one["title"].startswith("mark ") for one in m.document()["tracks"]] for m in marks]
    assume(chosen[::2] == chosen[1::2])
    assert (again, still_missed) == (once, missed)


@given(DOCUMENTS)
def test_no_two_sounds_of_a_group_have_one_name(document: dict[str, Any]) -> None:
    found, _ = applied(asset(), parse_properties(document))
    read = m3u8.loads(found.master_playlist())
    members: dict[str, list[Any]] = {}
    for one in read.media:
        members.setdefault(one.group_id, []).append(one)
    for group, listed in members.items():
        names = [one.name for one in listed]
        assert len(set(names)) == len(names)
        defaults = [one.language for one in listed if one.default == "YES"]
        assert len(defaults) == (0 if group == "text" else 1)
    # RFC 8216 §4.3.4.1.1: the members differ in URI and CHANNELS alone.
    kinds = ("name", "language", "default", "autoselect", "characteristics", "assoc_language")
    alike = [
        [tuple(getattr(one, kind) for kind in kinds) for one in listed]
        for group, listed in members.items()
        if group != "text"
    ]
    assert alike == [alike[0]] * 2
    labels = [
        one.findtext(f"{MPD}Label")
        for one in etree.fromstring(found.manifest().encode()).iter(f"{MPD}AdaptationSet")
        if one.get("contentType") == "audio"
    ]
    assert len(set(labels)) == len(SOUNDS)


@given(DOCUMENTS, st.permutations(range(5)))
def test_tracks_stay_in_their_order(document: dict[str, Any], order: list[int]) -> None:
    before = asset([SOUNDS[number] for number in order])
    after, _ = applied(before, parse_properties(document))
    assert [one.name for one in after.tracks] == [one.name for one in before.tracks]
    assert [one.segments for one in after.tracks] == [one.segments for one in before.tracks]
