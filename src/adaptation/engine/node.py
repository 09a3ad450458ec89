"""One process's share of the work, from signing on to signing off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adaptation.engine.controller import Controller
from adaptation.engine.deliverer import Deliverer
from adaptation.engine.lease import Heart
from adaptation.engine.model import Process
from adaptation.engine.states import Wish
from adaptation.engine.store import Store
from adaptation.engine.worker import Worker
from adaptation.errors import AdaptationError

logger = structlog.get_logger(__name__)

AGAIN_SECONDS = 10.0
"""Time before a machine that could not be described is looked at again."""
FAREWELL_SECONDS = 2.0
"""How long who ran one job here waits for its callbacks; what is left needs a service."""


@dataclass(frozen=True)
class Node:
    """One process's share of the work: its heart, its worker, its controller."""

    process: Process
    worker: Worker
    heart: Heart
    controller: Controller
    store: Store
    describe: Callable[[], Mapping[str, Any]] = dict
    """Versions and capabilities; it may take a moment."""
    deliverer: Deliverer | None = None
    """Sends callbacks; None: others do."""
    leads: bool = True
    """Whether it may lead."""
    rest: Callable[[], None] = lambda: None
    """Lets the broker send to others what is still to be run."""
    go_on: Callable[[], None] = lambda: None
    """Lets it send to this process again."""

    def start(self) -> None:
        """Sign on, begin to beat and to sweep."""
        self.heart.obey = self._obey
        self.store.sign_on(self.heart.standing())
        self.heart.start()
        if self.leads:
            self.controller.start()
        if self.deliverer:
            self.deliverer.start()
        if self.process.job_id is None:
            threading.Thread(target=self._say_more, name="description", daemon=True).start()

    def _say_more(self) -> None:
        """Tell versions and capabilities, which keep nobody waiting."""
        while True:
            try:
                facts = dict(self.describe())
                self.heart.process = replace(self.process, facts=facts)
                self.store.describe(self.process.worker_id, facts)
            except (AdaptationError, OSError, SQLAlchemyError) as error:
                logger.info("this machine is not described", error=str(error))
            else:
                return
            # What it is not known to be able to do, it is not given.
            if self.heart.waits_for_its_end(AGAIN_SECONDS):
                return

    @property
    def is_to_leave(self) -> bool:
        """Whether somebody wants it to end when nothing runs here any more."""
        return self.heart.wish is Wish.LEAVE

    def _obey(self, wish: Wish) -> None:
        """Claim nothing for as long as somebody wants that; it may lead all the same."""
        self.heart.draining = wish is not Wish.WORK
        if self.heart.draining:
            self.worker.gate.close()
            self.rest()
        else:
            self.worker.gate.open()
            self.go_on()
        self.heart.beat()  # it is seen at once

    def drain(self) -> None:
        """Claim nothing any more and let others lead; what runs goes on, and its leases live."""
        self.heart.obey = _ignore
        self.worker.gate.close()
        self.rest()
        self.heart.draining = True
        self.controller.stop()
        try:
            self.store.drain(self.process.worker_id)
        except SQLAlchemyError as error:
            # The next heartbeat says it.
            logger.warning("draining could not be told", error=str(error))

    def close(self) -> None:
        """Start nothing any more, and tell what runs to stop and be handed back."""
        self.heart.obey = _ignore
        self.worker.gate.close()
        self.controller.stop()
        self.heart.stop_all()

    def stop(self) -> None:
        """Stop beating and sign off; what was not handed back by now is taken back."""
        if self.deliverer:
            if self.process.job_id is not None:
                self.deliverer.finish(FAREWELL_SECONDS)
            self.deliverer.stop()
        self.heart.stop()
        self.store.bury(self.process.worker_id)


def _ignore(wish: Wish) -> None:
    """What somebody wants of a worker that leaves comes too late."""
