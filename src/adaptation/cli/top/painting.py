"""`top` as lines of a screen, of whatever width and height."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.text import Text

from adaptation.cli.output import clock, percent, size
from adaptation.cli.top.scene import Scene, readable, speed_of, state_of, why
from adaptation.cli.top.view import View
from adaptation.client import JobAtWork, Worker

STYLES = {
    "running": "cyan",
    "queued": "",
    "scheduled": "blue",
    "paused": "yellow",
    "failed": "red",
    "done": "green",
    "working": "cyan",
    "idle": "",
    "draining": "yellow",
    "silent": "red",
    "ready": "",
    "waiting": "dim",
    "cancelled": "yellow",
    "skipped": "dim",
}
KEYS = "q quit  arrows select  enter tasks  / filter  p pause  c cancel  r retry"
FEW_KEYS = "q quit  enter tasks  / filter"
CLOSE_KEYS = "q quit  enter back  arrows scroll  p pause  c cancel  r retry"
NARROW, MIDDLE, WIDE = 60, 80, 100
"""Columns from which more is shown."""


@dataclass(frozen=True)
class Signs:
    """Signs that a terminal may not be able to show."""

    full: str = "\N{FULL BLOCK}"
    empty: str = "\N{LIGHT SHADE}"
    here: str = "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"
    dot: str = "\N{MIDDLE DOT}"
    states: tuple[tuple[str, str], ...] = (
        ("running", "\N{BLACK RIGHT-POINTING TRIANGLE}"),
        ("working", "\N{BLACK RIGHT-POINTING TRIANGLE}"),
        ("queued", "\N{WHITE CIRCLE}"),
        ("ready", "\N{WHITE CIRCLE}"),
        ("idle", "\N{WHITE CIRCLE}"),
        ("waiting", "\N{MIDDLE DOT}"),
        ("scheduled", "\N{WHITE DIAMOND}"),
        ("paused", "="),
        ("draining", "="),
        ("done", "\N{CHECK MARK}"),
        ("failed", "\N{MULTIPLICATION X}"),
        ("silent", "\N{MULTIPLICATION X}"),
        ("cancelled", "\N{MULTIPLICATION X}"),
    )

    def of(self, state: str) -> str:
        """The sign of a state."""
        return dict(self.states).get(state, self.dot)


PLAIN = Signs(
    "#",
    ".",
    ">",
    "-",
    (("running", ">"), ("working", ">"), ("failed", "x"), ("silent", "x"), ("done", "+")),
)
"""For terminals of few letters."""


def bar(share: float, width: int, signs: Signs) -> str:
    """A share, 0 to 1, as a bar."""
    full = min(width, max(0, int(share * width + 0.5)))
    return signs.full * full + signs.empty * (width - full)


def stated(state: str, signs: Signs, more: str = "", width: int = 0) -> Text:
    """A state as a sign, a word and a colour."""
    words = f"{signs.of(state)} {state}{more}"
    return Text(words.ljust(width), style=STYLES.get(state, ""))


def head(scene: Scene, told: Text, width: int, signs: Signs) -> list[Text]:
    """How the engine is, in one or more lines.

    Args:
        told: how fresh it is.
    """
    overview, counts = scene.overview, scene.overview.counts
    reserved = overview.priority_slots
    slots = f"running {counts['started']} of {overview.max_jobs} slots"
    if reserved:
        slots += f" ({reserved} only for priority 1 to {overview.priority_threshold})"
    others = [f"{name} {counts[name]}" for name in ("queued", "scheduled", "paused", "failed")]
    title = Text(f"adaptation {overview.version}  ", style="bold").append_text(told)
    lines = [title, *_wrapped([slots, *others], width, f" {signs.dot} ")]
    if overview.paused:
        lines.append(Text("the queue is paused: no job is started", style="yellow"))
    return [fitted(line, width) for line in lines]


def jobs(scene: Scene, view: View, width: int, height: int, signs: Signs) -> list[Text]:
    """The jobs with a line for each, the selected one among them however many there are."""
    shown, failed = view.shown(scene), {job.id for job in scene.overview.failures}
    if not shown:
        return [fitted(Text(_nothing(view), style="dim"), width)]
    chosen = view.chosen(scene)
    lines, place = list[Text](), 0
    for job in shown:
        if job.id in failed and not any(line.plain == "Failed last" for line in lines):
            lines.append(Text("Failed last", style="bold"))
        if chosen is not None and job.id == chosen.id:
            place = len(lines)
        lines.append(_job(scene, job, width, signs, is_chosen=chosen == job))
    start = max(0, min(place - height // 2, len(lines) - height))
    return lines[start : start + height]


def columns(width: int) -> Text:
    """What stands over the jobs."""
    if width < NARROW:
        cells = [f"{'job':>4}", f"{'state':<11}", "done ", f"{'ETA':>6}"]
    else:
        drawn = f"{'done':<{_bar_width(width) + 6}}"
        cells = [f"{'job':>6}", f"{'state':<13}", " P", drawn, f"{'speed':>6}", f"{'ETA':>8}"]
    cells += [f"{'client':<10}"] if width >= WIDE else []
    return fitted(Text(f"  {' '.join([*cells, 'what'])}", style="dim"), width)


def workers(found: Sequence[Worker], width: int, height: int, signs: Signs) -> list[Text]:
    """Who works, with a line for each that there is room for."""
    lines = [Text(f"Workers {len(found)}", style="bold")]
    if not found:
        return [*lines, fitted(Text("No worker has reported: adaptation serve", "yellow"), width)]
    few = found if len(found) < height else found[: max(1, height - 2)]
    lines += [_worker(one, width, signs) for one in few]
    if len(few) < len(found):
        lines.append(Text(f"  and {len(found) - len(few)} more", style="dim"))
    return lines


def burden(one: Worker) -> list[str]:
    """How busy a worker's machine is, as far as it tells: processors, memory, free scratch."""
    cpu, memory = one.load.get("cpu"), one.load.get("memory_used_bytes")
    scratch = one.free_scratch_bytes
    return [
        *([f"cpu {percent(cpu).strip()}"] if cpu is not None else []),
        *([f"memory {size(memory)}"] if memory is not None else []),
        *([f"scratch {size(scratch)}"] if scratch is not None else []),
    ]


def foot(view: View, note: str, width: int) -> Text:
    """What is asked, told, or can be pressed."""
    if view.asked:
        return fitted(Text(view.question(), style="bold yellow"), width)
    if view.is_typing:
        return fitted(Text(f"/{view.filter}_  enter keeps it, escape drops it"), width)
    if note:
        return fitted(Text(readable(note), style="bold"), width)
    keys = CLOSE_KEYS if view.is_close else KEYS
    filtered = f"  filter: {view.filter}" if view.filter else ""
    return fitted(Text((keys if width >= MIDDLE else FEW_KEYS) + filtered, style="dim"), width)


def _nothing(view: View) -> str:
    if view.filter:
        return f"No job has {view.filter!r} in it; escape drops the filter."
    return "No job runs or waits. Submit one: adaptation submit film.mp4"


def _job(scene: Scene, job: JobAtWork, width: int, signs: Signs, *, is_chosen: bool) -> Text:
    is_narrow, left = width < NARROW, scene.eta_seconds.get(job.id)
    place = f" {job.position}" if job.position else ""
    line = Text(f"{signs.here if is_chosen else ' '} {job.id:>{4 if is_narrow else 6}} ")
    line.append_text(stated(state_of(job), signs, place, 11 if is_narrow else 13))
    if not job.failed:  # what has failed has no time left, and more to say
        line.append_text(_far(job, width, signs))
        line.append(f" {clock(left) if left is not None else '':>{6 if is_narrow else 8}}")
    if width >= WIDE:
        line.append(f" {readable(job.client)[:10]:<10}")
    line.append(f" {readable(job.subject)}", style="bold")
    if about := why(job):
        line.append(f"  {readable(about)}", style=STYLES["failed"] if job.failed else "dim")
    line = fitted(line, width)
    if is_chosen:
        line.stylize("reverse")
    return line


def _far(job: JobAtWork, width: int, signs: Signs) -> Text:
    """How far a job is, and how fast, where it has begun."""
    runs, wide = job.queue_state in {"started", "paused"}, _bar_width(width)
    share = percent(job.progress) if runs else " " * 5
    if width < NARROW:
        return Text(f" {share}")
    line = Text(f" {job.priority:>2} ")
    line.append(bar(job.progress, wide, signs) if runs else " " * wide, style="cyan")
    speed = speed_of(job)
    return line.append(f" {share} {f'{speed:.2g}x' if speed is not None else '':>6}")


def _worker(one: Worker, width: int, signs: Signs) -> Text:
    state = one.state if one.slots or one.state == "silent" else "controller"
    line = Text("  ").append_text(stated(state, signs, width=12))
    line.append(f" {f'{len(one.tasks)}/{one.slots}':>5} {readable(one.name)}")
    if one.state == "silent":
        line.append(f"  not heard for {clock(one.heartbeat_seconds)}", style=STYLES["silent"])
    if width >= NARROW and (found := burden(one)):
        line.append(f"  {', '.join(found)}", style="dim")
    for task in one.tasks:
        line.append(
            f"  {task.job_id} {task.name.replace('_', ' ')} {percent(task.progress).strip()}"
        )
    return fitted(line, width)


def _bar_width(width: int) -> int:
    return 20 if width >= WIDE else 10


def fitted(line: Text, width: int) -> Text:
    """A line that is no wider than the screen."""
    line.no_wrap = True
    line.truncate(width, overflow="ellipsis")
    return line


def _wrapped(parts: Iterable[str], width: int, between: str) -> list[Text]:
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]}{between}{part}" if lines[-1] else part
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return [fitted(Text(line), width) for line in lines if line]
