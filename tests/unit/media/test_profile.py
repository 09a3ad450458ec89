"""Profiles are data: what is wrong with one is said, and what is laid over one counts."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.adapters.profiles import profile_files
from adaptation.errors import ParameterError, SettingsError
from adaptation.media.coding import CODECS, ENCODERS, usual_coding
from adaptation.media.profile import Profile, ProfileRung
from adaptation.media.profile_document import client_override, merge, resolve

PLAIN = tomllib.loads("""
description = "For tests."
[video.h264]
rungs = [{ side = 720, kilobits = 2000 }, { side = 360, kilobits = 700 }]
[clients.acme]
audio_kilobits = 192
[clients.acme.video.h264]
crf = 18
""")
OURS = sorted(profile_files(None))


def changed(path: str, value: Any) -> dict[str, Any]:
    """The plain profile with something else at `video.h264.crf`, say."""
    override: Any = value
    for key in reversed(path.split(".")):
        override = {key: override}
    return merge(PLAIN, override)


@pytest.mark.parametrize("name", OURS)
def test_our_profiles_are_valid_and_survive_json(name: str) -> None:
    profile = resolve(name, profile_files(None)[name].read())
    assert Profile.from_json(json.loads(json.dumps(profile.to_json()))) == profile
    assert len({ladder.coding.codec for ladder in profile.ladders}) == len(profile.ladders)


def test_the_usual_profile_is_what_the_ladder_has_always_been() -> None:
    profile = resolve("h264-fast", profile_files(None)["h264-fast"].read())
    (ladder,) = profile.ladders
    assert ladder.coding == usual_coding("h264")
    assert (ladder.coding.preset, ladder.coding.crf) == ("veryfast", 23)
    rates = {rung.side: rung.bitrate // 1000 for rung in ladder.rungs}
    assert rates == {1080: 5000, 720: 2800, 540: 1600, 360: 800, 234: 350}
    assert profile.audio_bitrates == {"stereo": 128_000, "5.1": 384_000}


def test_what_is_not_said_is_as_usual() -> None:
    profile = resolve("plain", PLAIN)
    assert profile.ladders[0].coding == usual_coding("h264")
    assert profile.ladders[0].rungs == (ProfileRung(720, 2_000_000), ProfileRung(360, 700_000))


def test_hardware_is_chosen_by_name_and_asked_for_what_it_can_do() -> None:
    coding = resolve("gpu", changed("video.h264.encoder", "h264_vaapi")).coding("h264")
    assert (coding.encoder, coding.preset, coding.rate_control) == ("h264_vaapi", "", "abr")


RUNG = {"side": 720, "kilobits": 2000}
WRONG: dict[str, tuple[Mapping[str, Any], str, str]] = {
    "a typing error": (changed("audio_kilobit", 96), "'audio_kilobit'", "audio_kilobits"),
    "one in a codec": (changed("video.h264.pre_set", "fast"), "video.h264.pre_set", "preset"),
    "one in a rung": (
        changed("video.h264.rungs", [{**RUNG, "kbits": 1}]),
        "video.h264.rungs.0.kbits",
        "kilobits",
    ),
    "an unknown codec": (changed("video.mpeg2", {"rungs": [RUNG]}), "video.mpeg2", "profiles.md"),
    "an encoder of another codec": (changed("video.h264.encoder", "libx265"), "libx265", ""),
    "an unknown encoder": (changed("video.h264.encoder", "x264"), "choose one of libx264", ""),
    "an unknown preset": (changed("video.h264.preset", "warp"), "'warp'", ""),
    "a preset of another encoder": (changed("video.h264.preset", "p5"), "veryfast", ""),
    "a preset where there is none": (
        merge(PLAIN, {"video": {"h264": {"encoder": "h264_vaapi", "preset": "fast"}}}),
        "none",
        "",
    ),
    "a rate control": (changed("video.h264.rate_control", "cbr"), "rate_control", ""),
    "one the encoder has not": (
        merge(PLAIN, {"video": {"h264": {"encoder": "h264_qsv", "rate_control": "capped_crf"}}}),
        "only abr",
        "",
    ),
    "a quality off the scale": (changed("video.h264.crf", 52), "52", ""),
    "no quality": (changed("video.h264.crf", 0), "video.h264.crf", ""),
    "a factor": (changed("video.h264.maxrate_factor", 0.5), "maxrate_factor", ""),
    "a buffer": (changed("video.h264.buffer_seconds", 60), "buffer_seconds", ""),
    "no rungs": (changed("video.h264.rungs", []), "video.h264.rungs", ""),
    "rungs that rise": (changed("video.h264.rungs", [RUNG, RUNG]), "smaller and cheaper", ""),
    "a rate in bits": (changed("video.h264.rungs", [{"side": 9, "kilobits": 9}]), "side", ""),
    "a word for a number": (changed("audio_kilobits", "128"), "audio_kilobits", ""),
    "no picture": (changed("video", 1), "video", ""),
}


@pytest.mark.parametrize(("document", "named", "hint"), WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_named(document: Mapping[str, Any], named: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=r"^profile bad: ") as caught:
        resolve("bad", document)
    assert caught.value.code == "profile_invalid"
    assert named in caught.value.message
    assert hint in caught.value.hint


def test_a_client_s_part_of_a_profile_changes_only_what_it_says() -> None:
    plain = resolve("plain", PLAIN)
    acme = resolve("plain", PLAIN, [client_override("plain", PLAIN, "acme")])
    assert acme.audio_bitrate == 192_000
    assert acme.coding("h264") == replace(plain.coding("h264"), crf=18)
    assert replace(acme, audio_bitrate=128_000).ladders[0].rungs == plain.ladders[0].rungs
    assert resolve("plain", PLAIN, [client_override("plain", PLAIN, "nobody")]) == plain


def test_a_client_s_part_is_judged_like_the_whole() -> None:
    with pytest.raises(SettingsError, match=r"unknown field 'video\.h264\.crff'"):
        resolve("plain", PLAIN, [{"video": {"h264": {"crff": 1}}}])
    with pytest.raises(SettingsError, match="clients is no table"):
        client_override("plain", {"clients": []}, "acme")


def test_the_last_override_wins() -> None:
    overrides = [{"audio_kilobits": 96}, {"audio_kilobits": 160}]
    assert resolve("plain", PLAIN, overrides).audio_bitrate == 160_000


DOCUMENTS = st.recursive(
    st.integers(),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
).filter(lambda document: isinstance(document, dict))


@given(DOCUMENTS, DOCUMENTS)
def test_laying_a_document_over_another_twice_changes_nothing_more(
    document: dict[str, Any], override: dict[str, Any]
) -> None:
    once = merge(document, override)
    assert merge(once, override) == once
    assert set(once) == set(document) | set(override)
    assert merge(document, {}) == document
    assert merge({}, override) == override


@given(st.sampled_from(OURS), st.sampled_from(CODECS))
def test_every_codec_can_be_encoded_under_every_profile(name: str, codec: str) -> None:
    profile = resolve(name, profile_files(None)[name].read()).covering(CODECS)
    assert ENCODERS[profile.coding(codec).encoder].codec == codec
    assert {ladder.coding.codec for ladder in profile.ladders} == set(CODECS)


def test_a_preset_goes_to_each_encoder_that_knows_the_word() -> None:
    profile = resolve("plain", PLAIN).covering(["hevc", "av1"]).chosen("medium", None)
    presets = [ladder.coding.preset for ladder in profile.ladders]
    assert presets == ["medium", "medium", usual_coding("av1").preset]


def test_a_preset_that_no_encoder_knows_is_refused() -> None:
    with pytest.raises(ParameterError, match="'warp'") as caught:
        resolve("plain", PLAIN).chosen("warp", None)
    assert "veryfast" in caught.value.hint


def test_a_rate_control_goes_to_all_encoders_or_is_refused() -> None:
    plain = resolve("plain", PLAIN)
    assert plain.chosen(None, "abr").coding("h264").rate_control == "abr"
    with pytest.raises(ParameterError, match="h264_qsv cannot do capped_crf"):
        resolve("gpu", changed("video.h264.encoder", "h264_qsv")).chosen(None, "capped_crf")
