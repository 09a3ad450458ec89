"""Children are watched, bounded, and never outlive the process that started them."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from adaptation.adapters.process import STDERR_LIMIT_BYTES, Limits, run
from adaptation.adapters.sandbox import Access
from adaptation.errors import Cancelled, SettingsError, ToolError, Transient

PYTHON = Access(reads=(Path(sys.prefix), Path(sys.base_prefix)))
"""What Python reads when it starts."""


def python(code: str) -> list[str]:
    """The command that runs some Python."""
    return [sys.executable, "-c", textwrap.dedent(code)]


def shell(code: str) -> list[str]:
    """The command that runs some shell."""
    return ["/bin/sh", "-c", code]


def is_alive(pid: int) -> bool:
    """Whether a process still runs; a zombie does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_until_gone(pid: int, seconds: float = 5.0) -> bool:
    """Wait until the process has ended."""
    if is_alive(pid):
        with suppress(psutil.Error):
            psutil.Process(pid).wait(seconds)
    return not is_alive(pid)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """No test ends with more threads, children and open files than it began with."""
    me = psutil.Process()
    before = _held(me)
    yield
    # What earlier tests have started may end meanwhile.
    assert {name: held for name, held in _held(me).items() if held > before[name]} == {}


def _held(process: psutil.Process) -> dict[str, int]:
    return {
        "threads": threading.active_count(),
        "children": len(process.children()),
        "open files": process.num_fds(),
    }


def test_what_a_command_prints_is_returned() -> None:
    finished = run(shell("echo one; echo two; echo three >&2"))
    assert finished.stdout == "one\ntwo"
    assert finished.stderr_tail == "three"
    assert finished.wall_seconds > 0


def test_the_time_a_command_spends_is_measured() -> None:
    finished = run(python("sum(range(3_000_000))"), access=PYTHON)
    assert 0.01 < finished.cpu_seconds <= finished.wall_seconds + 0.1


def test_lines_arrive_in_the_calling_thread() -> None:
    seen = []
    code = shell("printf 'a\\r\\nb\\nlast'")
    finished = run(code, on_line=lambda line: seen.append((line, threading.get_ident())))
    assert seen == [(line, threading.get_ident()) for line in ("a", "b", "last")]
    assert finished.stdout == ""


def test_an_error_in_the_reader_of_lines_ends_the_child() -> None:
    pids = []

    def refuse(line: str) -> None:
        pids.append(int(line))
        raise ValueError(line)

    with pytest.raises(ValueError, match=r"\d"):
        run(shell("echo $$; exec sleep 60"), on_line=refuse)
    assert not is_alive(pids[0])


def test_a_loud_stderr_neither_blocks_nor_fills_the_memory() -> None:
    finished = run(python("import sys; sys.stderr.write('x' * 5_000_000 + 'end')"), access=PYTHON)
    assert finished.stderr_tail.endswith("end")
    assert len(finished.stderr_tail) <= STDERR_LIMIT_BYTES


def test_a_folder_can_be_chosen(tmp_path: Path) -> None:
    assert run(shell("pwd -P"), cwd=tmp_path).stdout == str(tmp_path.resolve())


def test_a_child_is_fed_nothing() -> None:
    assert run(["/bin/cat"]).stdout == ""


def test_a_bad_status_is_an_error_with_the_command_and_its_last_words() -> None:
    with pytest.raises(ToolError) as caught:
        run(shell("echo 'it broke' >&2; exit 3"))
    error = caught.value
    assert error.code == "tool_failed"
    assert "status 3" in error.message
    assert error.stderr_tail == "it broke"
    assert error.command == "/bin/sh -c 'echo '\"'\"'it broke'\"'\"' >&2; exit 3'"


def test_death_by_a_signal_is_a_crash() -> None:
    with pytest.raises(ToolError, match="SIGSEGV") as caught:
        run(shell("kill -SEGV $$"))
    assert caught.value.code == "tool_crashed"


def test_a_full_disk_may_have_room_again() -> None:
    with pytest.raises(Transient) as caught:
        run(shell("echo 'av_write: No space left on device' >&2; exit 1"))
    assert caught.value.code == "disk_full"


def test_a_missing_program_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError) as caught:
        run(["/nowhere/ffmpeg", "-version"])
    assert caught.value.code == "tool_missing"


def test_silence_for_too_long_is_a_stall() -> None:
    with pytest.raises(ToolError) as caught:
        run(shell("echo started; exec sleep 60"), limits=Limits(stall_seconds=0.3))
    assert caught.value.code == "tool_stalled"


def test_a_life_that_is_too_long_is_ended() -> None:
    started = time.monotonic()
    with pytest.raises(ToolError) as caught:
        run(shell("exec sleep 60"), limits=Limits(timeout_seconds=0.3))
    assert caught.value.code == "tool_timeout"
    assert time.monotonic() - started < 5


def test_a_child_that_closed_its_output_is_still_bounded() -> None:
    with pytest.raises(ToolError) as caught:
        run(shell("exec >&- 2>&-; exec sleep 60"), limits=Limits(timeout_seconds=0.3))
    assert caught.value.code == "tool_timeout"


def test_a_child_gives_way_from_when_it_is_told_to() -> None:
    yields, seen = threading.Event(), list[str]()
    # Each of its threads, for Linux knows no priority of a whole process; and its session.
    watch = """
        import os, threading, time
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        sessions = "/proc/self/autogroup"
        for _ in range(300):
            tasks = map(int, os.listdir("/proc/self/task"))
            nice = {os.getpriority(os.PRIO_PROCESS, task) for task in tasks}
            group = open(sessions).read().split()[-1] if os.path.exists(sessions) else max(nice)
            print(*nice, group, flush=True)
            if {*nice, int(group)} == {10}:
                break
            time.sleep(0.02)
    """

    def look(line: str) -> None:
        seen.append(line)
        yields.set()

    run(python(watch), access=PYTHON, on_line=look, limits=Limits(yields=yields))
    assert seen[0] != "10 10"
    assert seen[-1] == "10 10"


def test_cancelling_ends_the_child_and_its_children() -> None:
    cancelled = threading.Event()
    pids: list[int] = []

    def note(line: str) -> None:
        pids.append(int(line))
        if len(pids) == 2:
            cancelled.set()

    with pytest.raises(Cancelled):
        run(shell("sleep 60 & echo $!; echo $$; wait"), on_line=note, limits=Limits(cancelled))
    assert all(wait_until_gone(pid) for pid in pids)


def test_a_child_that_ignores_polite_requests_is_killed() -> None:
    cancelled = threading.Event()
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)\n"
    with pytest.raises(Cancelled):
        run(
            python(f"{code}while True: time.sleep(1)"),
            access=PYTHON,
            on_line=lambda _: cancelled.set(),
            limits=Limits(cancelled),
        )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child")
def test_a_child_dies_with_its_killed_parent(tmp_path: Path) -> None:
    code = """
        import sys
        from adaptation.adapters.process import run
        run(["/bin/sh", "-c", "echo $$; exec sleep 60"],
            on_line=lambda line: print(line, flush=True))
    """
    with subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
    assert wait_until_gone(child)
