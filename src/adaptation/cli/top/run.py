"""One run of `top`: printed once, or a screen that lives until somebody has seen enough."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from types import FrameType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from adaptation.cli import exits, output
from adaptation.cli.interruption import Interruption
from adaptation.cli.output import clock
from adaptation.cli.top import closely, painting, plain
from adaptation.cli.top.painting import PLAIN, Signs
from adaptation.cli.top.scene import Sight, Source, readable
from adaptation.cli.top.terminal import Keyboard, can_tell_keys
from adaptation.cli.top.view import View
from adaptation.cli.top.watcher import Watcher

TICK_SECONDS = 0.2
"""The screen is drawn anew at most so often, and follows a change of its size so soon."""


def run(source: Source, *, once: bool, as_json: bool, interval_seconds: float) -> int:
    """Show what a source tells; returns the exit status.

    Raises:
        AdaptationError: it tells nothing at all.
    """
    # Lines of a log have no place on the screen.
    output.begin_logs(logging.CRITICAL)
    sight = Sight(source)
    scene = sight.look()
    if as_json:
        output.document(plain.document(scene))
        return exits.DONE
    console = Console()
    is_live = console.is_terminal and sys.stdout.isatty() and not console.is_dumb_terminal
    if once or not (is_live and can_tell_keys()):
        for line in plain.text(scene):
            output.data(line)
        return exits.DONE
    with Watcher(sight, scene, interval_seconds) as watcher, Interruption() as interruption:
        Screen(console, watcher, interruption).show()
    number = interruption.signal_number
    return exits.DONE if number is None else 128 + number


class Screen:
    """The terminal while it shows the engine."""

    def __init__(self, console: Console, watcher: Watcher, interruption: Interruption) -> None:
        self._console = console
        self._watcher = watcher
        self._interruption = interruption
        self._view = View()
        self._signs = Signs() if console.encoding.startswith("utf") else PLAIN
        self._is_put_away = False

    def show(self) -> None:
        """Show it until it is over; while it is put away with Ctrl-Z the terminal is as it was."""
        former = signal.signal(signal.SIGTSTP, self._put_away)
        try:
            while not self._is_over:
                self._is_put_away = False
                self._live()
                if self._is_put_away:
                    os.kill(os.getpid(), signal.SIGSTOP)
        finally:
            signal.signal(signal.SIGTSTP, former)

    @property
    def _is_over(self) -> bool:
        return self._view.over or self._interruption.signal_number is not None

    def _put_away(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._is_put_away = True

    def _live(self) -> None:
        with (
            Keyboard() as keyboard,
            Live(console=self._console, screen=True, auto_refresh=False) as live,
        ):
            while not (self._is_over or self._is_put_away):
                live.update(Group(*self._lines()), refresh=True)
                for key in keyboard.pressed(TICK_SECONDS):
                    self._press(key)

    def _press(self, key: str) -> None:
        self._watcher.note = ""
        if order := self._view.press(key, self._watcher.scene):
            self._watcher.do(order.act, order.job_id)
        self._watcher.want(self._view.selected if self._view.is_close else None)

    def _lines(self) -> list[Text]:
        width, height = self._console.size
        watcher, view, signs = self._watcher, self._view, self._signs
        scene = watcher.scene
        top = painting.head(scene, self._freshness(), width, signs)
        last = painting.foot(view, watcher.note, width)
        if view.is_close:
            top += closely.about(scene, view.chosen(scene), view, width, signs)
            room = max(1, height - len(top) - 1)
            middle = closely.body(watcher.detail, view, width, room, signs)[:room]
        else:
            below = painting.workers(scene.workers, width, max(2, height // 4), signs)
            top.append(painting.columns(width))
            room = max(1, height - len(top) - len(below) - 1)
            middle = painting.jobs(scene, view, width, room, signs)
            middle += [Text()] * (room - len(middle))
            middle += below
        middle += [Text()] * (height - len(top) - len(middle) - 1)
        return [*[*top, *middle][: height - 1], last]

    def _freshness(self) -> Text:
        source, age = self._watcher.sight.source, time.monotonic() - self._watcher.seen_at
        if trouble := self._watcher.trouble:
            return Text(f"no news for {clock(age)}: {readable(trouble)}", style="bold red")
        return Text(f"live  {time.strftime('%H:%M:%S')}  {source.name}", style="dim")
