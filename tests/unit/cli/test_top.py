"""The screen of `top`: what fits on it, what keys mean, and that words of others are harmless."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.text import Text

from adaptation.cli.top import closely, painting, plain
from adaptation.cli.top.painting import PLAIN, Signs
from adaptation.cli.top.scene import Detail, Scene, readable
from adaptation.cli.top.terminal import keys_in
from adaptation.cli.top.view import Order, View
from adaptation.client import JobAtWork, LogLine, Overview, RunningTask, Task, Worker, WorkerTask

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
RUNS = JobAtWork(
    412, "ann", "encoding_workflow", 2, "started", False, NOON, "trailer", started_at=NOON,
    progress=0.78, running=[RunningTask("encode_chunk", 0.6, 1.25), RunningTask("probe", 0.1)],
)  # fmt: skip
QUEUED = JobAtWork(413, "bob", "encoding_workflow", 5, "queued", False, NOON, "film", 1)
FAILED = JobAtWork(
    409, "ann", "generate_gif", 5, "completed", True, NOON, "promo",
    error={"code": "scratch_full", "message": "no space on scratch", "task": "encode_chunk"},
)  # fmt: skip
WORKER = Worker(
    "enc-03/77", ["transcode"], "working", 2, 0.4,
    [WorkerTask(412, 7, "encode_chunk", 0.6)], "0.1.0", 120_000_000_000,
    load={"cpu": 0.93, "memory_used_bytes": 3_100_000_000},
)  # fmt: skip
COUNTS = {"started": 1, "queued": 1, "scheduled": 0, "paused": 0, "failed": 1}
OVERVIEW = Overview("0.1.0", NOON, COUNTS, 4, 1, 5, jobs=[RUNS, QUEUED], failures=[FAILED])
SCENE = Scene(OVERVIEW, [WORKER], {412: 31.0})
DETAIL = Detail(
    412,
    [Task(n, f"task_{n}", "light", "done" if n < 30 else "running", 1, 0.5) for n in range(40)],
    [LogLine(n, 412, 0, 20, f"line {n}", NOON) for n in range(60)],
)


def screen(scene: Scene, view: View, width: int, height: int, signs: Signs) -> list[Text]:
    return [
        *painting.head(scene, Text("live"), width, signs),
        painting.columns(width),
        *painting.jobs(scene, view, width, height, signs),
        *painting.workers(scene.workers, width, 4, signs),
        *closely.about(scene, RUNS, view, width, signs),
        *closely.body(DETAIL, view, width, height, signs),
        painting.foot(view, "", width),
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 120, 300])
@pytest.mark.parametrize("signs", [Signs(), PLAIN])
def test_no_line_is_wider_than_the_screen_and_the_job_and_its_state_are_on_it(
    width: int, signs: Signs
) -> None:
    view = View(selected=412)
    lines = screen(SCENE, view, width, 10, signs)

    assert max(line.cell_len for line in lines) <= width
    text = "\n".join(line.plain for line in lines)
    assert "412" in text
    assert "running"[: width - 12] in text
    assert signs is not PLAIN or width < 40 or text.replace("…", "").isascii()


def test_a_wide_screen_tells_more_than_a_narrow_one() -> None:
    (wide, *_), (narrow, *_) = (
        painting.jobs(SCENE, View(), width, 10, PLAIN) for width in (120, 40)
    )

    assert wide.plain == (
        ">    412 > running      2 ################....  78 %   1.2x     0:31 ann        trailer"
        "  encode chunk, probe"
    )
    assert narrow.plain == ">  412 > running    78 %   0:31 trailer…"


def test_the_selected_job_is_on_the_screen_however_many_there_are() -> None:
    many = [replace(QUEUED, id=n, position=n) for n in range(1, 101)]
    scene = replace(SCENE, overview=replace(OVERVIEW, jobs=many))
    for selected in (1, 50, 100, 409):
        lines = painting.jobs(scene, View(selected=selected), 80, 8, PLAIN)
        assert len(lines) == 8
        assert [line.plain.split()[1] for line in lines if line.plain[0] == ">"] == [str(selected)]


def test_what_runs_of_a_job_is_shown_first_until_somebody_scrolls() -> None:
    view = View(selected=412, is_close=True)
    lines = [line.plain for line in closely.body(DETAIL, view, 80, 20, PLAIN)]
    assert "task_30" in lines[2]
    assert lines[-1].endswith("line 59")
    assert len(lines) == 20
    view.press("home", SCENE)
    assert "task_0 " in closely.body(DETAIL, view, 80, 20, PLAIN)[1].plain


def test_what_happens_to_a_job_is_confirmed_by_yes_alone() -> None:
    view = View()
    assert view.press("j", SCENE) is None
    assert view.selected == 413
    for act, key in (("cancel", "c"), ("retry", "r")):
        assert view.press(key, SCENE) is None
        assert "413? y/n" in view.question()
        assert view.press("n", SCENE) is None
        assert view.press("y", SCENE) is None, "it is not asked any more"
        view.press(key, SCENE)
        assert view.press("y", SCENE) == Order(act, 413)  # type: ignore[arg-type]
    assert view.press("p", SCENE) == Order("pause", 413)
    paused = replace(QUEUED, queue_state="paused")
    scene = replace(SCENE, overview=replace(OVERVIEW, jobs=[paused]))
    assert view.press("p", scene) == Order("resume", 413)


def test_keys_never_mean_a_job_that_is_filtered_out_or_has_ended() -> None:
    view = View(selected=412)
    for key in ("/", *"promo x", "backspace", "backspace", "enter"):
        view.press(key, SCENE)
    assert (view.filter, view.is_typing) == ("promo", False)
    assert view.press("p", SCENE) == Order("pause", 409)
    view.press("escape", SCENE)
    assert view.filter == ""
    view.press("enter", SCENE)
    assert (view.is_close, view.selected) == (True, 409)
    over = replace(SCENE, overview=replace(OVERVIEW, failures=[]))
    assert view.press("c", over) is None
    assert view.question() == ""
    assert "Job 409 has ended" in closely.about(over, None, view, 80, PLAIN)[0].plain


def test_a_paused_queue_busy_workers_and_what_nobody_can_do_are_told() -> None:
    stuck = replace(RUNS, running=[], waits_for="libsvtav1")
    scene = replace(SCENE, overview=replace(OVERVIEW, paused=True, jobs=[stuck]))
    painted = [line.plain for line in screen(scene, View(), 200, 10, PLAIN)]
    for lines in (painted, list(plain.text(scene))):
        text = "\n".join(lines)
        assert "the queue is paused" in text
        assert "waits for a worker with libsvtav1" in text
        assert "cpu 93 %, memory 3.1 GB, scratch 120.0 GB" in text


def test_an_empty_engine_and_a_filter_that_finds_nothing_say_what_to_do() -> None:
    empty = Scene(replace(OVERVIEW, jobs=[], failures=[]), [], {})
    assert "adaptation submit" in painting.jobs(empty, View(), 80, 5, PLAIN)[0].plain
    assert "adaptation serve" in painting.workers([], 80, 5, PLAIN)[1].plain
    assert "escape" in painting.jobs(SCENE, View(filter="zzz"), 80, 5, PLAIN)[0].plain
    for key in ("j", "k", "enter", "c", "p", "escape"):
        assert View().press(key, empty) is None


def test_words_of_others_move_no_cursor() -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\r\n"
    scene = replace(SCENE, overview=replace(OVERVIEW, jobs=[replace(RUNS, subject=hostile)]))
    lines = [line.plain for line in screen(scene, View(), 200, 10, Signs())]
    lines += list(plain.text(scene))
    assert readable(hostile) in "\n".join(lines)
    assert all(line.isprintable() for line in lines)


def test_keys_of_a_terminal_have_names() -> None:
    assert list(keys_in("q\x1b[A\x1bOB\x1b[6~\r\x7f\x1b[200~é\x01\x1b")) == [
        "q", "up", "down", "page down", "enter", "backspace", "é", "escape",
    ]  # fmt: skip


def test_the_time_left_is_told_at_the_first_look_as_far_as_anybody_can() -> None:
    from adaptation.cli.top.scene import Sight

    class Still:
        name, outages = "here", ()

        def overview(self) -> Overview:
            later = replace(OVERVIEW, now_at=NOON + timedelta(seconds=78))
            new = replace(RUNS, id=1, progress=0.01)
            return replace(later, jobs=[RUNS, QUEUED, new])

        def workers(self) -> list[Worker]:
            return []

    scene = Sight(Still()).look()  # type: ignore[arg-type]
    assert scene.eta_seconds == {412: pytest.approx(22.0)}
    assert plain.document(scene)["jobs"][0]["eta_seconds"] == pytest.approx(22.0)
