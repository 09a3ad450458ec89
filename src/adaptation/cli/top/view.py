"""Where somebody stands in `top`: what is selected, shown and asked, and what a key changes."""

from __future__ import annotations

from dataclasses import dataclass

from adaptation.cli.top.scene import Act, Scene, state_of
from adaptation.cli.top.terminal import GONE
from adaptation.client import JobAtWork

PAGE = 10
STEPS = {
    "down": 1,
    "j": 1,
    "up": -1,
    "k": -1,
    "page down": PAGE,
    "page up": -PAGE,
    "home": -1_000_000,
    "end": 1_000_000,
}
WORDS: dict[Act, str] = {"cancel": "Cancel", "retry": "Run again what failed of"}
"""Acts that are confirmed."""


@dataclass(frozen=True)
class Order:
    """What is to be done to a job."""

    act: Act
    job_id: int


@dataclass
class View:
    """What one who looks has chosen; keys change it."""

    selected: int | None = None
    """Number of a job; None: the first."""
    filter: str = ""
    """Only jobs with this in what is shown of them."""
    is_typing: bool = False
    """Whether keys are letters of the filter."""
    is_close: bool = False
    """Whether the selected job is looked at more closely."""
    scrolled: int | None = None
    """Tasks above the first that is shown closely; None: as fits."""
    asked: Order | None = None
    """What waits for a yes."""
    over: bool = False
    """Whether there was enough."""

    def shown(self, scene: Scene) -> list[JobAtWork]:
        """The jobs that fit the filter."""
        words = self.filter.casefold().split()
        return [job for job in scene.jobs if all(word in _words(job) for word in words)]

    def chosen(self, scene: Scene) -> JobAtWork | None:
        """The job that keys mean; None: there is none, or the one looked at has ended."""
        jobs = scene.jobs if self.is_close else self.shown(scene)
        known = (job for job in jobs if job.id == self.selected)
        return next(known, jobs[0] if jobs and not self.is_close else None)

    def question(self) -> str:
        """What waits for a yes, in words; empty: nothing does."""
        return f"{WORDS[self.asked.act]} job {self.asked.job_id}? y/n" if self.asked else ""

    def press(self, key: str, scene: Scene) -> Order | None:
        """Take a key; returns what it orders."""
        if self.asked and key != GONE:
            order, self.asked = self.asked, None
            return order if key in {"y", "Y"} else None
        if self.is_typing and key != GONE:
            self._type(key)
        elif key in {"q", GONE}:
            self.over = True
        elif key in STEPS:
            self._step(STEPS[key], scene)
        elif key in {"/", "enter", "escape", "backspace"}:
            self._go(key, scene)
        elif job := self.chosen(scene):
            return self._use(key, job)
        return None

    def _go(self, key: str, scene: Scene) -> None:
        if self.is_close:
            self.is_close, self.scrolled = False, None
        elif key == "escape":
            self.filter = ""
        elif key == "enter" and (job := self.chosen(scene)):
            self.selected, self.is_close = job.id, True
        self.is_typing = key == "/"

    def _use(self, key: str, job: JobAtWork) -> Order | None:
        self.selected = job.id
        if key == "c":
            self.asked = Order("cancel", job.id)
        elif key == "r":
            self.asked = Order("retry", job.id)
        elif key == "p":
            return Order("resume" if job.queue_state == "paused" else "pause", job.id)
        return None

    def _type(self, key: str) -> None:
        if key == "enter":
            self.is_typing = False
        elif key == "escape":
            self.is_typing, self.filter = False, ""
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif len(key) == 1:
            self.filter += key

    def _step(self, by: int, scene: Scene) -> None:
        if self.is_close:
            self.scrolled = max(0, (self.scrolled or 0) + by)
            return
        ids = [job.id for job in self.shown(scene)]
        if not ids:
            return
        place = ids.index(self.selected) if self.selected in ids else 0
        self.selected = ids[min(len(ids) - 1, max(0, place + by))]


def _words(job: JobAtWork) -> str:
    facts = (job.id, job.subject, job.client, job.workflow, state_of(job))
    return " ".join(map(str, facts)).casefold()
