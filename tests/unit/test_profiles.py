"""Operators add profiles and change ours by files; clients are told what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adaptation.errors import ParameterError, SettingsError
from adaptation.workflows.parameters import check_encoding
from adaptation.workflows.profiles import Profiles

RUNGS = "[{ side = 360, kilobits = 700 }]"


def write(folder: Path, name: str, text: str) -> Profiles:
    (folder / name).write_text(text)
    return Profiles.among(folder)


def check(folder: Path | None = None, **parameters: Any) -> dict[str, Any]:
    wanted = {"url": "/films/a.mp4", **parameters}
    return check_encoding(wanted, Path("/assets"), Profiles.among(folder))


def test_ours_are_there_without_any_folder() -> None:
    names = ["av1", "h264-fast", "h264-quality", "hevc", "multi-codec"]
    assert list(Profiles.among(None).files) == names
    assert all(file.is_ours for file in Profiles.among(None).files.values())


def test_a_file_adds_a_profile(tmp_path: Path) -> None:
    known = write(tmp_path, "phone.toml", f'description = "x"\n[video.h264]\nrungs = {RUNGS}')
    assert known.find("phone").ladders[0].rungs[0].side == 360
    assert known.find("h264-fast") == Profiles.among(None).find("h264-fast")


def test_a_profile_may_be_json(tmp_path: Path) -> None:
    document = {"description": "x", "video": {"av1": {"rungs": [{"side": 360, "kilobits": 300}]}}}
    assert write(tmp_path, "web.json", json.dumps(document)).find("web").main_codec == "av1"


def test_a_file_of_our_name_replaces_ours(tmp_path: Path) -> None:
    known = write(tmp_path, "h264-fast.toml", f'description = "x"\n[video.h264]\nrungs = {RUNGS}')
    assert len(known.find("h264-fast").ladders[0].rungs) == 1
    assert not known.files["h264-fast"].is_ours


def test_a_file_may_change_only_a_part_of_ours(tmp_path: Path) -> None:
    ours = Profiles.among(None).find("h264-fast")
    known = write(tmp_path, "h264-fast.toml", 'extends = "h264-fast"\n[video.h264]\ncrf = 25')
    changed = known.find("h264-fast")
    assert changed.coding("h264").crf == 25
    assert changed.ladders[0].rungs == ours.ladders[0].rungs


def test_profiles_build_on_each_other_but_not_in_circles(tmp_path: Path) -> None:
    write(tmp_path, "one.toml", 'extends = "h264-fast"\naudio_kilobits = 96')
    known = write(tmp_path, "two.toml", 'extends = "one"\ndescription = "Two."')
    assert (known.find("two").audio_bitrate, known.find("two").description) == (96_000, "Two.")
    write(tmp_path, "a.toml", 'extends = "b"')
    known = write(tmp_path, "b.toml", 'extends = "a"')
    with pytest.raises(SettingsError, match="no profile to build on"):
        known.find("a")


@pytest.mark.parametrize("base", ['"nothing"', "7", '"self"'])
def test_there_must_be_something_to_build_on(base: str, tmp_path: Path) -> None:
    known = write(tmp_path, "self.toml", f"extends = {base}")
    with pytest.raises(SettingsError, match="no profile to build on"):
        known.find("self")


def test_a_client_gets_its_own_part_of_a_profile(tmp_path: Path) -> None:
    text = 'extends = "h264-fast"\n[clients.acme]\naudio_kilobits = 256'
    known = write(tmp_path, "h264-fast.toml", text)
    assert known.find("h264-fast", "acme").audio_bitrate == 256_000
    assert known.find("h264-fast", "other").audio_bitrate == 128_000
    assert known.find("h264-fast").audio_bitrate == 128_000
    assert known.clients("h264-fast") == ["acme"]


def test_an_unknown_profile_is_refused_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match="no profile 'h264-fsat'") as caught:
        check(profile="h264-fsat")
    assert caught.value.code == "profile_unknown"
    assert caught.value.hint.startswith("Did you mean h264-fast?")


@pytest.mark.parametrize(
    ("name", "text"),
    [("bad.toml", "x = "), ("bad.json", "{"), ("bad.json", "[]"), ("bad.toml", "#" * 200_000)],
)
def test_a_broken_file_breaks_only_its_own_profile(name: str, text: str, tmp_path: Path) -> None:
    known = write(tmp_path, name, text)
    assert known.find("h264-fast")
    with pytest.raises(SettingsError, match=r"^profile bad: ") as caught:
        known.find("bad")
    assert caught.value.code == "profile_invalid"
    assert name in caught.value.hint


@pytest.mark.parametrize("names", [["Big.toml"], ["a b.toml"], ["x.toml", "x.json"]])
def test_names_that_cannot_be_asked_for_are_refused(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_text("")
    with pytest.raises(SettingsError, match="is no profile"):
        Profiles.among(tmp_path)


def test_a_folder_that_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        Profiles.among(tmp_path / "nowhere")
    assert "ADAPTATION_PROFILES" in caught.value.hint


def test_other_files_in_the_folder_do_not_matter(tmp_path: Path) -> None:
    assert list(write(tmp_path, "README.md", "Hello").files) == list(Profiles.among(None).files)


def test_a_job_keeps_all_that_its_profile_said(tmp_path: Path) -> None:
    write(tmp_path, "h264-fast.toml", 'extends = "h264-fast"\n[video.h264]\ncrf = 25')
    coding = check(tmp_path)["encoding"]["ladders"][0]["coding"]
    assert (coding["crf"], coding["preset"]) == (25, "veryfast")


def test_what_was_checked_may_be_checked_again_but_nobody_brings_an_encoding_of_his_own() -> None:
    checked = check(profile="av1")
    assert check_encoding(checked, Path("/assets"), Profiles.among(None)) == checked
    with pytest.raises(ParameterError, match="unknown parameter 'encoding'"):
        check(profile="av1", encoding=check(profile="hevc")["encoding"])


def test_a_client_s_words_go_over_the_profile_s() -> None:
    asked = check(preset="medium", rate_control="abr")
    coding = asked["encoding"]["ladders"][0]["coding"]
    assert (coding["preset"], coding["rate_control"]) == ("medium", "abr")
    assert (asked["preset"], asked["rate_control"]) == ("medium", "abr")


def test_renditions_have_the_profile_s_codec_unless_they_say_another() -> None:
    renditions = [{"height": 360, "bitrate": 300}, {"height": 360, "bitrate": 500, "codec": "h264"}]
    asked = check(profile="av1", renditions=renditions, preset="superfast")
    codings = {
        ladder["coding"]["codec"]: ladder["coding"] for ladder in asked["encoding"]["ladders"]
    }
    assert list(codings) == ["av1", "h264"]
    assert (codings["av1"]["preset"], codings["h264"]["preset"]) == ("8", "superfast")


def test_a_rate_control_of_another_name_is_refused() -> None:
    with pytest.raises(ParameterError, match="rate_control"):
        check(rate_control="cbr")
