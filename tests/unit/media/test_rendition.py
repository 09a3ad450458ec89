"""Renditions keep the source's shape, and a wrong request says what is wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.errors import ParameterError
from adaptation.media.rendition import Rendition, parse_renditions, target_size

SIDES = st.integers(1, 10_000)
EVEN = st.integers(1, 3000).map(lambda half: 2 * half)


@given(SIDES, SIDES, EVEN)
def test_a_size_is_even_and_never_above_the_source(width: int, height: int, target: int) -> None:
    new_width, new_height = target_size(width, height, target)
    assert new_width % 2 == new_height % 2 == 0
    assert 2 <= new_width <= max(2, width)
    assert 2 <= new_height <= max(2, min(height, target))


@given(SIDES, SIDES, EVEN)
def test_a_size_keeps_the_shape_to_a_pixel(width: int, height: int, target: int) -> None:
    new_width, new_height = target_size(width, height, target)
    exact = width * new_height / height
    assert abs(new_width - exact) <= 1 or new_width in (2, width - width % 2)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ((1920, 1080), 720, (1280, 720)),
        ((1920, 1080), 360, (640, 360)),
        ((640, 272), 1080, (640, 272)),
        ((321, 241), 1080, (320, 240)),
        ((1080, 1920), 1280, (720, 1280)),
        ((1, 1), 2, (2, 2)),
    ],
)
def test_usual_sizes(source: tuple[int, int], target: int, expected: tuple[int, int]) -> None:
    assert target_size(*source, target) == expected


@pytest.mark.parametrize("sides", [(0, 10, 10), (10, -1, 10), (10, 10, 0), (10, 10, 7)])
def test_impossible_sizes_are_refused(sides: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"positive|odd"):
        target_size(*sides)


def test_a_rendition_needs_only_height_and_bitrate() -> None:
    read = parse_renditions([{"height": 720, "bitrate": 2800}, {"height": "360", "bitrate": "800"}])
    assert read == (Rendition("720p", 720, 2_800_000), Rendition("360p", 360, 800_000))
    assert [Rendition.from_json(r.to_json()) for r in read] == list(read)


def test_everything_can_be_given() -> None:
    item = {"name": "hd_1", "height": 1080, "bitrate": 4000, "codec": "hevc"}
    assert parse_renditions([item]) == (Rendition("hd_1", 1080, 4_000_000, "hevc"),)


WRONG: list[tuple[object, str, str]] = [
    ({"bitrate": 800}, "renditions[0].height", "None"),
    ({"height": 720}, "renditions[0].bitrate", "None"),
    ({"height": 721, "bitrate": 800}, "renditions[0].height", "720"),
    ({"height": 99_999, "bitrate": 800}, "renditions[0].height", "4320"),
    ({"height": 10**400, "bitrate": 800}, "renditions[0].height", "…"),
    ({"height": -2, "bitrate": 800}, "renditions[0].height", "-2"),
    ({"height": True, "bitrate": 800}, "renditions[0].height", "True"),
    ({"height": 720.5, "bitrate": 800}, "renditions[0].height", "720.5"),
    ({"height": "٧٢٠", "bitrate": 800}, "renditions[0].height", "whole number"),
    ({"height": 720, "bitrate": "fast"}, "renditions[0].bitrate", "fast"),
    ({"height": 720, "bitrate": 5_000_000}, "renditions[0].bitrate", "200000"),
    ({"height": 720, "bitrate": 800, "codec": "vp8"}, "renditions[0].codec", "h264, hevc"),
    ({"height": 720, "bitrate": 800, "codec": ["h264"]}, "renditions[0].codec", "h264"),
    ({"height": 720, "bitrate": 800, "name": "../up"}, "renditions[0].name", "../up"),
    ({"height": 720, "bitrate": 800, "name": "a,b=c"}, "renditions[0].name", "a,b=c"),
    ({"height": 720, "bitrate": 800, "name": "audio_en"}, "renditions[0].name", "sound"),
    ({"height": 720, "bitrate": 800, "name": "text_en"}, "renditions[0].name", "subtitle"),
    ({"height": 720, "bitrate": 800, "name": 5}, "renditions[0].name", "5"),
    ({"height": 720, "bitrate": 800, "width": 3}, "renditions[0]", "width"),
    ("720p", "renditions[0]", "720p"),
]


@pytest.mark.parametrize(("item", "field", "part"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_rendition_names_field_value_and_remedy(
    item: object, field: str, part: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_renditions([item])  # type: ignore[list-item]
    assert caught.value.code == "rendition_invalid"
    assert caught.value.message.startswith(f"{field}: ")
    assert part in caught.value.message
    assert field in caught.value.hint
    assert len(caught.value.message) < 300


def test_names_must_differ() -> None:
    item = {"height": 720, "bitrate": 800}
    with pytest.raises(ParameterError, match=r"renditions\[1\]\.name"):
        parse_renditions([item, item])


@pytest.mark.parametrize("items", [[], [{"height": 2, "bitrate": 100}] * 65, "720p", {"a": 1}, 5])
def test_a_ladder_has_some_rungs_but_not_too_many(items: object) -> None:
    with pytest.raises(ParameterError, match="renditions: "):
        parse_renditions(items)  # type: ignore[arg-type]
