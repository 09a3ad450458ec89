"""Whatever a tool prints as its progress, the figures stay sane, and standing still is noticed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.adapters.progress import FROZEN_SECONDS, Progress, ProgressReader
from adaptation.errors import ToolError

KEYS = st.sampled_from(["frame", "fps", "speed", "out_time_us", "progress", "bitrate", ""])
VALUES = st.one_of(
    st.sampled_from(
        ["N/A", "nan", "inf", "-inf", "1e999", "-5", "1.5x", "x", "", "continue", "end"]
    ),
    st.integers().map(str),
    st.text(max_size=12),
)


@given(st.lists(st.tuples(KEYS, VALUES).map("=".join), max_size=40))
def test_figures_are_finite_and_never_run_backwards(lines: list[str]) -> None:
    reports: list[Progress] = []
    reader = ProgressReader(2.0, reports.append)
    for line in lines:
        reader.read(line)
    for one in reports:
        assert 0 <= one.fraction <= 1
        assert all(math.isfinite(n) and n >= 0 for n in (one.fps, one.speed, one.out_seconds))
    seconds = [one.out_seconds for one in reports]
    assert seconds == sorted(seconds)


def test_a_time_that_is_none_has_no_speed_either() -> None:
    reports: list[Progress] = []
    reader = ProgressReader(10.0, reports.append)
    for lines in ("9223372036854775807 2.3e+12x", "5000000 2.5x"):
        written, speed = lines.split()
        for line in (f"out_time_us={written}", f"speed={speed}", "progress=continue"):
            reader.read(line)
    assert [(one.out_seconds, one.speed) for one in reports] == [(0.0, 0.0), (5.0, 2.5)]


def test_endless_other_keys_take_no_memory() -> None:
    reader = ProgressReader(1.0, lambda _: None)
    for number in range(10_000):
        reader.read(f"key{number}={number}")
    assert len(reader.values) == 0


def test_reports_that_get_nowhere_are_a_stall() -> None:
    now = 0.0
    reader = ProgressReader(1.0, lambda _: None, clock=lambda: now)

    def report(frame: int) -> None:
        reader.read(f"frame={frame}")
        reader.read("progress=continue")

    report(1)
    now = FROZEN_SECONDS
    report(1)
    report(2)
    now = 2 * FROZEN_SECONDS
    report(2)
    now += 1
    with pytest.raises(ToolError) as caught:
        report(2)
    assert caught.value.code == "tool_stalled"
    assert caught.value.hint
