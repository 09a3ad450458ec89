"""Whether pictures are made of fields is asked only in doubt, and judged by majority."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, cycle, islice

import pytest

from adaptation.media.fields import Look, is_pulled_down, look_start
from adaptation.media.probe import VideoTrack
from adaptation.media.timeline import Timeline


def picture(**changes: object) -> VideoTrack:
    rate = Fraction(30_000, 1001)
    track = VideoTrack(0, "huffyuv", 720, 480, 0, rate, "yuv422p", "", interlaced=False)
    return VideoTrack(**{**vars(track), **changes})


def looked(whole: list[str], repeated: list[str], **changes: object) -> VideoTrack:
    look = Look()
    for word in whole:
        look.read(f"lavfi.idet.multiple.current_frame={word}\n")
    look.read("frame:3    pts:3       pts_time:0.12\n")
    for word in repeated:
        look.read(f"lavfi.idet.repeated.current_frame={word}\n")
    return look.judged(picture(**changes))


@pytest.mark.parametrize(
    "facts",
    [
        {"field_order": "progressive"},
        {"codec": "vp9"},
        {"frame_rate": Fraction(50)},
        {"width": 640, "height": 360},
    ],
)
def test_nothing_is_looked_at_without_doubt(facts: dict[str, object]) -> None:
    assert look_start(picture(**facts), 100) is None


def test_doubtful_pictures_are_looked_at_where_something_moves() -> None:
    assert look_start(picture(), 20) == 0
    assert look_start(picture(), 90) == 30
    announced = picture(codec="h264", field_order="tt", interlaced=True, frame_rate=Fraction(50))
    assert look_start(announced, 90) == 30


def test_the_majority_of_frames_decides_on_combs() -> None:
    combed = looked(["tff"] * 20 + ["progressive"] * 10, ["neither"] * 30)
    assert (combed.interlaced, combed.parity) == (True, "tff")
    assert looked(["bff"] * 9 + ["undetermined"] * 30, ["neither"] * 39).parity == "bff"
    whole = looked(["tff"] * 10 + ["progressive"] * 20, ["neither"] * 30)
    assert (whole.interlaced, whole.parity) == (False, "")
    assert looked(["tff"] * 3, ["neither"] * 3).parity == ""


def test_frames_that_call_themselves_interlaced_are_believed() -> None:
    seen = looked([], ["neither"] * 30)
    assert (seen.interlaced, seen.parity) == (True, "")


def test_an_announcement_is_not_withdrawn_by_a_still() -> None:
    assert looked(["progressive"] * 30, ["neither"] * 30, interlaced=True).interlaced


def test_film_repeats_one_field_of_each_kind_in_five_frames() -> None:
    film = ["top", "neither", "bottom", "neither", "neither"] * 6
    assert looked([], film).telecine == "hard"
    assert looked([], film, frame_rate=Fraction(25)).telecine == ""
    assert looked([], ["neither"] * 28 + ["top", "bottom"]).telecine == ""


def test_flags_that_show_film_for_three_and_two_fields_are_seen_in_the_times() -> None:
    def frames(*gaps: int) -> Timeline:
        return Timeline(Fraction(1, 90_000), tuple(accumulate(islice(cycle(gaps), 48))), gaps[0])

    assert is_pulled_down(frames(4505, 3003))
    assert not is_pulled_down(frames(3754, 3754))
    assert not is_pulled_down(frames(3003))
    assert not is_pulled_down(Timeline(Fraction(1, 90_000), (0, 4505, 7508), 4505))
