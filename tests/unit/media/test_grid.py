"""A common grid: moments at which all pictures can be entered."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.errors import SourceError
from adaptation.media.grid import LONGEST_SECONDS, Rhythm, check_light, check_shapes, common_grid
from adaptation.media.timeline import Timeline


def rhythm(name: str, frames: int, every: int, rate: int = 25, **more: int) -> Rhythm:
    """A picture with a key frame each so many frames, on a clock of 90,000 ticks."""
    step = 90_000 // rate
    first = more.get("first", 0)
    pts = tuple(first + number * step for number in range(frames))
    return Rhythm(name, Timeline(Fraction(1, 90_000), pts, step), tuple(range(0, frames, every)))


def test_segments_start_at_keys_that_all_have() -> None:
    grid = common_grid([rhythm("a", 500, 25), rhythm("b", 500, 50)], 4)
    # A short first segment is soon there; all others begin at 4 s, 8 s...
    assert grid.starts[0] == grid.starts[1]
    assert set(grid.starts[0]) <= set(range(0, 500, 50))
    assert {0, 100, 200, 300, 400} <= set(grid.starts[0])


def test_frame_rates_and_clocks_may_differ() -> None:
    fast, slow = rhythm("fast", 1000, 50, rate=50), rhythm("slow", 500, 25, first=900_000)
    grid = common_grid([fast, slow], 4)
    assert [2 * start for start in grid.starts[1]] == list(grid.starts[0])


def test_ticks_of_milliseconds_are_the_same_moments() -> None:
    pts = tuple(round(1001 * number / 30) for number in range(300))
    rounded = Rhythm("b.mkv", Timeline(Fraction(1, 1000), pts, 33), tuple(range(0, 300, 30)))
    exact = Timeline(Fraction(1, 30_000), tuple(range(0, 300 * 1001, 1001)), 1001)
    grid = common_grid([Rhythm("a.mp4", exact, tuple(range(0, 300, 30))), rounded], 4)
    assert grid.starts[0] == grid.starts[1]


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([rhythm("b", 490, 25)], "a lasts 20.000 s, b lasts 19.600 s"),
        ([rhythm("b", 500, 400)], "a has a key frame at 1.000 s, and the nearest of b is at 0.000"),
        (
            [rhythm("c", 500, 25), rhythm("b", 500, 500)],
            "a has a key frame at 1.000 s, and the nearest of b is at 0.000",
        ),
    ],
)
def test_the_first_difference_is_named(others: list[Rhythm], said: str) -> None:
    with pytest.raises(SourceError) as caught:
        common_grid([rhythm("a", 500, 25), *others], 4)
    assert caught.value.code == "sources_not_aligned"
    assert said in caught.value.message
    assert "encode_source" in caught.value.hint


def test_one_picture_may_be_too_hard_to_enter() -> None:
    frames = 25 * LONGEST_SECONDS
    assert common_grid([rhythm("a", frames, frames)], 4).starts == ((0,),)
    with pytest.raises(SourceError, match="no key frame at which it can be entered"):
        common_grid([rhythm("a", frames + 25, frames + 25)], 4)


def test_a_picture_is_entered_at_its_first_frame() -> None:
    late = Rhythm("b", rhythm("b", 100, 25).timeline, (25, 50))
    with pytest.raises(SourceError, match="b cannot be entered at its first frame"):
        common_grid([rhythm("a", 100, 25), late], 4)


def test_shapes_may_differ_by_rounding_only() -> None:
    check_shapes([("a", 1920, 1080), ("b", 426, 240), ("c", 854, 480)])
    with pytest.raises(SourceError, match="a is 1920x1080, b is 640x480"):
        check_shapes([("a", 1920, 1080), ("b", 640, 480)])


def test_light_is_of_one_kind() -> None:
    check_light([("a", ""), ("b", "")])
    check_light([("a", "pq"), ("b", "pq")])
    with pytest.raises(SourceError, match="a is SDR, b is PQ"):
        check_light([("a", ""), ("b", "pq")])


@given(
    gops=st.lists(st.sampled_from([5, 10, 15, 25, 30]), min_size=1, max_size=4),
    frames=st.integers(100, 2000),
)
def test_every_start_is_a_key_frame_of_all(gops: list[int], frames: int) -> None:
    rhythms = [rhythm(str(number), frames, gop) for number, gop in enumerate(gops)]
    grid = common_grid(rhythms, 4)
    for one, starts in zip(rhythms, grid.starts, strict=True):
        assert starts[0] == 0
        assert list(starts) == sorted(set(starts))
        assert set(starts) <= set(one.keys)
