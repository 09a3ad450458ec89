"""Each encoder gets the words for what is asked of it, and for equal headers and bytes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.media.coding import (
    CODECS,
    ENCODERS,
    Stream,
    VideoCoding,
    reorder_depth,
    usual_coding,
    usual_encoder,
)
from adaptation.media.encoder import encoder_options, trial_command
from adaptation.media.hardware import device_options, needs_upload

STREAM = Stream(1_000_000, Fraction(30_000, 1001), longest_gop=120)
HARDWARE = [name for name, encoder in ENCODERS.items() if encoder.is_hardware]


def coding(name: str, rate_control: str = "abr") -> VideoCoding:
    encoder = ENCODERS[name]
    assert rate_control in encoder.rate_controls
    usual = replace(usual_coding(encoder.codec), encoder=name, preset=encoder.preset)
    return VideoCoding.from_json({**usual.to_json(), "rate_control": rate_control})


def options(name: str, rate_control: str = "abr", stream: Stream = STREAM) -> dict[str, str]:
    """Options and their values; each may stand there once."""
    words = encoder_options(coding(name, rate_control), stream)
    pairs = list(zip(words[::2], words[1::2], strict=True))
    assert all(word.startswith("-") for word, _ in pairs)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@pytest.mark.parametrize("codec", CODECS)
def test_each_codec_has_a_usual_software_encoder(codec: str) -> None:
    encoder = usual_encoder(codec)
    assert not encoder.is_hardware
    assert usual_coding(codec).encoder == encoder.name
    assert encoder.preset in encoder.presets


@pytest.mark.parametrize("name", ["libx264", "libx265"])
def test_a_cap_holds_the_bit_rate_and_quality_decides_below_it(name: str) -> None:
    words = options(name, "capped_crf")
    assert words["-crf"] == str(ENCODERS[name].crf)
    assert (words["-maxrate"], words["-bufsize"]) == ("1000000", "2000000")
    assert "-b:v" not in words


@pytest.mark.parametrize("name", ["libx264", "libx265", *HARDWARE])
def test_an_average_may_be_exceeded_for_as_long_as_a_buffer_lasts(name: str) -> None:
    words = options(name)
    assert words["-b:v"] == "1000000"
    assert (words["-maxrate"], words["-bufsize"]) == ("1500000", "3000000")
    assert "-crf" not in words


def test_av1_is_capped_too_but_averages_have_no_largest_rate() -> None:
    capped, average = options("libsvtav1", "capped_crf"), options("libsvtav1")
    assert (capped["-crf"], capped["-maxrate"]) == ("36", "1000000")
    assert "-b:v" not in capped
    assert average["-b:v"] == "1000000"
    assert "-maxrate" not in average


def test_nvenc_keeps_a_quality_under_a_cap() -> None:
    words = options("hevc_nvenc", "capped_crf")
    assert (words["-cq"], words["-b:v"], words["-maxrate"]) == ("26", "0", "1000000")


@pytest.mark.parametrize("name", ["libx265", "libsvtav1"])
def test_encoders_that_share_out_bits_by_the_frame_are_told_the_rate_of_frames(name: str) -> None:
    words = options(name)
    own = words.get("-x265-params", words.get("-svtav1-params", ""))
    assert "fps=30000/1001" in own or "fps-num=30000:fps-denom=1001" in own


@given(st.fractions(Fraction(1, 100), 1000))
def test_av1_gets_a_frame_rate_it_takes(rate: Fraction) -> None:
    own = options("libsvtav1", stream=replace(STREAM, frame_rate=rate))["-svtav1-params"]
    words = dict(word.split("=") for word in own.split(":"))
    assert 1 <= Fraction(int(words["fps-num"]), int(words["fps-denom"])) <= 240


@pytest.mark.parametrize("name", ENCODERS)
def test_key_frames_come_only_where_they_are_forced(name: str) -> None:
    words = options(name)
    own = next((words[word] for word in words if word.endswith("-params")), "")
    if ENCODERS[name].is_hardware:
        assert words["-g"] == "9999"
    else:
        assert "scenecut=0" in own or "scd=0" in own


@pytest.mark.parametrize("name", ENCODERS)
def test_hevc_keeps_its_parameter_sets_in_the_init_segment(name: str) -> None:
    assert (options(name).get("-tag:v") == "hvc1") == (ENCODERS[name].codec == "hevc")


@pytest.mark.parametrize("name", HARDWARE)
def test_hardware_stores_frames_as_they_are_shown(name: str) -> None:
    assert options(name)["-bf"] == "0"
    assert reorder_depth(coding(name), may_reorder=True) == 0


def test_pictures_are_sent_to_a_device_only_where_the_encoder_takes_them_there() -> None:
    assert {ENCODERS[name].family for name in ENCODERS if needs_upload(coding(name))} == {"vaapi"}
    assert device_options([coding("libx264"), coding("h264_nvenc")]) == []
    assert device_options([coding("libx264"), coding("h264_vaapi")])[0] == "-init_hw_device"


@pytest.mark.parametrize("name", ENCODERS)
def test_a_trial_makes_no_file(name: str) -> None:
    assert trial_command(name)[-3:] == ["-f", "null", "-"]
