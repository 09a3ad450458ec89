"""How tasks and workflows are written: functions over a context, and what a running one may do."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from celery.canvas import Signature
from pydantic import BaseModel

from adaptation.engine.commands import shell_lines
from adaptation.engine.model import Claim, Outgoing, PastJob
from adaptation.errors import Cancelled, ParameterError
from adaptation.limits import Value

Resources = TypeVar("Resources")
MOST_COMMANDS = 50
"""Commands of one attempt that are logged."""
LINES_AT_ONCE = 1_000
"""Log lines that are kept until the next heartbeat."""
Payload = Any
"""JSON: a context, or the list of contexts a join receives."""


@dataclass(frozen=True)
class Expand:
    """What a task returns when more tasks must run before its dependants."""

    context: dict[str, Any]
    """The context the first of the new tasks receive."""
    canvas: Signature[Any]


@dataclass
class TaskRun(Generic[Resources]):
    """The attempt under way: identity, place to write, and ways to be heard."""

    claim: Claim
    scratch: Path
    """A folder of this attempt alone, removed when it ends however it ends."""
    resources: Resources
    """What the composition root gave to all tasks: tools, storages."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when the work must stop: cancel, pause, or a lease that went to another worker."""
    confirm: Callable[[], None] = lambda: None
    """Asks the store now, not at the next heartbeat, whether the work should go on."""
    fraction: float = 0.0
    detail: dict[str, Any] = field(default_factory=dict)
    outgoing: list[Outgoing] = field(default_factory=list)
    lines: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=LINES_AT_ONCE))
    commands: int = 0
    """Commands that were started."""
    dropped: int = 0
    """Lines that came too fast to be kept until the next heartbeat."""

    @property
    def area(self) -> str:
        """Key prefix in the work area that only this attempt writes under."""
        return area_of(self.claim)

    def progress(self, fraction: float, **detail: Any) -> None:
        """Say how far the work is; stored with the next heartbeat.

        Args:
            fraction: 0 to 1.
            detail: JSON facts worth showing, such as `fps` and `speed`.

        Raises:
            Cancelled: the work should stop.
        """
        self.fraction = min(1.0, max(0.0, fraction))
        self.detail = detail
        self.check()

    def check(self) -> None:
        """Raise Cancelled if the work should stop."""
        if self.cancelled.is_set():
            raise Cancelled("the task was asked to stop")

    def check_now(self) -> None:
        """Raise Cancelled if this attempt has lost its task, before it changes what others see."""
        self.confirm()
        self.check()

    def log(self, message: str, severity: int = logging.INFO) -> None:
        """Add a line to the job's log; stored with the next heartbeat or the task's end.

        Of very many at once the latest are kept.
        """
        if len(self.lines) == LINES_AT_ONCE:
            self.dropped += 1
        self.lines.append((severity, message))

    def ran(self, argv: Sequence[str]) -> None:
        """Add a command to the job's log, as a shell takes it; of very many the first."""
        self.commands += 1
        if self.commands <= MOST_COMMANDS:
            for line in shell_lines(argv):
                self.log(line, logging.DEBUG)
        elif self.commands == MOST_COMMANDS + 1:
            self.log(f"more than {MOST_COMMANDS} commands are not told", logging.DEBUG)

    def take_lines(self) -> tuple[tuple[int, str], ...]:
        """The log lines since the last call; the heartbeat and the task's end both take them."""
        dropped, self.dropped = self.dropped, 0
        found = tuple(self.lines.popleft() for _ in range(len(self.lines)))
        if not dropped:
            return found
        return ((logging.WARNING, f"{dropped} lines came too fast and were dropped"), *found)

    def notify(self, address: str, body: dict[str, Any]) -> None:
        """Send a message to the queue `address` when, and only when, this task completes."""
        self.outgoing.append(Outgoing("notification", address, body))


def area_of(claim: Claim) -> str:
    """Key prefix in the work area that only one attempt writes under."""
    return f"jobs/{claim.job_id}/{claim.task_id}/{claim.generation}"


TaskFunction = Callable[[Payload, TaskRun[Any]], "dict[str, Any] | Expand"]


@dataclass(frozen=True)
class TaskDefinition:
    """A task that can be named in a canvas."""

    name: str
    queue: str
    function: TaskFunction
    more_tries: str = ""
    """Parameter that grants so many tries more than the rule in force; empty: none does."""

    @property
    def expands(self) -> bool:
        """Whether it may add tasks when it runs, as its annotation says."""
        return "Expand" in str(self.function.__annotations__.get("return", ""))

    def s(self, **params: Any) -> Signature[Any]:
        """A signature of this task, to be put into chain, group and chord."""
        return Signature(self.name, kwargs=params)

    def __call__(self, payload: Payload, run: TaskRun[Any]) -> dict[str, Any] | Expand:
        """Run the task's function here and now."""
        return self.function(payload, run)


@dataclass(frozen=True)
class Outlook(Generic[Resources]):
    """What a forecast may look at; it changes nothing."""

    resources: Resources
    """What the composition root gives to all tasks."""
    scratch: Path
    """A folder that is removed when the forecast is made."""
    slots: int
    """Tasks that may run at the same time, over all workers."""
    past: Callable[[str, str], Sequence[PastJob]] = lambda parameter, value: ()  # noqa: ARG005
    """(parameter, value) -> the newest completed jobs of the workflow that had it."""
    limits: Mapping[str, Value] | None = None
    """The client's own limits, see `adaptation.limits`; None: nothing limits it."""
    commands: bool = False
    """Whether the commands of tools are asked for."""


Forecast = Callable[[dict[str, Any], Outlook[Any]], dict[str, Any]]
"""(checked parameters, what may be looked at) -> JSON that is laid over what the canvas tells:
`sure`, `based_on`, and as `tasks` how often each task runs that others add when they run."""


@dataclass(frozen=True)
class WorkflowDefinition:
    """A kind of job: checked parameters in, canvas out."""

    name: str
    check: Callable[[Mapping[str, Any]], dict[str, Any]]
    """Gives the parameters with defaults filled in; raises ParameterError."""
    author: Callable[[dict[str, Any]], Signature[Any]]
    output: Callable[[dict[str, Any]], str | None] = lambda parameters: None  # noqa: ARG005
    """The place a job with these parameters writes to, if only one job may."""
    sources: Callable[[Mapping[str, Any]], Sequence[str]] = lambda parameters: ()  # noqa: ARG005
    """The web addresses that a job with these parameters reads first."""
    farewell: dict[str, Any] = field(default_factory=dict)
    """Fields added to the notification that tells of a job's failure or cancel."""
    subject: Callable[[dict[str, Any]], str] = lambda parameters: str(
        parameters.get("content_id") or ""
    )
    """What people look for such a job by."""
    description: str = ""
    """What it makes, in a sentence or two."""
    parameters: type[BaseModel] | None = None
    """The model behind `check`, whose JSON Schema people read; None: nobody knows more."""
    confine: Callable[[Mapping[str, Any], str], dict[str, Any]] = lambda given, within: dict(given)  # noqa: ARG005
    """(parameters, path) -> the parameters of a client that may not reach every file: outputs
    lie below that path; raises ParameterError. Before `check`."""
    limit: Callable[[dict[str, Any], Mapping[str, Value] | None], None] = lambda checked, own: None  # noqa: ARG005
    """(checked parameters, the client's own limits; None: nothing limits it): raises what the job
    would end with, as far as that is known before it runs."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that are enough."""
    forecast: Forecast | None = None
    """What a job would do and cost; raises what its first tasks would. None: nobody knows."""
    report: Callable[[dict[str, Any]], dict[str, Any]] = lambda result: {}  # noqa: ARG005
    """What callbacks tell of a job that has completed, from its result: `message`, `files`,
    `metadata`."""


def task(queue: str, *, more_tries: str = "") -> Callable[[TaskFunction], TaskDefinition]:
    """Make a task of a function `(context, run) -> context`.

    Args:
        queue: where its messages travel; workers choose the queues they serve.
        more_tries: the parameter that grants more tries after transient errors.
    """
    return lambda function: TaskDefinition(function.__name__, queue, function, more_tries)


class Registry:
    """The tasks and workflows this process knows."""

    def __init__(
        self,
        output_root: Path = Path(),
        source_root: Path | None = None,
        limits: Mapping[str, Value] | None = None,
        has_storage: Callable[[str], bool] = lambda name: False,  # noqa: ARG005
    ) -> None:
        self.tasks: dict[str, TaskDefinition] = {}
        self.workflows: dict[str, WorkflowDefinition] = {}
        self.output_root = output_root
        """The folder that relative outputs of jobs lie in."""
        self.source_root = source_root
        """The folder that local sources of confined clients lie in; None: they have none."""
        self.limits = dict(limits or {})
        """What every client may use that has no limit of its own, see `adaptation.limits`."""
        self.has_storage = has_storage
        """Whether a storage of a name is configured besides `local`."""

    def add_tasks(self, *definitions: TaskDefinition) -> None:
        """Make tasks known by their names."""
        for definition in definitions:
            self.tasks[definition.name] = definition

    def add_workflow(self, definition: WorkflowDefinition) -> None:
        """Make a workflow known by its name."""
        self.workflows[definition.name] = definition

    def task(self, name: str) -> TaskDefinition:
        """The task of that name.

        Raises:
            ParameterError: there is none.
        """
        if name not in self.tasks:
            raise ParameterError(
                f"no task is called {name!r}",
                code="task_unknown",
                hint=f"Known tasks: {', '.join(sorted(self.tasks))}.",
            )
        return self.tasks[name]

    def workflow(self, name: str) -> WorkflowDefinition:
        """The workflow of that name.

        Raises:
            ParameterError: there is none.
        """
        if name not in self.workflows:
            raise ParameterError(
                f"no workflow is called {name!r}",
                code="workflow_unknown",
                hint=f"Known workflows: {', '.join(sorted(self.workflows))}.",
            )
        return self.workflows[name]

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues of all tasks."""
        return tuple(sorted({definition.queue for definition in self.tasks.values()}))
