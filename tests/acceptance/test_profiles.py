"""Profiles from the command line: other codecs, several at once, the operator's own, hardware."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

import clips
import judges
from adaptation.media.coding import ENCODERS
from adaptation.workflows.encoders import trouble
from command_line import Ended, here

FASTER = """
extends = "multi-codec"
[video.h264]
preset = "ultrafast"
[video.av1]
preset = "12"
"""
"""Ours with the fastest presets."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 640x360 at 25 fps with a beep each second, 3 s."""
    inputs = f"{clips.picture('640x360', seconds=3)} {clips.beep(seconds=3)}"
    return clips.ffmpeg(tmp_path_factory.mktemp("clip"), f"{inputs} {clips.X264} -c:a aac a.mp4")


def encode(clip: Path, output: Path, *words: str, **environment: str) -> Ended:
    return here("encode", clip, output, "--segment-seconds", "1", *words, **environment)


def codec_of(folder: Path, track: judges.Listed) -> str:
    """The RFC 6381 name of a picture by what ffprobe finds in it."""
    stream = judges.streams(folder / track.name / "playlist.m3u8")[0]
    level = stream["level"]
    if stream["codec_name"] == "h264":
        return judges.codec_of(folder, track)
    if stream["codec_name"] == "hevc":
        assert (stream["profile"], stream["codec_tag_string"]) == ("Main", "hvc1")
        return f"hvc1.1.6.L{level}.90"
    assert (stream["profile"], stream["pix_fmt"]) == ("Main", "yuv420p")
    return f"av01.0.{level:02}M.08"


def test_an_asset_of_two_codecs_shares_one_grid_and_offers_the_plain_one_first(
    clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "multi-codec.toml").write_text(FASTER)
    asset = tmp_path / "asset"

    ended = encode(clip, asset, "--profile", "multi-codec", ADAPTATION_PROFILES=str(folder))

    assert ended.status == 0, ended.err
    pictures = judges.hls_pictures(asset)
    assert [track.name for track in pictures] == ["360p", "234p", "360p_av1"]
    for track in pictures:
        assert track.codecs.split(",")[0] == codec_of(asset, track)
        assert track.codecs.endswith(",mp4a.40.2")
    grids = {tuple(judges.key_times(asset / t.name / "playlist.m3u8")) for t in pictures}
    assert grids == {(Fraction(0), Fraction(1), Fraction(2))}
    assert len({track.durations for track in pictures}) == 1

    listed = [track for track in judges.dash_tracks(asset) if track.size != (0, 0)]
    assert [track.name for track in listed] == ["360p", "234p", "360p_av1"]
    for manifest in (judges.MASTER, judges.MANIFEST):
        tracks, complaints = judges.decode(asset / manifest)
        assert complaints == ""
        assert [len(t.starts) for t in tracks if t.kind == "video"] == [75, 75, 75]
    encoding = judges.record(asset)["parameters"]["encoding"]
    assert [ladder["coding"]["preset"] for ladder in encoding["ladders"]] == ["ultrafast", "12"]


@pytest.mark.parametrize(("profile", "preset"), [("hevc", "ultrafast"), ("av1", "12")])
def test_an_asset_of_another_codec_has_plain_names_and_says_its_codec(
    profile: str, preset: str, clip: Path, tmp_path: Path
) -> None:
    asset = tmp_path / "asset"
    words = ["--profile", profile, "--preset", preset, "--rendition", "180:200"]
    ended = encode(clip, asset, *words, "--rate-control", "abr")
    assert ended.status == 0, ended.err
    (track,) = judges.hls_pictures(asset)
    assert track.name == "180p"
    assert track.codecs.split(",")[0] == codec_of(asset, track)
    tracks, complaints = judges.decode(asset / judges.MASTER)
    assert complaints == ""
    assert len(next(t for t in tracks if t.kind == "video").starts) == 75


def test_hardware_that_is_not_here_ends_the_job_before_it_encodes(
    clip: Path, tmp_path: Path
) -> None:
    name = next(n for n, e in ENCODERS.items() if e.is_hardware and trouble(n, clips.tools()))
    codec = ENCODERS[name].codec
    text = f'description = "x"\n[video.{codec}]\nencoder = "{name}"\n'
    (tmp_path / "gpu.toml").write_text(f"{text}rungs = [{{ side = 180, kilobits = 300 }}]\n")

    ended = encode(clip, tmp_path / "asset", "--profile", "gpu", ADAPTATION_PROFILES=str(tmp_path))

    assert (ended.status, ended.code) == (1, "encoder_unusable")
    assert name in ended.err
    assert "doctor" in ended.hint
    assert not (tmp_path / "asset").exists()


def test_a_poor_source_gets_a_small_ladder_and_the_reason(tmp_path: Path) -> None:
    poor = "-c:v libx264 -preset slow -pix_fmt yuv420p -b:v 100k -maxrate 100k -bufsize 100k"
    clip = clips.ffmpeg(tmp_path, f"{clips.picture('1280x720', seconds=3)} {poor} poor.mp4")
    planned = here("plan", clip, "--passthrough", "never", "--json").documents[0]
    rates = {rung["name"]: rung["bitrate"] for rung in planned["ladder"]}
    assert rates["720p"] == 2 * planned["source"]["video"]["bitrate"] // 10_000 * 10_000
    assert "540p" not in rates
    assert any("720p gets" in note for note in planned["notes"])
    assert any("540p is left out" in note for note in planned["notes"])


def test_profiles_are_listed_and_shown(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "av1"\ndescription = "Mine."\n')
    mine = {"ADAPTATION_PROFILES": str(tmp_path)}

    listed = here("profiles", "--json", **mine)
    rows = {row["name"]: row for row in listed.documents[0]}
    shown = here("profiles", "mine", "--json", **mine).documents[0]

    assert listed.status == 0
    assert rows["mine"]["description"] == "Mine."
    assert (rows["mine"]["built_in"], rows["av1"]["built_in"]) == (False, True)
    assert rows["multi-codec"]["codecs"] == ["h264", "av1"]
    assert shown["ladders"][0]["coding"]["encoder"] == "libsvtav1"
    assert "Mine." in here("profiles", **mine).out
    assert "libsvtav1" in here("profiles", "mine", **mine).out


def test_a_broken_profile_is_listed_with_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "av1"\nvido = 1\n')
    mine = {"ADAPTATION_PROFILES": str(tmp_path)}
    listed = here("profiles", **mine)
    assert listed.status == 1
    assert "unknown field 'vido'" in listed.out
    shown = here("profiles", "mine", **mine)
    assert (shown.status, shown.code) == (2, "profile_invalid")
    assert shown.hint.startswith("Did you mean video?")
    assert here("profiles", "none").code == "profile_unknown"


def test_the_doctor_tries_each_encoder() -> None:
    findings = {found["name"]: found for found in here("doctor", "--json").documents[0]}
    for name, encoder in ENCODERS.items():
        if not encoder.is_hardware:
            assert findings[name]["ok"] == (not trouble(name, clips.tools()))
    for family in ("nvenc", "qsv", "vaapi", "videotoolbox", "amf"):
        names = [name for name, encoder in ENCODERS.items() if encoder.family == family]
        works = [name for name in names if not trouble(name, clips.tools())]
        assert findings[family]["ok"] == bool(works)
        assert not findings[family]["needed"]
