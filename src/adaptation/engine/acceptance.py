"""How jobs come in: checked, planned and stored before anybody is told that they are accepted."""

from __future__ import annotations

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from adaptation import tracing
from adaptation.adapters.addresses import AddressPolicy
from adaptation.engine.graph import lower
from adaptation.engine.model import Job, NewJob
from adaptation.engine.plan import Plan
from adaptation.engine.store import Store
from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.engine.terms import Terms
from adaptation.engine.transport import Dispatcher
from adaptation.engine.worker import error_facts
from adaptation.errors import ParameterError, SourceError

SUBJECT_LETTERS = 200
"""As much of what a job is about is stored to be found by."""
ENDPOINTS = "rest_endpoints"
"""The parameter that names who is told of a job."""
MOST_ENDPOINTS = 100
ENDPOINT_LETTERS = 2_000
CONTEXT_LIMIT_BYTES = 1_048_576
"""Parameters larger than this belong in a file, not in a job."""


class Acceptance(ABC):
    """The part of an engine that takes jobs in."""

    store: Store
    registry: Registry
    dispatcher: Dispatcher
    policy: AddressPolicy
    """Which addresses may be reached."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the tables that are missing, once."""

    @property
    @abstractmethod
    def can_send(self) -> bool:
        """Whether a message sent from here reaches a worker."""

    def submit(
        self,
        workflow: str,
        parameters: Mapping[str, Any],
        *,
        main_task_id: str | None = None,
        fingerprint: str = "",
        terms: Terms = Terms(),  # noqa: B008 - frozen
    ) -> Job:
        """Check a job and store it with its tasks.

        Args:
            workflow: a registered name.
            parameters: as the client gave them.
            main_task_id: the client's id; a second submission under it gives the first job.
            fingerprint: equal for jobs that ask for the same work.
            terms: whose it is, when it runs and how urgently.

        Raises:
            ParameterError: an unknown workflow or parameter, or an output that is taken.
            SourceError: `address_forbidden`.
            AdaptationError: more is wanted than the client may use.
        """
        job_id, _ = self.accept(
            workflow,
            parameters,
            main_task_id=main_task_id or str(uuid.uuid4()),
            fingerprint=fingerprint,
            terms=terms,
        )
        return self.store.job(job_id)

    def accept(
        self,
        workflow: str,
        parameters: Mapping[str, Any],
        *,
        main_task_id: str,
        fingerprint: str,
        terms: Terms,
    ) -> tuple[int, bool]:
        """As `submit`, which reads the job as well; its number, and whether it is new."""
        self.prepare()
        definition = self.registry.workflow(workflow)
        if terms.within is not None:
            parameters = definition.confine(parameters, terms.within)
        checked = definition.check(parameters)
        definition.limit(checked, terms.limits)
        if len(json.dumps(checked)) > CONTEXT_LIMIT_BYTES:
            raise ParameterError(
                f"the parameters are larger than {CONTEXT_LIMIT_BYTES} bytes",
                hint="Put large metadata into a file and pass its address.",
            )
        check_reach(self.policy.granting(terms.limits), definition, checked, terms.semaphore_url)
        new = self._new_job(
            workflow,
            checked,
            main_task_id=main_task_id,
            fingerprint=fingerprint,
            **terms.values,
        )
        job_id, is_new = self.store.submit_once(new, *self._plan(new))
        if self.can_send:
            self.dispatcher.send(self.store.admit())
        return job_id, is_new

    def rerun(self, job_id: int) -> Job:
        """Store a job with exactly the parameters of another, which becomes broken.

        One that has not ended is cancelled, and the new one waits for its end. It replaces what
        the other has made.

        Raises:
            ParameterError: the workflow is not known any more.
            StateForbids: another job already waits to follow it.
        """
        self.prepare()
        old = self.store.job(job_id)
        new = self._new_job(
            old.workflow,
            old.parameters,
            main_task_id=str(uuid.uuid4()),
            fingerprint=old.fingerprint,
            client=old.client,
            priority=old.priority,
            persist=old.persist,
        )
        new_id = self.store.rerun(job_id, new, *self._plan(new))
        if self.can_send:
            self.dispatcher.send(self.store.admit())
        return self.store.job(new_id)

    def _new_job(self, workflow: str, checked: dict[str, Any], **facts: Any) -> NewJob:
        definition = self.registry.workflow(workflow)
        return NewJob(
            workflow=workflow,
            parameters=checked,
            output=definition.output(checked),
            farewell=definition.farewell,
            subject=definition.subject(checked)[:SUBJECT_LETTERS],
            endpoints=self.store.named(checked.get(ENDPOINTS) or ()),
            trace=tracing.here(),
            **facts,
        )

    def _plan(self, new: NewJob) -> tuple[Plan, dict[str, str]]:
        plan = lower(self.registry.workflow(new.workflow).author(new.parameters))
        queues = {planned.name: self.registry.task(planned.name).queue for planned in plan.tasks}
        return plan, queues

    def submit_or_refuse(
        self, workflow: str, parameters: Mapping[str, Any], *, main_task_id: str
    ) -> Job:
        """As `submit`, for clients that cannot be answered: a bad request becomes a failed job."""
        try:
            return self.submit(workflow, parameters, main_task_id=main_task_id)
        except (ParameterError, SourceError) as error:
            definition = self.registry.workflow(workflow)
            refused = NewJob(
                main_task_id=main_task_id,
                workflow=workflow,
                parameters=dict(parameters),
                farewell=definition.farewell,
                endpoints=self.store.named(_unchecked_endpoints(parameters)),
            )
            return self.store.job(self.store.refuse(refused, error_facts(error)))


def check_reach(
    policy: AddressPolicy,
    definition: WorkflowDefinition,
    checked: Mapping[str, Any],
    semaphore_url: str | None = None,
) -> None:
    """Refuse at once a job with an address that may not be reached; names are judged later.

    Args:
        policy: of the job's client.
        definition: of the job's workflow.
        checked: its parameters.
        semaphore_url: that it waits for; None: it waits for none.

    Raises:
        SourceError: `address_forbidden`.
    """
    semaphores = () if semaphore_url is None else (semaphore_url,)
    for url in (*definition.sources(checked), *(checked.get(ENDPOINTS) or ()), *semaphores):
        policy.check_literal(url)


def _unchecked_endpoints(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Who is told of a job whose parameters were refused: what can be an address."""
    given = parameters.get(ENDPOINTS)
    found = given[:MOST_ENDPOINTS] if isinstance(given, list) else ()
    return tuple(
        url
        for url in found
        if isinstance(url, str) and len(url) <= ENDPOINT_LETTERS and "://" in url
    )
