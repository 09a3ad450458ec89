"""HLS playlists and the DASH manifest say the same about the same segments."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import m3u8  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from lxml import etree

import samples
from adaptation.media import dash, hls, labels
from adaptation.media.asset_record import Origin, asset_document, asset_text
from adaptation.media.index import Track
from adaptation.media.language import has_short_code, language_tag
from adaptation.media.one_file import in_one_file
from adaptation.media.package import audio_names, package_command, text_names
from adaptation.media.probe import AudioTrack, Chapter, Source, SubtitleTrack
from adaptation.media.trickplay import ByteRange

MPD = f"{{{dash.NAMESPACE}}}"
TRACKS = [
    samples.video("360p", sizes=(50_000, 60_000, 10_000)),
    samples.video("720p", sizes=(150_000, 160_000, 30_000)),
    samples.audio(),
    samples.audio("audio_fr", "fre", 'Commentaire "off"\n'),
]
TEXTS = [
    samples.text(),
    samples.text("text_en_2", purpose="forced"),
    samples.text("text_fr", "fra", 'Pour "sourds"', purpose="hearing_impaired"),
    samples.text("text_de", "ger", purpose="default", sizes=(900, 60, 100)),
    samples.text("text_und", "und"),
]


def manifest(tracks: list[Track]) -> etree._Element:
    return etree.fromstring(dash.manifest(tracks).encode())


def test_a_playlist_is_written_as_apple_wants_it() -> None:
    assert hls.media_playlist(samples.video()) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-TARGETDURATION:4\n"
        "#EXT-X-MEDIA-SEQUENCE:1\n"
        "#EXT-X-DISCONTINUITY-SEQUENCE:0\n"
        "#EXT-X-PLAYLIST-TYPE:VOD\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-MAP:URI="init.mp4"\n'
        "#EXTINF:4.000000,\n00001.m4s\n"
        "#EXTINF:4.000000,\n00002.m4s\n"
        "#EXTINF:1.280000,\n00003.m4s\n"
        "#EXT-X-ENDLIST\n"
    )


def test_a_track_in_one_file_is_addressed_by_its_parts() -> None:
    track = in_one_file(samples.video())
    name = track.init_name
    assert [segment.offset for segment in track.segments] == [976, 100_976, 200_976]
    playlist = hls.media_playlist(track)
    assert f'#EXT-X-MAP:URI="{name}",BYTERANGE="900@0"\n' in playlist
    assert f"#EXTINF:1.280000,\n#EXT-X-BYTERANGE:100000@200976\n{name}\n" in playlist
    searched = hls.iframe_playlist(track, [ByteRange(40, 5000)] * 3)
    assert f'#EXT-X-MAP:URI="{name}",BYTERANGE="900@0"\n' in searched
    assert f"#EXTINF:1.280000,\n#EXT-X-BYTERANGE:5000@201016\n{name}\n" in searched
    (base,) = manifest([track]).iter(f"{MPD}SegmentBase")
    assert (base.get("indexRange"), base[0].get("range")) == ("900-975", "0-899")


def test_the_manifest_names_the_profile_of_its_addresses() -> None:
    whole, text = in_one_file(samples.video()), samples.with_media(samples.text())
    for tracks, texts, profile in (
        ([samples.video()], [text], "isoff-live"),
        ([whole], [], "isoff-on-demand"),
        ([whole], [text], "full"),
    ):
        root = etree.fromstring(dash.manifest(tracks, texts).encode())
        assert root.get("profiles", "").split(",") == [
            f"urn:mpeg:dash:profile:{profile}:2011",
            "urn:mpeg:dash:profile:cmaf:2019",
        ]


@given(samples.VIDEOS)
def test_durations_add_up_to_the_microsecond(track: Track) -> None:
    read = m3u8.loads(hls.media_playlist(track))
    total = sum(round(segment.duration * 1_000_000) for segment in read.segments)
    assert abs(total - track.duration_seconds * 1_000_000) <= Fraction(1, 2)
    assert [segment.uri for segment in read.segments] == [
        segment.name for segment in track.segments
    ]


@given(samples.VIDEOS)
def test_no_segment_is_longer_than_the_target(track: Track) -> None:
    read = m3u8.loads(hls.media_playlist(track))
    # RFC 8216 §4.3.3.1: rounded to the nearest integer.
    assert all(int(s.duration + 0.5) <= read.target_duration for s in read.segments)
    assert read.target_duration == max(1, int(max(s.duration for s in read.segments) + 0.5))


def test_the_master_offers_all_pictures_with_all_sounds() -> None:
    read = m3u8.loads(hls.master_playlist(TRACKS))
    assert [p.uri for p in read.playlists] == ["720p/playlist.m3u8", "360p/playlist.m3u8"]
    best = read.playlists[0].stream_info
    assert best.bandwidth == TRACKS[1].peak_bandwidth + TRACKS[2].peak_bandwidth
    assert best.average_bandwidth == TRACKS[1].average_bandwidth + TRACKS[2].average_bandwidth
    assert best.codecs == "avc1.64001f,mp4a.40.2"
    assert (best.resolution, best.frame_rate, best.audio) == ((1280, 720), 25.0, "audio")
    assert read.is_independent_segments
    assert [(m.language, m.name, m.default, m.channels, m.uri) for m in read.media] == [
        ("en", "en", "YES", "2", "audio_en/playlist.m3u8"),
        ("fr", "Commentaire off", "NO", "2", "audio_fr/playlist.m3u8"),
    ]


SURROUND = replace(
    samples.audio("audio_en_51", sizes=(192_000, 192_000, 60_000)),
    channels=6,
    stereo_name="audio_en",
)


def test_surround_sound_is_a_group_with_the_same_members() -> None:
    master = m3u8.loads(hls.master_playlist([*TRACKS, SURROUND]))
    stereo = [entry for entry in master.media if entry.group_id == "audio"]
    wide = [entry for entry in master.media if entry.group_id == "audio_51"]
    assert [entry.channels for entry in stereo] == ["2", "2"]
    # French has no 5.1: RFC 8216 §4.3.4.2.1 wants it in the group all the same.
    assert [entry.channels for entry in wide] == ["6", "2"]
    assert [entry.uri for entry in wide] == ["audio_en_51/playlist.m3u8", "audio_fr/playlist.m3u8"]
    for other, entry in zip(stereo, wide, strict=True):
        for name in ("name", "language", "default", "autoselect"):
            assert getattr(entry, name) == getattr(other, name)


def test_each_rendition_is_offered_with_each_group_at_its_own_rate() -> None:
    master = m3u8.loads(hls.master_playlist([*TRACKS, SURROUND]))
    offered = [(entry.uri, entry.stream_info.audio) for entry in master.playlists]
    assert offered == [
        (f"{name}/playlist.m3u8", group)
        for group in ("audio", "audio_51")
        for name in ("720p", "360p")
    ]
    stereo, _, wide, _ = (entry.stream_info.bandwidth for entry in master.playlists)
    assert wide - stereo == SURROUND.peak_bandwidth - TRACKS[2].peak_bandwidth


def test_surround_sound_is_a_set_of_its_own_that_is_played_on_request() -> None:
    sets = list(manifest([*TRACKS, SURROUND]).iter(f"{MPD}AdaptationSet"))
    english, french, wide = (entry for entry in sets if entry.get("contentType") == "audio")
    assert [entry.get("selectionPriority") for entry in (english, french, wide)] == [
        None,
        None,
        "0",
    ]
    assert (english.get("lang"), wide.get("lang")) == ("en", "en")
    channels = next(wide.iter(f"{MPD}AudioChannelConfiguration"))
    assert channels.get("value") == "6"
    assert next(wide.iter(f"{MPD}Label")).text == "en (5.1)"
    assert next(wide.iter(f"{MPD}Role")).get("value") == "alternate"


def test_a_silent_asset_has_no_sound_group() -> None:
    text = hls.master_playlist(TRACKS[:2])
    assert "AUDIO" not in text
    assert "mp4a" not in text
    assert f"BANDWIDTH={TRACKS[1].peak_bandwidth}," in text


def test_names_of_sounds_differ() -> None:
    same = [samples.audio(f"audio_{n}", "und") for n in range(2)]
    named = [samples.audio(f"audio_{n}", title="Main") for n in range(3)]
    assert labels.track_labels(same) == ["Audio 1", "Audio 2"]
    assert labels.track_labels(named) == ["Main", "Main (2)", "Main (3)"]
    assert "LANGUAGE" not in hls.master_playlist([TRACKS[0], *same])


def test_a_playlist_of_text_has_no_init_segment() -> None:
    playlist = hls.media_playlist(samples.text())
    read = m3u8.loads(playlist)
    assert "EXT-X-MAP" not in playlist
    assert [part.duration for part in read.segments] == [4.0, 4.0, 1.28]
    assert (read.target_duration, read.is_endlist) == (4, True)


def test_the_master_offers_all_subtitles_with_all_pictures() -> None:
    read = m3u8.loads(hls.master_playlist(TRACKS, TEXTS))
    offered = [entry for entry in read.media if entry.type == "SUBTITLES"]
    assert [(m.language, m.name, m.default, m.autoselect, m.forced, m.uri) for m in offered] == [
        ("en", "en", "NO", "YES", "NO", "text_en/playlist.m3u8"),
        ("en", "en (forced)", "NO", "YES", "YES", "text_en_2/playlist.m3u8"),
        ("fr", "Pour sourds", "NO", "YES", "NO", "text_fr/playlist.m3u8"),
        ("de", "de", "YES", "YES", "NO", "text_de/playlist.m3u8"),
        (None, "Subtitles 5", "NO", "YES", "NO", "text_und/playlist.m3u8"),
    ]
    assert [m.characteristics for m in offered] == [
        None,
        None,
        "public.accessibility.transcribes-spoken-dialog,"
        "public.accessibility.describes-music-and-sound",
        None,
        None,
    ]
    assert {m.group_id for m in offered} == {"text"}
    assert {p.stream_info.subtitles for p in read.playlists} == {"text"}
    best = read.playlists[0].stream_info
    assert best.bandwidth == sum(t.peak_bandwidth for t in (TRACKS[1], TRACKS[2], TEXTS[3]))


def test_one_track_of_text_at_most_is_the_default() -> None:
    both = [samples.text(f"text_{n}", purpose="default") for n in range(2)]
    read = m3u8.loads(hls.master_playlist(TRACKS[:1], both))
    assert [entry.default for entry in read.media] == ["YES", "NO"]


def test_without_subtitles_nothing_speaks_of_them() -> None:
    assert "SUBTITLES" not in hls.master_playlist(TRACKS)
    assert "text/vtt" not in dash.manifest(TRACKS)


def test_names_differ_even_from_those_that_end_in_a_number() -> None:
    titles = ("en (2)", "en", "en", "en")
    named = [samples.text(f"text_{title}", title=title) for title in titles]
    assert labels.text_labels(named) == ["en (2)", "en", "en (3)", "en (4)"]


def test_each_track_of_text_is_a_set_of_segments_in_mp4() -> None:
    texts = [samples.with_media(text) for text in TEXTS]
    root = etree.fromstring(dash.manifest(TRACKS, texts).encode())
    sets = root.findall(f"{MPD}Period/{MPD}AdaptationSet[@contentType='text']")
    assert {s.get("mimeType") for s in sets} == {"application/mp4"}
    for found, text in zip(sets, texts, strict=True):
        (entry,) = found.findall(f"{MPD}Representation")
        (template,) = entry.findall(f"{MPD}SegmentTemplate")
        assert (entry.get("id"), entry.get("codecs")) == (text.name, "wvtt")
        assert template.get("initialization") == f"{text.folder}/init.mp4"
        assert template.get("media") == f"{text.folder}/$Number%05d$.m4s"
        assert [dict(s.attrib) for s in template.iter(f"{MPD}S")] == [
            {"d": "360000", "t": "0", "r": "1"},
            {"d": "115200"},
        ]


def test_text_of_assets_without_such_segments_is_one_file_in_a_set_of_its_own() -> None:
    root = etree.fromstring(dash.manifest(TRACKS, TEXTS).encode())
    sets = root.findall(f"{MPD}Period/{MPD}AdaptationSet[@contentType='text']")
    assert {s.get("mimeType") for s in sets} == {"text/vtt"}
    assert [s.get("lang") for s in sets] == ["en", "en", "fr", "de", "und"]
    role = f"{MPD}Role[@schemeIdUri='urn:mpeg:dash:role:2011']"
    found = [entry.get("value") for s in sets for entry in s.findall(role)]
    assert found == ["subtitle", "forced-subtitle", "caption", "subtitle", "main", "subtitle"]
    files = [s.findtext(f"{MPD}Representation/{MPD}BaseURL") for s in sets]
    assert files == [f"{text.folder}/subtitles.vtt" for text in TEXTS]
    assert [s.findtext(f"{MPD}Label") for s in sets] == labels.text_labels(TEXTS)
    # 500 bytes in 9.28 s, rounded up.
    assert {r.get("bandwidth") for s in sets for r in s.iter(f"{MPD}Representation")} == {"432"}


def test_the_manifest_is_static_and_as_long_as_its_longest_track() -> None:
    root = manifest(TRACKS)
    assert root.tag == f"{MPD}MPD"
    assert root.get("type") == "static"
    assert root.get("mediaPresentationDuration") == "PT9.280000S"
    assert root.get("minBufferTime") == "PT4.010667S"


def test_renditions_share_a_set_and_each_sound_has_its_own() -> None:
    sets = manifest(TRACKS).findall(f"{MPD}Period/{MPD}AdaptationSet")
    assert [s.get("contentType") for s in sets] == ["video", "audio", "audio"]
    assert [r.get("id") for r in sets[0].findall(f"{MPD}Representation")] == ["720p", "360p"]
    assert [s.get("lang") for s in sets] == [None, "en", "fr"]
    assert [s.findtext(f"{MPD}Label") for s in sets] == [None, "en", "Commentaire off"]
    roles = [role.get("value") for s in sets for role in s.iter(f"{MPD}Role")]
    assert roles == ["main", "main", "alternate"]
    assert all(s.get("startWithSAP") == "1" for s in sets)


def test_codecs_that_cannot_be_switched_are_kept_apart() -> None:
    sets = manifest([samples.video("a"), samples.video("b", codec="hvc1.1.6.L93.90")])
    assert len(sets.findall(f"{MPD}Period/{MPD}AdaptationSet")) == 2


@given(samples.VIDEOS)
def test_the_manifest_has_the_very_same_times(track: Track) -> None:
    template = next(manifest([track]).iter(f"{MPD}SegmentTemplate"))
    found, time = [], 0
    for entry in template.iter(f"{MPD}S"):
        time = int(entry.get("t", time))
        for _ in range(1 + int(entry.get("r", "0"))):
            found.append((time, int(entry.attrib["d"])))
            time += int(entry.attrib["d"])
    assert found == [(segment.start, segment.duration) for segment in track.segments]
    assert template.get("timescale") == str(track.timescale)
    assert template.get("media") == "720p/$Number%05d$.m4s"


def test_children_stand_in_the_order_of_the_schema() -> None:
    representation = next(manifest([TRACKS[0], TRACKS[2]]).iter(f"{MPD}AudioChannelConfiguration"))
    parent = representation.getparent()
    assert parent is not None
    names = [etree.QName(child).localname for child in parent]
    assert names == ["AudioChannelConfiguration", "SegmentTemplate"]


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("eng", "en"),
        ("fre", "fr"),
        ("fra", "fr"),
        ("de", "de"),
        ("gsw", "gsw"),
        ("PT_br", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("und", "und"),
        ("", "und"),
        ("english", "und"),
        ('en"\n#X', "und"),
    ],
)
def test_languages_become_the_shortest_tags(code: str, tag: str) -> None:
    assert language_tag(code) == tag


def test_sounds_get_folders_of_their_own() -> None:
    sounds = [AudioTrack(n, "aac", 2, 48_000, code) for n, code in enumerate(LANGUAGES)]
    assert audio_names(sounds) == ("audio_en", "audio_en_2", "audio_und", "audio_und_2", "audio_fr")


def test_subtitles_get_folders_of_their_own() -> None:
    texts = [SubtitleTrack(n, "subrip", code) for n, code in enumerate(LANGUAGES)]
    assert text_names(texts) == ("text_en", "text_en_2", "text_und", "text_und_2", "text_fr")


LANGUAGES = ("eng", "en", "und", "?!", "fra")


def test_packager_gets_names_of_our_own() -> None:
    words = package_command("video", "input.mp4", Fraction(4))
    assert words[0] == (
        "in=input.mp4,stream=video,init_segment=init.mp4,segment_template=$Number%05d$.m4s"
    )
    assert words[words.index("--segment_duration") + 1] == "4"
    assert package_command("audio", "input.mp4", 2, "fre")[0].endswith(",lang=fr")
    assert "lang" not in package_command("audio", "input.mp4", 2, "und")[0]
    with pytest.raises(ValueError, match="descriptor"):
        package_command("video", "a,output=b", 4)
    assert has_short_code("en")
    assert not has_short_code("zz")


def test_the_record_holds_everything_but_nothing_of_its_own() -> None:
    source = Source("mov", 9.28, 1000, 800, None, ())
    origin = Origin("abc", {"segment_seconds": 4}, {"b": "2", "a": "1"}, "2026-01-01T00:00:00Z")
    document = asset_document(origin, source, TRACKS)
    assert json.loads(asset_text(origin, source, TRACKS)) == document
    assert document["asset_id"] == "abc"
    assert list(document["tools"]) == ["a", "b"]
    assert document["manifests"] == {"hls": "master.m3u8", "dash": "manifest.mpd"}
    assert document["tracks"][0]["playlist"] == "360p/playlist.m3u8"
    assert document["tracks"][0]["segments"][2]["duration"] == 115_200
    assert document["duration_seconds"] == pytest.approx(9.28)
    assert document["size_bytes"] == 120_900 + 340_900 + 2 * 148_800


def test_the_record_tells_of_subtitles_and_of_chapters_once() -> None:
    chapters = (Chapter(0.0, 4.5, "Zwölf"), Chapter(4.5, 9.28, ""))
    source = Source("mov", 9.28, 1000, 800, None, (), (SubtitleTrack(3, "ass"),), chapters)
    origin = Origin("abc", {}, {}, "2026-01-01T00:00:00Z")
    document = json.loads(asset_text(origin, source, TRACKS[:1], TEXTS[:1]))
    assert document["chapters"] == [
        {"start_seconds": 0.0, "end_seconds": 4.5, "title": "Zwölf"},
        {"start_seconds": 4.5, "end_seconds": 9.28, "title": ""},
    ]
    assert "chapters" not in document["source"]
    assert [track["codec"] for track in document["source"]["subtitles"]] == ["ass"]
    text = document["tracks"][1]
    assert (text["kind"], text["playlist"]) == ("text", "text_en/playlist.m3u8")
    assert text["size_bytes"] == 500 + 560
    assert document["size_bytes"] == 120_900 + text["size_bytes"]
