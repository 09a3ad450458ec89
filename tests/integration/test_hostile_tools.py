"""A tool that hangs, ignores requests, floods, crashes or leaves others: it is ended and named."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psutil
import pytest

import clips
from adaptation.adapters import ffmpeg, orphans, process
from adaptation.adapters.process import STDERR_LIMIT_BYTES, Limits
from adaptation.adapters.sandbox import USUAL, Access, Sandbox
from adaptation.errors import AdaptationError, SourceError, ToolError
from command_line import adaptation
from services import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no signals there")
PYTHON = (Path(sys.prefix), Path(sys.base_prefix))
OFF = Sandbox("off")


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Whatever a tool has started is gone, and so are the threads and files it took here."""
    me = psutil.Process()
    before = threading.active_count(), len(me.children()), me.num_fds()
    yield
    assert (threading.active_count(), len(me.children()), me.num_fds()) == before
    assert [one for one in psutil.process_iter() if f"-{os.getpid()}-" in mark_of(one)] == []


def mark_of(one: psutil.Process) -> str:
    try:
        return one.environ().get(orphans.MARK, "")
    except (psutil.Error, OSError):
        return ""


def run(code: str, limits: Limits | None = None, within: Sandbox = USUAL) -> process.Finished:
    """Run some Python in a tool's place."""
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    return process.run(argv, access=Access(reads=PYTHON), within=within, limits=limits)


def ending(code: str, limits: Limits | None = None, within: Sandbox = USUAL) -> AdaptationError:
    """The error a tool ends with; it always has a remedy."""
    with pytest.raises(AdaptationError) as caught:
        run(code, limits, within)
    assert caught.value.hint
    return caught.value


HANGS = """
    import signal, time
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    print("begun", flush=True)
    while True:
        time.sleep(1)
"""


def test_a_tool_that_hangs_and_ignores_requests_is_killed_soon() -> None:
    begun = time.monotonic()
    error = ending(HANGS, Limits(stall_seconds=0.5))
    assert (error.code, error.retryable) == ("tool_stalled", True)
    assert time.monotonic() - begun < 0.5 + process.GRACE_SECONDS + 3


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGILL", "SIGBUS", "SIGFPE"])
def test_a_crash_is_the_sources_doing_when_it_comes_again(name: str) -> None:
    error = ending(f"import os, signal; os.kill(os.getpid(), signal.{name})")
    assert (error.code, error.retryable) == ("tool_crashed", True)
    assert name in error.message
    assert "this source" in error.hint


def test_a_crash_of_a_tool_inside_a_script_is_a_crash() -> None:
    error = ending("import os; os._exit(139)")
    assert (error.code, "SIGSEGV" in error.message) == ("tool_crashed", True)


FLOOD = """
    import os
    piece = (b"%s" * 65536)[:65536]
    for _ in range(%d):
        os.write(%d, piece)
"""


def test_a_flood_on_stderr_takes_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    finished = run(FLOOD % ("x", 16_384, 2))  # 1 GiB
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(finished.stderr_tail) <= STDERR_LIMIT_BYTES
    assert grown_kib < 8 * 1024


@pytest.mark.parametrize("piece", ["x", "x" * 99 + r"\n"], ids=["one line", "many lines"])
def test_a_flood_on_stdout_is_ended(piece: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert ending(FLOOD % (piece, 10_000_000, 1)).code == "tool_output_too_long"
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 8 * process.STDOUT_LIMIT_BYTES / 1024


LEAVES = """
    import os, time
    hears, tells = os.pipe()
    if os.fork() == 0:
        try:
            os.setsid()
        except PermissionError:
            pass
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            os.write(tells, b"x")
            time.sleep(60)
        os._exit(0)
    os.read(hears, 1)
    %s
"""
ENDS = {"pass": None, "os.abort()": "tool_crashed", "time.sleep(60)": "tool_timeout"}
"""What it does then, and the code that this gives."""


@pytest.mark.parametrize("within", [USUAL, OFF], ids=["confined", "free"])
@pytest.mark.parametrize(("end", "code"), ENDS.items())
def test_what_a_tool_leaves_behind_goes_with_it(
    end: str, code: str | None, within: Sandbox
) -> None:
    begun, limits = time.monotonic(), Limits(timeout_seconds=1)
    pids: list[int] = []
    argv = [sys.executable, "-c", textwrap.dedent(LEAVES % end)]
    fails = pytest.raises(ToolError) if code else nullcontext()
    with fails as caught:
        process.run(
            argv,
            access=Access(reads=PYTHON),
            within=within,
            limits=limits,
            on_line=lambda line: pids.append(int(line)),
        )
    assert (caught.value.code if caught else None) == code
    assert time.monotonic() - begun < 10
    assert wait_until(lambda: not psutil.pid_exists(pids[0]), 5)


def test_what_a_killed_worker_leaves_is_known_from_what_a_live_one_runs() -> None:
    code = """
        from adaptation.adapters import process
        process.run(["/bin/sh", "-c", "sleep 60 & echo $!; wait"],
            on_line=lambda line: print(line, flush=True))
    """
    with started_python(code) as worker, started_python(code) as other:
        lost, kept = (psutil.Process(int(one.stdout.readline())) for one in (worker, other))
        orphans.end_abandoned()
        assert lost.is_running()
        worker.kill()
        worker.wait(10)
        # Its own child dies with it, and that one's child does not.
        assert lost.is_running()
        assert orphans.end_abandoned() >= 1
        assert wait_until(lambda: not lost.is_running() or lost.status() == "zombie", 5)
        assert kept.is_running()
        other.kill()
        other.wait(10)
        assert orphans.end_abandoned() >= 1


@contextmanager
def started_python(code: str) -> Iterator[Any]:
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_too_much_processor_time_has_its_own_code() -> None:
    error = ending("while True: pass", Limits(cpu_seconds=1))
    assert (error.code, error.retryable) == ("tool_cpu_limit", False)


def test_a_tool_that_tidies_up_at_its_cpu_limit_is_known_all_the_same() -> None:
    code = """
        import os, signal
        signal.signal(signal.SIGXCPU, lambda *_: os._exit(255))
        while True: pass
    """
    assert ending(code, Limits(cpu_seconds=2)).code == "tool_cpu_limit"


def test_a_file_that_grows_too_large_has_its_own_code(tmp_path: Path) -> None:
    clip = clips.make_silent(tmp_path / "in")
    output = tmp_path / "big.nut"
    words = f"-nostdin -v error -i file:{clip} -c:v rawvideo -f nut file:{output}"
    argv = [str(clips.tools().ffmpeg), *words.split()]
    with pytest.raises(ToolError) as caught:
        process.run(
            argv,
            access=Access(reads=(clip,), writes=(tmp_path,)),
            limits=Limits(file_bytes=100_000),
        )
    assert (caught.value.code, caught.value.retryable) == ("tool_file_limit", False)
    assert output.stat().st_size <= 100_000


def test_an_output_may_hold_what_its_length_can_explain() -> None:
    assert ffmpeg.bounded(Limits(), 24.0).file_bytes == 1024**3 + 24 * 250_000_000
    assert ffmpeg.bounded(Limits(file_bytes=5), 24.0).file_bytes == 5
    unknown = ffmpeg.bounded(Limits(), 0.0)
    assert unknown.file_bytes == 1024**4
    assert unknown.stall_seconds == ffmpeg.STALL_SECONDS


def test_too_much_memory_has_its_own_code() -> None:
    words = "-nostdin -v error -f lavfi -i color=s=8000x8000:d=1 -f null -"
    argv = [str(clips.tools().ffmpeg), *words.split()]
    with pytest.raises(ToolError) as caught:
        process.run(argv, limits=Limits(memory_bytes=200_000_000, timeout_seconds=20))
    assert caught.value.code == "tool_memory_limit"


def test_a_tool_that_somebody_kills_was_too_large() -> None:
    error = ending("import os; os.kill(os.getpid(), 9)")
    assert (error.code, error.retryable) == ("tool_memory_limit", True)
    assert "ADAPTATION_SLOTS" in error.hint


def test_a_tool_leaves_no_core_and_opens_few_files() -> None:
    code = (
        "import resource as r; print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_NOFILE)[0])"
    )
    assert run(code).stdout == "(0, 0) 1024"


def test_a_source_that_cannot_be_decoded_is_at_fault_and_not_tried_again(tmp_path: Path) -> None:
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(bytes(range(256)) * 64)
    command = ["-i", f"file:{noise}", f"file:{tmp_path / 'out.mp4'}"]
    with pytest.raises(SourceError) as caught:
        ffmpeg.encode(command, clips.tools(), expected_seconds=1)
    assert (caught.value.code, caught.value.retryable) == ("source_unreadable", False)
    assert "noise.mp4" in caught.value.message


def test_a_job_whose_tool_runs_amok_is_told_why_and_nothing_stays(
    home: Path, tmp_path: Path
) -> None:
    source = clips.make_silent(tmp_path)
    amok = tmp_path / "ffmpeg"
    # It floods, leaves somebody who ignores requests, and crashes.
    amok.write_text(
        "#!/bin/sh\nyes 'it is not my fault' | head -c 50000000 >&2\n"
        "(trap '' TERM HUP; sleep 60) &\nkill -SEGV $$\n"
    )
    amok.chmod(0o755)
    words = ("encode", source, tmp_path / "asset", "--rendition", "90:100", "--preset", "ultrafast")
    ended = adaptation(*words, ADAPTATION_FFMPEG=str(amok), ADAPTATION_RETRY_LIMIT="1")
    assert (ended.status, ended.code) == (1, "tool_crashed")
    assert "this source" in ended.hint
    assert "it is not my fault" in ended.err
    assert len(ended.err) < 20_000
    assert list(home.glob("scratch/*")) == []
    assert not (tmp_path / "asset").exists()
