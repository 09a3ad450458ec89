"""Each way a tool can end has one code, one remedy, and somebody at fault."""

from __future__ import annotations

import signal

import pytest

from adaptation.adapters.verdict import HINTS, End, blamed, judged
from adaptation.errors import AdaptationError, SettingsError, SourceError, ToolError, Transient


def error_of(returncode: int, said: str = "", **facts: float) -> AdaptationError:
    return judged(End(("/opt/ffmpeg", "-i", "x y"), returncode, said, **facts))


@pytest.mark.parametrize(
    ("returncode", "said", "code"),
    [
        (-signal.SIGSEGV, "", "tool_crashed"),
        (128 + signal.SIGSEGV, "Segmentation fault", "tool_crashed"),
        (-signal.SIGTERM, "", "tool_crashed"),
        (-signal.SIGXCPU, "", "tool_cpu_limit"),
        (-signal.SIGXFSZ, "", "tool_file_limit"),
        (153, "File size limit exceeded", "tool_file_limit"),
        (228, "av_interleaved_write_frame(): File too large", "tool_file_limit"),
        (-signal.SIGKILL, "", "tool_memory_limit"),
        (137, "", "tool_memory_limit"),
        (244, "Conversion failed: Cannot allocate memory", "tool_memory_limit"),
        (-signal.SIGABRT, "terminate called after throwing 'std::bad_alloc'", "tool_memory_limit"),
        (1, "the cable is loose", "tool_failed"),
        (183, "x.mp4: Invalid data found when processing input", "tool_failed"),
        (255, "", "tool_failed"),
    ],
)
def test_each_ending_has_its_code_and_a_remedy(returncode: int, said: str, code: str) -> None:
    error = error_of(returncode, said)
    assert isinstance(error, ToolError)
    assert (error.code, error.hint) == (code, HINTS[code])
    assert error.command == "/opt/ffmpeg -i 'x y'"
    assert error.message.startswith("ffmpeg ")


def test_who_used_up_the_processor_was_stopped_for_it_whatever_it_says() -> None:
    assert error_of(255, cpu_seconds=10.2, cpu_limit_seconds=10).code == "tool_cpu_limit"
    assert error_of(255, cpu_seconds=6, cpu_limit_seconds=10).code == "tool_failed"


@pytest.mark.parametrize("said", ["No space left on device", "Disk quota exceeded"])
def test_a_full_disk_is_nobodys_fault(said: str) -> None:
    error = error_of(1, f"av_write: {said}")
    assert isinstance(error, Transient)
    assert error.code == "disk_full"


def test_a_tool_that_could_not_be_confined_is_a_matter_of_settings() -> None:
    error = error_of(126, "cannot be confined: Function not implemented")
    assert isinstance(error, SettingsError)
    assert error.code == "sandbox_missing"
    assert error_of(126, "Permission denied").code == "tool_failed"


def test_a_denied_file_names_the_setting_that_allows_it() -> None:
    error = error_of(127, "libfoo.so: cannot open shared object file: Permission denied")
    assert isinstance(error, ToolError)
    assert "ADAPTATION_SANDBOX_PROGRAMS" in error.hint


@pytest.mark.parametrize(
    "said",
    [
        "[in#0 @ 0x1] Error opening input: Invalid data found when processing input",
        "[mov @ 0x1] moov atom not found",
        "[dec:magicyuv] Codec (magicyuv) not on whitelist 'h264'",
    ],
)
def test_what_ffmpeg_puts_down_to_the_source_is_the_sources_fault(said: str) -> None:
    error = error_of(183, said)
    assert isinstance(error, ToolError)
    found = blamed(error, "film.mp4")
    assert isinstance(found, SourceError)
    assert found.code == "source_unreadable"
    assert found.message == f"film.mp4 cannot be decoded: {said.rpartition('] ')[2]}"


def test_a_crash_is_not_put_down_to_the_source_at_once() -> None:
    error = error_of(-11, "Invalid data found when processing input")
    assert isinstance(error, ToolError)
    assert blamed(error, "film.mp4") is error
