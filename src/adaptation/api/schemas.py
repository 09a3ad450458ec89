"""The bodies of requests and answers: names, units, ranges and defaults of the contract."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from adaptation.engine.terms import LEAST_URGENT, ORDINARY

MOST_ID = 2**63 - 1
UNKNOWN = "unknown_name"
"""Type of the error of a name that a body does not know."""


def utc(moment: datetime) -> datetime:
    """A moment in UTC; one without a zone is taken for UTC.

    Raises:
        ValueError: in UTC it lies outside the years 1 to 9999.
    """
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("in UTC this is outside the years 1 to 9999") from error


def written(moment: datetime) -> str:
    """A moment as answers write it: `yyyy-MM-ddTHH:mm:ss.fffZ`."""
    return (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
    )


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a priority is a number")
    is_digits = isinstance(value, str) and value.strip().isascii() and value.strip().isdigit()
    return int(str(value)) if is_digits and len(str(value)) < 10 else value


Asked = Annotated[
    datetime,
    BeforeValidator(lambda value: value if isinstance(value, str) else _refuse(value)),
    AfterValidator(utc),
    Field(description="UTC, as in 2040-06-06T10:00:00.000; the Z may be left out."),
]
"""A moment in a request."""
Moment = Annotated[
    datetime,
    PlainSerializer(written, return_type=str, when_used="json"),
    Field(json_schema_extra={"format": "date-time"}),
]
"""A moment in an answer: UTC, yyyy-MM-ddTHH:mm:ss.fffZ."""
Priority = Annotated[
    int,
    BeforeValidator(_number),
    Field(ge=1, le=LEAST_URGENT, description="1 is first, 10 last; a string of digits will do."),
]
JobId = Annotated[int, Field(ge=1, le=MOST_ID, description="Number of a job; they grow.")]


def _refuse(value: object) -> datetime:
    raise ValueError(f"a moment is written as text, not {value!r}")


class Asking(BaseModel):
    """A body of a request: what it does not know is an error that names the nearest it knows."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _know_all(cls, document: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for name in document if isinstance(document, dict) else ():
            if name not in known:
                raise PydanticCustomError(UNKNOWN, "unknown", {"name": str(name), "known": known})
        return document


class Answer(BaseModel):
    """A body of an answer."""

    model_config = ConfigDict(from_attributes=True)


class Error(Answer):
    """What every error answers."""

    error: str = Field(description="What is wrong, and how to mend it.")
    code: str = Field(description="Stable name of the kind of error; docs/errors.md lists them.")
    hint: str = Field(description="What to do; may be empty.")
    request_id: str = Field(description="The answer's X-Request-Id, by which logs find it.")
    id: int | None = Field(default=None, description="The job, where one is concerned.")


class JobTerms(Asking):
    """Which workflow, how urgently, and when."""

    workflow: str = Field(description="Name of a workflow; GET /workflows lists them.")
    priority: Priority = ORDINARY
    run_at: Asked | None = Field(default=None, description="Not before this moment, UTC.")
    semaphore_url: str | None = Field(
        default=None,
        max_length=2000,
        description="Not before this http or https address answers with a 2xx or 3xx status.",
    )
    persist: bool = Field(
        default=False, description="Whether it is kept when old jobs are cleaned up."
    )


class Submission(Asking):
    """A job to be done."""

    client: str | None = Field(
        default=None, description="May repeat the header client; another name is refused with 403."
    )
    job: JobTerms = Field(description="Which workflow, how urgently, and when.")
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Of the workflow; GET /workflows/<name> gives their JSON Schema.",
    )


class Accepted(Answer):
    """A job that is stored, and will not be lost."""

    id: JobId
    job_id: JobId
    result: Literal["accepted"] = Field(default="accepted", description="accepted")


class TaskCount(Answer):
    """How often a task would run."""

    name: str = Field(description="What it does.")
    queue: str = Field(description="Where workers take it from.")
    count: int = Field(description="How often it would run.")


class Forecast(Answer):
    """What a job would do and cost; a workflow may tell more than this."""

    model_config = ConfigDict(from_attributes=True, extra="allow")

    workflow: str = Field(description="Its name.")
    parameters: dict[str, Any] = Field(description="With their defaults.")
    tasks: list[TaskCount] = Field(description="As far as they are known.")
    queues: list[str] = Field(description="Where workers take them from.")
    sure: str = Field(description="exact, measured or rough.")
    based_on: str = Field(description="What the estimates follow from.")


class JobChange(Asking):
    """What is to be other than it is; what is not named stays."""

    queue_state: Literal["paused", "broken"] | None = Field(
        default=None, description="paused holds the job, broken ends it; running work is stopped."
    )
    run_at: Asked | None = Field(default=None, description="Not before this; null: at any time.")
    priority: Priority | None = Field(
        default=None, description="1 is first, 10 last; a string of digits will do. Not null."
    )
    semaphore_url: str | None = Field(
        default=None, max_length=2000, description="Not before this answers well; null: no wait."
    )
    sempahore_url: str | None = Field(
        default=None, max_length=2000, description="Another spelling of semaphore_url."
    )
    persist: bool | None = Field(
        default=None, description="Whether it is kept at clean-up. Not null."
    )


class Performed(Answer):
    """A change that is made, or an action that is under way."""

    id: JobId
    result: str = Field(description="What was done.")


class JobRow(Answer):
    """A job as lists show it."""

    id: JobId
    client: str = Field(description="Whose it is.")
    workflow: str = Field(description="Name of its workflow.")
    priority: int = Field(description="1 is first, 10 last.")
    position: int | None = Field(description="Place in the queue, 1 is next; null: not queued.")
    created_at: Moment = Field(description="When it was accepted, UTC.")
    updated_at: Moment = Field(description="When it last changed, UTC.")
    queue_state: str = Field(
        description="scheduled, queued, started, paused, completed or broken (given up)."
    )
    failed: bool = Field(description="Whether it ended badly.")
    run_at: Moment | None = Field(description="It is not started before this, UTC.")


class ListedJob(JobRow):
    """A job with what it was asked to do."""

    parameters: dict[str, Any] = Field(description="As given, secrets in addresses masked.")


class OneJob(ListedJob):
    """A job by itself."""

    top_of_queue: bool = Field(description="Whether it is the next that is started.")


class LogRow(Answer):
    """A line of a job's log."""

    id: int = Field(description="Grows.")
    job_id: JobId
    task_id: int = Field(description="0 for the job itself.")
    severity: int = Field(description="10 debug, 20 info, 30 warning, 40 error.")
    severity_description: str = Field(description="The severity in a word.")
    progname: str = Field(description="api, controller, worker, callback or scheduler.")
    message: str = Field(description="What happened; credentials are masked.")
    visible: bool = Field(description="false for debug lines, which show_all=1 shows.")
    created_at: Moment = Field(description="When it was written, UTC.")
    updated_at: Moment = Field(description="The same: a line never changes.")


class TaskRow(Answer):
    """A task of a job."""

    id: int = Field(description="Number of the task.")
    name: str = Field(description="What it does, such as probe or encode_chunk.")
    queue: str = Field(description="Where workers take it from.")
    state: str = Field(description="waiting, ready, running, done, failed, cancelled or skipped.")
    attempt: int = Field(description="Tries that failed, plus the one under way.")
    progress: float = Field(ge=0, le=1, description="0 to 1.")
    worker: str | None = Field(description="Who runs it.")
    started_at: Moment | None = Field(description="When its last try began, UTC.")
    finished_at: Moment | None = Field(description="When it ended, UTC.")
    message: str = Field(description="Its error, or what it says of itself.")
    depends_on: list[int] = Field(description="Ids of the tasks it waits for.")


class SettingChange(Asking):
    """A setting of the whole fleet, in force at once."""

    name: str = Field(description="GET /settings lists them.")
    setting: StrictInt | StrictFloat | StrictStr = Field(
        description="A number, or one in writing; GET /settings gives the range."
    )


class ScheduleChange(Asking):
    """Whether a schedule rests."""

    schedule: str = Field(description="GET /schedules lists them.")
    active: bool = Field(description="false: it rests; true: it goes on.")
