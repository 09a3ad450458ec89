"""The structures that Windows is given have the layout of its headers."""

from __future__ import annotations

import ctypes
import sys

import pytest

from adaptation.adapters.job_object import (
    BasicLimits,
    ExtendedLimits,
    IoCounters,
    JobObject,
    limits,
)

pytestmark = pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="sizes of 64 bits")


def test_sizes_and_places_are_those_of_winnt_h() -> None:
    assert [ctypes.sizeof(kind) for kind in (BasicLimits, IoCounters, ExtendedLimits)] == [
        64, 48, 144
    ]  # fmt: skip
    assert BasicLimits.LimitFlags.offset == 16
    assert BasicLimits.Affinity.offset == 48
    assert ExtendedLimits.IoInfo.offset == 64
    assert ExtendedLimits.ProcessMemoryLimit.offset == 112


def test_a_job_ends_with_its_handle_and_bounds_memory() -> None:
    wanted = limits(3 << 30)
    assert wanted.BasicLimitInformation.LimitFlags == 0x2500
    assert wanted.ProcessMemoryLimit == 3 << 30
    assert bytes(wanted)[16:20] == (0x2500).to_bytes(4, "little")


@pytest.mark.skipif(sys.platform == "win32", reason="there it is for real")
def test_other_systems_have_none() -> None:
    with pytest.raises(OSError, match="Windows"):
        JobObject(1, 1)
