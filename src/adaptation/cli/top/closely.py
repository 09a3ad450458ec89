"""One job on the whole screen: its tasks, and the end of its log."""

from __future__ import annotations

from rich.text import Text

from adaptation.cli.output import clock, percent
from adaptation.cli.top.painting import NARROW, Signs, fitted, stated
from adaptation.cli.top.scene import Detail, Scene, readable, speed_of, state_of, why
from adaptation.cli.top.view import View
from adaptation.client import JobAtWork, LogLine, Task

SEVERE = {30: "yellow", 40: "red", 50: "red"}
TASK_SHARE = 0.6
"""Of the screen at most; the log has the rest."""


def about(scene: Scene, job: JobAtWork | None, view: View, width: int, signs: Signs) -> list[Text]:
    """What the job is, and how it stands."""
    if job is None:
        words = f"Job {view.selected} has ended: adaptation show {view.selected}"
        return [fitted(Text(words, style="bold"), width)]
    title = Text(f"Job {job.id}  ", style="bold").append(readable(job.subject))
    left, speed = scene.eta_seconds.get(job.id), speed_of(job)
    facts = [
        percent(job.progress).strip(),
        f"{speed:.2g}x" if speed is not None else "",
        f"ETA {clock(left)}" if left is not None else "",
        f"priority {job.priority}",
        readable(job.workflow),
        readable(job.client),
    ]
    state = stated(state_of(job), signs, f" {job.position}" if job.position else "")
    lines = [title, state.append("  " + "  ".join(fact for fact in facts if fact))]
    if job.error:
        lines.append(Text(readable(why(job)), style="red"))
        lines.append(Text(readable(job.error.get("hint") or ""), style="yellow"))
    elif job.waits_for:
        lines.append(Text(f"waits for a worker with {readable(job.waits_for)}", style="yellow"))
    return [fitted(line, width) for line in lines if line.plain]


def body(detail: Detail | None, view: View, width: int, height: int, signs: Signs) -> list[Text]:
    """The tasks, then the last lines of the log."""
    if detail is None or detail.job_id != view.selected:
        return [Text("…" if signs.dot != "-" else "...", style="dim")]
    room = max(1, int(height * TASK_SHARE)) - 1
    tasks = [_task(task, width, signs) for task in _some(detail.tasks, view, room)]
    more = len(detail.tasks) - len(tasks)
    title = Text(f"Tasks {len(detail.tasks)}", style="bold")
    if more:
        title.append(f"  {more} not shown", style="dim")
    left = height - len(tasks) - 2
    lines = [_line(line, width) for line in detail.lines[-left:]] if left > 0 else []
    return [fitted(title, width), *tasks, Text("Log", style="bold"), *lines]


def _some(tasks: list[Task], view: View, room: int) -> list[Task]:
    """As many as there is room for: from where somebody scrolled to, else from what runs on."""
    last = max(0, len(tasks) - room)
    if view.scrolled is not None:
        view.scrolled = min(view.scrolled, last)
        return tasks[view.scrolled : view.scrolled + room]
    lively = (n for n, task in enumerate(tasks) if task.state in {"running", "failed", "ready"})
    start = min(last, next(lively, last))
    return tasks[start : start + room]


def _task(task: Task, width: int, signs: Signs) -> Text:
    line = Text("  ").append_text(stated(task.state, signs, width=11))
    line.append(f" {percent(task.progress)} {readable(task.name):<16}")
    if width >= NARROW:
        tries = f"try {task.attempt}" if task.attempt > 1 else ""
        line.append(f" {tries:<6} {readable(task.message)}", style="dim")
    return fitted(line, width)


def _line(line: LogLine, width: int) -> Text:
    text = Text(f"  {line.created_at.astimezone():%H:%M:%S} ", style="dim")
    return fitted(text.append(readable(line.message), style=SEVERE.get(line.severity, "")), width)
