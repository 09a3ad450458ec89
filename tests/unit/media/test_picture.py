"""Pictures are converted only as far as they differ from what we make."""

from __future__ import annotations

from fractions import Fraction

import pytest

from adaptation.media.picture import (
    decoder_options,
    deinterlacing,
    hdr_kind,
    notes,
    picture_filters,
    source_matrix,
)
from adaptation.media.probe import VideoTrack

SIZE = (640, 360)


def picture(**changes: object) -> VideoTrack:
    track = VideoTrack(0, "hevc", 1920, 1080, 0, Fraction(25), "yuv420p10le", "bt2020nc", False)
    return VideoTrack(**{**vars(track), **changes})


def graph(**changes: object) -> str:
    return ",".join(picture_filters(picture(**changes), SIZE))


def test_an_ordinary_picture_goes_through_the_scaler_alone() -> None:
    for primaries in ("", "bt709"):
        filters = graph(color_space="bt709", primaries=primaries)
        assert "zscale" not in filters
        assert filters.startswith("scale=640:360:")
        assert filters.endswith("setsar=1,format=yuv420p")


def test_hdr_is_scaled_before_its_light_is_bent() -> None:
    filters = graph(transfer="smpte2084", primaries="bt2020")
    assert filters.index("scale=640:360") < filters.index("npl=203") < filters.index("tonemap")
    assert filters.index("tonemap") < filters.index("primaries=bt709:transfer=bt709")


@pytest.mark.parametrize(("stated", "peak"), [(0, 1000), (4000, 4000), (100, 400), (65535, 10_000)])
def test_the_peak_is_the_stated_one_within_reason(stated: int, peak: int) -> None:
    assert f"peak={peak / 203:.4f}:" in graph(transfer="smpte2084", peak_nits=stated)


def test_other_primaries_are_converted_without_tone_mapping() -> None:
    filters = graph(primaries="smpte432", color_space="bt709")
    assert "primariesin=smpte432" in filters
    assert "tonemap" not in filters


@pytest.mark.parametrize(
    ("facts", "matrix"),
    [
        ({"color_space": "bt470bg"}, "bt470bg"),
        ({"color_space": ""}, "bt709"),
        ({"color_space": "", "height": 576}, "smpte170m"),
        ({"color_space": "", "primaries": "bt2020"}, "bt2020nc"),
        ({"color_space": "", "transfer": "arib-std-b67"}, "bt2020nc"),
        ({"color_space": "gbr", "height": 576}, "smpte170m"),
    ],
)
def test_the_matrix_is_the_stated_one_or_the_usual(facts: dict[str, object], matrix: str) -> None:
    assert source_matrix(picture(**facts)) == matrix


def test_a_picture_of_unknown_samples_may_be_transparent() -> None:
    assert "premultiply" in graph(pixel_format="")
    assert "premultiply" in graph(pixel_format="yuva420p", has_alpha=True)
    assert "premultiply" not in graph()


def test_only_transparent_vp8_and_vp9_need_another_decoder() -> None:
    assert decoder_options(picture(codec="vp9", has_alpha=True)) == ["-c:0", "libvpx-vp9"]
    assert decoder_options(picture(codec="vp8", has_alpha=True, index=2)) == ["-c:2", "libvpx"]
    assert decoder_options(picture(codec="vp9")) == []
    assert decoder_options(picture(codec="prores", has_alpha=True)) == []


def test_fields_that_nothing_announces_are_put_together_by_what_was_seen() -> None:
    assert deinterlacing(picture()) == []
    (announced,) = deinterlacing(picture(interlaced=True))
    assert announced.endswith(":deint=interlaced")
    (seen,) = deinterlacing(picture(interlaced=True, parity="bff"))
    assert seen.endswith(":parity=bff:deint=all")


def test_what_is_done_to_a_picture_is_told() -> None:
    assert notes(picture()) == []
    told = notes(picture(transfer="smpte2084", telecine="soft", interlaced=True, parity="tff"))
    assert "PQ, an unknown peak" in told[0]
    assert "soft telecine" in told[1]
    assert "tff" in told[2]
    assert hdr_kind(picture(transfer="arib-std-b67")) == "hlg"
    assert "1200 cd/m²" in notes(picture(transfer="smpte2084", peak_nits=1200))[0]
