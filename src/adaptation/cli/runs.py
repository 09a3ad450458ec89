"""Running one job in this process to its end, and telling how it went."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adaptation.adapters.masking import masked
from adaptation.cli import exits, output
from adaptation.cli.estimate import Estimate
from adaptation.cli.interruption import Interruption
from adaptation.cli.progress import survey
from adaptation.cli.views import Bars, Events, Lines, Look, View
from adaptation.engine.engine import Engine
from adaptation.engine.model import Job
from adaptation.engine.store import Store
from adaptation.engine.terms import Terms
from adaptation.errors import AdaptationError
from adaptation.media.hls import MASTER_NAME
from adaptation.settings import load_settings
from adaptation.wiring import Deployment, deploy
from adaptation.workflows import measure_quality
from adaptation.workflows.parameters import MEASURE

LOOK_SECONDS, QUIET_LOOK_SECONDS = 0.25, 0.5
HEARTBEAT_SECONDS = 0.5
"""Progress is stored with the heartbeat: this is what makes bars move smoothly."""

Beside = Callable[[Deployment, Job, Interruption], AbstractContextManager[None]]
"""(engine, job, what was asked for) -> a block that the job runs in."""


def nothing(deployment: Deployment, job: Job, interruption: Interruption) -> nullcontext[None]:  # noqa: ARG001
    """Nothing beside the job."""
    return nullcontext()


@dataclass(frozen=True)
class Style:
    """How a run is shown."""

    as_json: bool = False
    """NDJSON events on stdout."""
    quiet: bool = False
    """Nothing but errors."""

    def say(self, line: str) -> None:
        """Tell a person something about the run."""
        if not (self.as_json or self.quiet):
            output.note(line)

    def event(self, name: str, /, **facts: Any) -> None:
        """Tell a program something about the run."""
        if self.as_json:
            output.event(name, **facts)

    def view(self) -> View | None:
        """How the job is shown while it runs; none: not at all."""
        if self.as_json:
            return Events()
        if self.quiet:
            return None
        return Bars() if _can_move_the_cursor() else Lines()


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    job: Job
    interrupted_by: int | None = None
    """The signal that ended it before its time."""


@dataclass
class Run:
    """One job, from the request to its end."""

    parameters: Mapping[str, Any]
    """Of `encoding_workflow`."""
    style: Style
    slots: int | None = None
    """Tasks at the same time; None: as the settings say."""
    anew: bool = False
    """Encode also where the very same asset is there already."""
    terms: Terms | None = None
    """Whose the job is; None: nobody's."""
    beside: Beside = nothing
    """What goes on in this process while the job runs."""
    _deployment: Deployment = field(init=False)

    def perform(self) -> Outcome:
        """Submit the job, or go on with it, and run it until it ends or somebody stops it.

        Raises:
            AdaptationError: the job was not accepted.
        """
        output.begin_logs(logging.ERROR)
        try:
            self._deployment = embedded(self.slots)
            job, existed = self._deployment.submit_encoding(
                self.parameters, anew=self.anew, terms=self.terms
            )
        except AdaptationError as error:
            facts = {"code": error.code, "message": error.message, "hint": error.hint}
            self.style.event("refused", error=facts)
            raise
        try:
            self._greet(job, existed)
            if not job.ended:
                outcome = self._run(job)
            else:
                # A run that was killed right after the job's end has left its pieces.
                self._deployment.repair()
                outcome = Outcome(job)
            return self._measured(outcome)
        finally:
            self._deployment.store.close()

    def _measured(self, outcome: Outcome) -> Outcome:
        """Measure the asset, too, if that is wanted; it is there, however that ends."""
        if not (outcome.job.succeeded and self.parameters.get(MEASURE)):
            return outcome
        number = measure_quality.order(self._deployment.engine, outcome.job.id)
        job = self._deployment.store.job(number)
        self.style.say(f"Job {job.id} measures the asset at {outcome.job.output}")
        if not job.ended:
            self._deployment.store.resume(job.id)  # one that was interrupted is paused
            ran = self._run(job)
            job = ran.job
            if ran.interrupted_by is not None:
                return Outcome(outcome.job, ran.interrupted_by)
        self.style.event("measured", job_id=job.id, succeeded=job.succeeded, error=job.error)
        if job.succeeded:
            self.style.say(f"hint: look at it: adaptation quality {outcome.job.id}")
        elif job.error:
            output.note(f"warning: {job.error['message']} ({job.error['code']})")
        return outcome

    def report(self, outcome: Outcome) -> int:
        """Tell how the run ended; returns the exit status."""
        job = outcome.job
        if outcome.interrupted_by is not None:
            self._report_pause(job)
            return 128 + outcome.interrupted_by
        self.style.event(
            "ended",
            job_id=job.id,
            state=job.state,
            succeeded=job.succeeded,
            output_folder=job.output if job.succeeded else None,
            error=job.error,
        )
        if not job.succeeded:
            report_failure(job, self._deployment.settings.keep_failed_days)
            return exits.JOB_FAILED
        if not self.style.as_json:
            output.data(str(job.output))
        return exits.DONE

    def _run(self, job: Job) -> Outcome:
        store, engine = self._deployment.store, self._deployment.engine
        with Interruption() as interruption, self.beside(self._deployment, job, interruption):
            with engine.running(self._deployment.settings.slots, job.id):
                try:
                    live = self._deployment.resources.live.folder(job.id)
                    watch = _Watch(store, job.id, live)
                    follow(watch, engine, self.style.view(), interruption)
                finally:
                    # Also when whoever read our stdout has gone: nothing may be left half-way.
                    store.pause(job.id)
            engine.tidy()
        job = store.job(job.id)
        return Outcome(job, None if job.ended else interruption.signal_number)

    def _greet(self, job: Job, existed: bool) -> None:
        progress = survey(self._deployment.store.tasks(job.id))
        self.style.event(
            "accepted",
            job_id=job.id,
            main_task_id=job.main_task_id,
            output_folder=job.output,
            resumed=existed,
            tracks_done=progress.done,
        )
        if not existed:
            self.style.say(f"Job {job.id}: {masked(job.parameters['url'])} to {job.output}")
        elif job.succeeded:
            self.style.say(f"The asset is already there: job {job.id} made it of the same source.")
        elif progress.tracks:
            done = f"{progress.done} of {len(progress.tracks)} tracks are done"
            self.style.say(f"Going on with job {job.id}: {done}")
        else:
            self.style.say(f"Going on with job {job.id}")

    def _report_pause(self, job: Job) -> None:
        self.style.event("paused", job_id=job.id)
        self.style.say(f"Job {job.id} is paused, and what is finished of it is kept.")
        self.style.say("hint: run the same command again to go on,")
        self.style.say(f"hint: or drop it: adaptation cancel {job.id}")


def embedded(slots: int | None) -> Deployment:
    """A deployment for an engine inside this command.

    Raises:
        SettingsError: a setting has a bad value.
    """
    settings = load_settings()
    changes: dict[str, Any] = {
        "heartbeat_seconds": min(HEARTBEAT_SECONDS, settings.heartbeat_seconds)
    }
    if slots is not None:
        changes["slots"] = slots
    return deploy(settings.model_copy(update=changes))


def follow(watch: _Watch, engine: Engine, view: View | None, interruption: Interruption) -> None:
    """Show a job until it has ended or this process is asked to end."""
    pause = QUIET_LOOK_SECONDS if view is None else LOOK_SECONDS
    try:
        while interruption.signal_number is None:
            job = watch.store.job(watch.job_id)
            if view is not None:
                view.show(watch.look(job))
            if job.ended:
                return
            # A job ends with a task of this process, or at somebody else's wish.
            engine.wait(pause)
    finally:
        if view is not None:
            view.close()


def report_failure(job: Job, keep_failed_days: float) -> None:
    """Tell a person why a job has failed, and what can be done."""
    if job.error is None:
        output.show_error(
            {
                "message": f"job {job.id} was cancelled",
                "code": "cancelled",
                "hint": "Submit it again if it is still wanted.",
            }
        )
        return
    output.show_error(job.error, log=f"adaptation logs {job.id}")
    if job.retryable:
        output.note(
            f"hint: what is finished is kept for {keep_failed_days:g} days; run the same command"
            f" again to go on from there, or drop it: adaptation cancel {job.id}"
        )


class _Watch:
    """Remembers what of a job has been seen."""

    def __init__(self, store: Store, job_id: int, live: Path) -> None:
        self.store = store
        self.job_id = job_id
        self._live = live
        self._can_be_watched = False
        self._estimate = Estimate()
        # Only what happens from now on is news.
        old_lines = store.logs(job_id)
        old_messages = store.messages(store.job(job_id).main_task_id)
        self._line = old_lines[-1].id if old_lines else 0
        self._message = old_messages[-1].id if old_messages else 0

    def look(self, job: Job) -> Look:
        tasks = self.store.tasks(job.id)
        progress = survey(tasks)
        lines = self.store.logs(job.id, after=self._line)
        messages = self.store.messages(job.main_task_id, after=self._message)
        self._line = lines[-1].id if lines else self._line
        self._message = messages[-1].id if messages else self._message
        left = self._estimate.seconds_left(time.monotonic(), progress.fraction)
        return Look(job, tasks, progress, left, lines, messages, self._watchable())

    def _watchable(self) -> Path | None:
        """The growing asset's folder, the first time that there is something to play."""
        if self._can_be_watched or not (self._live / MASTER_NAME).exists():
            return None
        self._can_be_watched = True
        return self._live


def _can_move_the_cursor() -> bool:
    from rich.console import Console

    console = Console(stderr=True)
    return sys.stderr.isatty() and console.is_terminal and not console.is_dumb_terminal
