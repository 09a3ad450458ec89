"""`adaptation top` in a real terminal: of real jobs here, and of a server elsewhere."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

import clips
from adaptation.engine.states import TaskState
from adaptation.settings import load_settings
from adaptation.wiring import deploy
from api_kit import running_api
from command_line import here, started
from engine_kit import HandWorker
from events_kit import SmallDeployment
from services import free_port, wait_until

if sys.platform == "win32":
    pytest.skip("there are no such terminals there", allow_module_level=True)

from terminal import COLOURS, Terminal, terminal

RUNGS = ("--rendition", "90:100", "--preset", "ultrafast")
CTRL_C, CTRL_Z = "\x03", "\x1a"


def widest(screen: Terminal) -> int:
    return max(map(len, screen.lines))


def test_a_real_job_is_looked_at_paused_and_cancelled_and_the_terminal_is_as_it_was(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = f"{clips.picture(seconds=24)} {clips.beep(seconds=24)}"
    films = [
        clips.ffmpeg(tmp_path, f"{inputs} {clips.X264} -g 25 -c:a aac film-{number}.mp4")
        for number in (1, 2)
    ]
    # A rate that real footage would have: it lasts as long as somebody looks.
    slow = tmp_path / "ffmpeg"
    slow.write_text(f'#!/bin/sh\nexec {clips.tools().ffmpeg} -readrate 0.3 "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setenv("ADAPTATION_FFMPEG", str(slow))
    monkeypatch.setenv("ADAPTATION_PORT", str(free_port()))
    for film in films:
        assert here("submit", film, tmp_path / film.stem, *RUNGS).status == 0
    store = deploy().store
    assert here("settings", "max_jobs", 1).status == 0

    with (
        started("serve", "--slots", 2) as service,
        terminal("top", "--interval", "0.2") as screen,
    ):
        before = screen.modes
        (line,) = screen.shows(r"running 1 of 1 slots", r"1 \S running .*film-1")[1:]
        assert "queued 1" in "\n".join(screen.lines)
        assert "film-2" in screen.shows(r"2 \S queued 1")[0]
        screen.shows(r"1 \S running .* [1-9]\d? % .*encode")
        screen.shows(r"Workers 1", r"working +[12]/2 ")
        screen.resize(40, 12)
        screen.until(lambda: widest(screen) == 40)
        screen.shows(r"1 \S running +\d+ %", r"Workers 1")
        screen.resize(100, 30)
        screen.until(lambda: widest(screen) == 100)
        assert "film-1" in line

        screen.press("\r")
        screen.shows(r"Job 1  film-1", r"Tasks \d+", r"\S running +\d+ % encode_chunk", r"Log")
        screen.press("\x1b")
        screen.press("/film-2\r")
        screen.until(lambda: "film-1" not in "\n".join(screen.lines))
        screen.press("cn")
        screen.press("p")
        screen.shows(r"2 \S paused")
        assert store.job(2).state == "paused", "a question that was answered by no does nothing"
        screen.press("\x1b")
        screen.shows("film-1", "film-2")
        screen.press("kkcy")
        screen.shows(r"Job 1 is cancelled", r"running 0 of 1")
        assert wait_until(lambda: store.job(1).ended, 20)
        screen.press("q")
        assert screen.ended() == 0
        assert screen.modes == before
        assert screen.written.rpartition("\x1b[?25")[2][:1] == "h", "the cursor is seen again"
        assert screen.written.count("\x1b[?1049h") == screen.written.count("\x1b[?1049l") == 1
        service.terminate()
        assert service.wait(30) == 0
    assert not any(task.state is TaskState.RUNNING for task in store.tasks(1))
    store.close()


def test_a_server_is_looked_at_through_its_api_also_while_it_is_away(
    home: Path, tmp_path: Path
) -> None:
    deployment = SmallDeployment(load_settings())
    hand = HandWorker(deployment.store, deployment.registry, tmp_path)
    with ExitStack() as stack:
        serving = stack.enter_context(ExitStack())
        serving.enter_context(capture_logs())
        api = serving.enter_context(running_api(deployment))
        failed = hand.queue(client="client", subject="failed")
        (item,) = hand.ready()
        claim = hand.claim(item)
        assert claim is not None
        hand.store.fail(claim, {"code": "internal", "message": "no luck"}, retry_in_seconds=None)
        ours = hand.queue(client="client", subject="ours \x1b[2Jfilm")
        hand.queue(client="other", subject="theirs")
        screen = stack.enter_context(
            terminal(
                "--server", api.url, "--client", "client", "top", "--interval", "0.2",
                ADAPTATION_API_KEY=api.client.key, NO_COLOR="1",
            )
        )  # fmt: skip

        screen.shows(r"live .* http://127", rf"{ours} .* ours ·\[2Jfilm")
        screen.shows(r"Failed last", rf"{failed} \S failed .*no luck")
        assert "theirs" not in screen.written
        assert COLOURS.search(screen.written) is None
        screen.press("/no such job")
        screen.shows("No job has")
        screen.press("\x1b")
        screen.press("\x1b[F")
        screen.press("ry")
        screen.shows(rf"Job {failed} is tried again", rf"{failed} \S (running|queued)")
        screen.press(CTRL_Z)
        stopped = psutil.Process(screen.process.pid)
        screen.until(lambda: stopped.status() == psutil.STATUS_STOPPED)
        screen.until(lambda: screen.written.count("\x1b[?1049l") == 1)
        screen.process.send_signal(signal.SIGCONT)
        screen.until(lambda: screen.written.count("\x1b[?1049h") == 2)
        serving.close()
        screen.shows(r"no news for 0:\d\d: http://127.0.0.1:\d+ does not answer")
        # The last picture stays.
        screen.shows(rf"{ours} .* ours")
        screen.press(CTRL_C)
        assert screen.ended() == 128 + signal.SIGINT
        assert screen.written.count("\x1b[?1049l") == 2
    deployment.store.close()


def test_without_a_terminal_it_is_printed_once(home: Path, tmp_path: Path) -> None:
    deployment = SmallDeployment(load_settings())
    deployment.store.create()
    hand = HandWorker(deployment.store, deployment.registry, tmp_path)
    queued = hand.queue(subject="a film")
    started_id = hand.submit("line", length=2)
    (item, *_) = hand.ready()
    assert hand.claim(item) is not None

    printed, document = here("top"), json.loads(here("top", "--json").out)

    lines = printed.out.splitlines()
    assert (printed.status, lines[0].startswith("running ")) == (0, True)
    assert any(line.startswith(f"{started_id} ") and "running" in line for line in lines)
    assert [job["id"] for job in document["jobs"]].count(queued) == 1
    assert document["counts"]["started"] == sum(
        job["queue_state"] == "started" for job in document["jobs"]
    )
    assert document["jobs"][0]["running"] == [{"name": "count_one", "progress": 0.0, "speed": None}]
    deployment.store.close()
