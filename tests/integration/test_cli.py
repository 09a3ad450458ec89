"""The command line over the real engine: what it prints, how it ends, and how it goes on."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

import clips
from command_line import adaptation, here, read_until, show, started
from services import wait_until

ONE_RUNG = ("--rendition", "180:300", "--preset", "ultrafast")
TWO_RUNGS = ("--rendition", "180:300", "--rendition", "90:100", "--preset", "ultrafast")
IN_CHUNKS = {"ADAPTATION_PARALLEL_CHUNKS": "2"}
"""With `film`: several pieces of work, to be stopped between."""
PACE = 6
"""Seconds of a film that `slowly` encodes in a second: not all is done when it is stopped."""
Document = dict[str, Any]

needs_proc = pytest.mark.skipif(not Path("/proc").exists(), reason="there is no /proc here")


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps with a beep each second, H.264 + AAC, 1.2 s."""
    return clips.make_plain(tmp_path_factory.mktemp("plain"))


ENCODINGS = ("encode_chunk", "transcode_audio")


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps, a key frame each second, some sound, 16 s: two chunks."""
    inputs = f"{clips.picture(seconds=16)} {clips.beep(seconds=3)}"
    return clips.ffmpeg(
        tmp_path_factory.mktemp("film"), f"{inputs} {clips.X264} -g 25 -c:a aac film.mp4"
    )


def slowly(folder: Path) -> dict[str, str]:
    """An environment in which chunks of a film take longer than the signals to stop it."""
    return IN_CHUNKS | {"ADAPTATION_FFMPEG": str(clips.slowed(folder, PACE))}


def one_is_encoded(event: Document) -> bool:
    return event.get("name") in ENCODINGS and event.get("state") == "done"


def outcomes(job: Document) -> dict[str, list[str]]:
    """How the attempts at encoding each track ended, by the track's name."""
    encodings = [task for task in job["tasks"] if task["name"] in ENCODINGS]
    return {task["track"]: task["attempts"] for task in encodings}


def left_over(home: Path) -> list[Path]:
    """What is left of jobs in the engine's home."""
    return [*home.glob("work/jobs/*"), *home.glob("scratch/*"), *home.glob("downloads/*")]


def test_an_asset_is_made_and_its_folder_is_the_last_line(
    plain: Path, tmp_path: Path, home: Path
) -> None:
    output = tmp_path / "asset"
    first = adaptation("encode", plain, output, *ONE_RUNG)
    assert (first.status, first.last_line) == (0, str(output))
    assert sorted(path.name for path in output.iterdir()) == [
        "180p", "asset.json", "audio_und", "manifest.mpd", "master.m3u8",
    ]  # fmt: skip
    assert re.search(r"^ *\d+ %  chunk 1 of 1 encoded and proven in \d", first.err, re.MULTILINE)
    assert re.search(r"^ *\d+ %  published in \d", first.err, re.MULTILINE)
    assert left_over(home) == []

    again = here("encode", plain, output, *ONE_RUNG)
    assert (again.status, again.last_line) == (0, str(output))
    assert "already there" in again.err

    other = here("encode", plain, output, "--rendition", "90:100")
    assert (other.status, other.code) == (2, "output_exists")
    assert "--overwrite" in other.hint
    assert json.loads((output / "asset.json").read_text())["tracks"][0]["name"] == "180p"


@needs_proc
def test_events_tell_a_program_all_there_is_to_know(plain: Path, tmp_path: Path) -> None:
    output = tmp_path / "asset"
    # Somebody waits for job 1 before it exists.
    with started("watch", 1, "--wait", 60) as watcher:
        assert wait_until(lambda: is_reading(watcher.pid), 20)
        ended = here("encode", plain, output, *ONE_RUNG, "--json", "--metadata", '{"a": 1}')
        watched, _ = watcher.communicate(timeout=20)
    events: list[Document] = ended.documents
    assert (ended.status, ended.err) == (0, "")
    assert events[0]["event"] == "accepted"
    assert events[-1] | {"output_folder": str(output), "succeeded": True} == events[-1]
    assert any(one_is_encoded(event) and event["track"] == "chunk 1 of 1" for event in events)
    assert [event["fraction"] for event in events if event["event"] == "progress"][-1] == 1
    told = [event["message"] for event in events if event["event"] == "notification"]
    assert [message["complete"] for message in told] == [False, False, True]
    assert [json.loads(line) for line in watched.splitlines()] == told
    assert watcher.returncode == 0
    assert json.loads((output / "asset.json").read_text())["parameters"]["metadata"] == {"a": 1}


def is_reading(pid: int) -> bool:
    """Whether a process has the database open."""
    return any(name.startswith("adaptation.db") for name in opened_files(pid))


def opened_files(pid: int) -> Iterator[str]:
    """The names of the files a process holds, but for those it closes meanwhile."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield descriptor.readlink().name


def test_a_terminal_gets_a_bar_for_each_track_and_one_for_all(plain: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = ["encode", str(plain), str(tmp_path / "asset"), *ONE_RUNG]
    command = [sys.executable, "-m", "adaptation", *words]
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "80"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=theirs) as run:
        os.close(theirs)
        drawn = read_all(ours)
    assert run.returncode == 0
    for name in ("180p", "audio_und", "total"):
        assert re.search(rf"{name} +\S+ +100 % done", drawn)
    assert "\x1b[3" not in drawn, "NO_COLOR is obeyed"


def read_all(terminal: int) -> str:
    """What was written to a terminal until nobody held it any more."""
    pieces = []
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:
        pass  # Linux' way of saying that the other side is closed
    os.close(terminal)
    return b"".join(pieces).decode()


def test_an_interrupted_run_goes_on_with_the_same_command(
    film: Path, tmp_path: Path, home: Path
) -> None:
    words = ("encode", film, tmp_path / "asset", *TWO_RUNGS, "--slots", 1)
    with started(*words, "--json", **slowly(tmp_path)) as run:
        read_until(run.stdout, one_is_encoded)
        run.send_signal(signal.SIGINT)
        rest, said = run.communicate(timeout=20)
    assert (run.returncode, said) == (130, "")
    assert json.loads(rest.splitlines()[-1]) == {"event": "paused", "job_id": 1}
    assert list(home.glob("scratch/*")) == []
    assert not (tmp_path / "asset").exists()

    again = here(*words, **IN_CHUNKS)
    assert (again.status, again.last_line) == (0, str(tmp_path / "asset"))
    assert re.search(r"^Going on with job 1: \d of 3 tracks are done$", again.err, re.MULTILINE)
    # What was stopped was handed back, not charged as a failure; what was done stayed done.
    ends = outcomes(show())
    assert ["done"] in ends.values()
    assert all(set(past[:-1]) <= {"released"} and past[-1] == "done" for past in ends.values())
    assert left_over(home) == []


@pytest.mark.crash
def test_a_killed_run_goes_on_and_encodes_nothing_twice(
    film: Path, tmp_path: Path, home: Path
) -> None:
    words = ("encode", film, tmp_path / "asset", *TWO_RUNGS, "--slots", 1)
    with started(*words, "--json", **slowly(tmp_path)) as run:
        read_until(run.stdout, one_is_encoded)
        run.kill()
    before = {track for track, ends in outcomes(show()).items() if ends == ["done"]}
    assert before

    again = here(*words, **IN_CHUNKS)
    assert (again.status, again.last_line) == (0, str(tmp_path / "asset"))
    after = outcomes(show())
    assert {track for track in before if after[track] == ["done"]} == before
    assert all(ends.count("done") == 1 for ends in after.values())
    assert left_over(home) == []


@pytest.mark.crash
def test_what_a_killed_run_left_is_gone_after_cancel(
    film: Path, tmp_path: Path, home: Path
) -> None:
    words = ("encode", film, tmp_path / "asset", *TWO_RUNGS)
    with started(*words, "--json", **slowly(tmp_path)) as run:
        read_until(run.stdout, one_is_encoded)
        run.kill()
    assert left_over(home) != []
    assert here("cancel", 1).status == 0
    assert show()["status"] == "cancelled"
    assert left_over(home) == []


def test_a_second_run_to_the_same_folder_is_refused(plain: Path, tmp_path: Path) -> None:
    endless = script(tmp_path / "ffmpeg", "exec sleep 60")
    words = ("encode", plain, tmp_path / "asset", *ONE_RUNG)
    with started(*words, ADAPTATION_FFMPEG=str(endless)) as run:
        assert wait_until(lambda: has_child(run.pid, "sleep"), 20)
        same = here(*words)
        other = here("encode", plain, tmp_path / "asset", "--rendition", "90:100")
        run.terminate()
        out, said = run.communicate(timeout=20)
    assert (same.status, same.code) == (2, "output_busy")
    assert (other.status, other.code) == (2, "output_busy")
    assert "adaptation cancel 1" in same.hint
    assert "job 1" in other.hint
    assert (run.returncode, out) == (143, "")
    assert "run the same command again" in said
    assert "adaptation cancel 1" in said


def has_child(pid: int, name: str) -> bool:
    """Whether a program of that name runs below a process."""
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # short-lived ones may be gone by now
            if child.name() == name:
                return True
    return False


def script(path: Path, body: str) -> Path:
    """A program that takes a tool's place."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_a_stored_job_is_run_by_a_service_and_watched_from_anywhere(
    plain: Path, tmp_path: Path
) -> None:
    stored = here("submit", plain, tmp_path / "asset", *ONE_RUNG)
    number, main_task_id = stored.out.split()
    assert (stored.status, number) == (0, "1")
    assert "adaptation serve" in stored.err
    assert here("pause", 1).status == 0
    assert here("resume", main_task_id).status == 0

    with started("serve", "--log-json") as service:
        early = here("watch", main_task_id)
        late = here("watch", 1, "--json")
        service.terminate()
        _, log = service.communicate(timeout=20)
    assert (early.status, early.out) == (0, late.out)
    assert [message["complete"] for message in late.documents] == [False, False, True]
    assert service.returncode == 0
    assert "ready" in [json.loads(line)["event"] for line in log.splitlines()]

    listed = here("ls", "--json", "--state", "completed").documents[0]
    assert [job["status"] for job in listed] == ["done"]
    assert str(tmp_path / "asset") in here("ls").out
    assert "publish: published" in here("logs", 1, "--follow").out
    shown = here("show", 1).out
    assert re.search(r"chunk 1 of 1 +encode_chunk +done +1 +100 %", shown)


def test_a_failed_job_is_explained_and_can_be_tried_again(plain: Path, tmp_path: Path) -> None:
    broken = script(tmp_path / "ffmpeg", "echo 'the cable is loose' >&2; exit 1")
    once = {"ADAPTATION_RETRY_LIMIT": "1"}
    words = ("encode", plain, tmp_path / "asset", *ONE_RUNG)
    ended = here(*words, ADAPTATION_FFMPEG=str(broken), **once)
    assert (ended.status, ended.out, ended.code) == (1, "", "tool_failed")
    # Picture and sound are encoded side by side: whichever is first meets the broken tool.
    assert re.search("in the task (encode_chunk|transcode_audio)", ended.err)
    assert "  | the cable is loose" in ended.err
    assert "adaptation logs 1" in ended.err
    assert "run the same command again" in ended.err
    assert here("watch", 1).status == 1

    assert here("retry", 1).status == 0
    again = here(*words, **IN_CHUNKS)
    assert (again.status, again.last_line) == (0, str(tmp_path / "asset"))


def test_the_demo_is_made_anew_each_time(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for job in (1, 2):
        ended = here("demo", "--source", plain)
        assert (ended.status, ended.last_line) == (0, str(tmp_path / "demo" / "plain"))
        assert f"Job {job}: " in ended.err
        assert re.search(r"^180p +320x180 +avc1\S+ +\d+ +1", ended.err, re.MULTILINE)
        assert "adaptation play demo/plain" in ended.err


def test_an_asset_is_played_from_a_small_server(plain: Path, tmp_path: Path) -> None:
    output = tmp_path / "asset"
    quiet = here("encode", plain, output, *ONE_RUNG, "--quiet")
    assert (quiet.status, quiet.out, quiet.err) == (0, f"{output}\n", "")
    with started("play", output, "--port", 0) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}master.m3u8", timeout=10) as answer:
            assert answer.read() == (output / "master.m3u8").read_bytes()
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=20)
    assert (server.returncode, "Traceback" in said) == (0, False)
