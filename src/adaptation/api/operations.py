"""How the whole fleet is set, what is done on schedule, and who works in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import Field

from adaptation.api.auth import Admin, Caller, Engine
from adaptation.api.limits import LimitRow, limit_rows
from adaptation.api.problems import Problem
from adaptation.api.routes import BAD
from adaptation.api.rows import sees
from adaptation.api.schemas import Answer, Moment, ScheduleChange, SettingChange
from adaptation.engine.clients import Client, Role
from adaptation.engine.model import Member
from adaptation.engine.scheduling import Schedule
from adaptation.engine.setting import KNOWN, Changed, Known, Number
from adaptation.engine.wishes import name_of
from adaptation.errors import ParameterError
from adaptation.wiring import Deployment

router = APIRouter(tags=["operations"])

ScheduleName = Annotated[str, Path(description="As GET /schedules names it.")]
SILENT_SECONDS = 30.0
"""A worker that was not heard for so long is shown as silent."""


class SettingRow(Answer):
    """A setting in force."""

    name: str = Field(description="As POST /settings takes it.")
    setting: int | float = Field(description="The value in force.")
    default: int | float = Field(description="In force while nobody has set another.")
    least: int | float = Field(description="The smallest it can be.")
    most: int | float = Field(description="The largest it can be.")
    meaning: str = Field(description="What it limits, with its unit.")
    origin: Literal["database", "environment", "default"] = Field(
        description="Where the value in force comes from."
    )
    changed_by: str | None = Field(
        description="Who changed it last; null: nobody, or it is unknown."
    )
    changed_at: Moment | None = Field(description="When, UTC; null: it never was.")


class Settings(Answer):
    """All settings in force."""

    result: Literal["ok"] = Field(default="ok", description="ok")
    settings: list[SettingRow] = Field(description="Every one there is.")
    limits: list[LimitRow] = Field(description="What counts for the client that asks.")


class Told(Answer):
    """A setting that was stored."""

    result: Literal["ok"] = Field(default="ok", description="ok")
    message: str = Field(description="<name> setting created, or <name> setting updated.")


class Schedules(Answer):
    """What is done again and again, by name."""

    result: Literal["ok"] = Field(default="ok", description="ok")
    schedules: dict[str, dict[str, Any]] = Field(
        description="class, every (seconds, and first_in: seconds until the next time), queue,"
        " description, active."
    )


class ScheduleNames(Answer):
    """The schedules there are."""

    result: Literal["ok"] = Field(default="ok", description="ok")
    schedules: list[str] = Field(description="Their names.")


class WorkerTask(Answer):
    """What a worker runs."""

    job_id: int = Field(description="Number of its job.")
    task_id: int = Field(description="Number of the task.")
    name: str = Field(description="What it does.")
    progress: float = Field(ge=0, le=1, description="0 to 1.")


class Load(Answer):
    """How busy a machine is; null: not told."""

    cpu: float | None = Field(
        default=None, ge=0, le=1, description="Share of all its processors that is busy, 0 to 1."
    )
    memory_used_bytes: int | None = Field(default=None, description="Memory in use.")
    memory_bytes: int | None = Field(default=None, description="Memory in all.")
    scratch_bytes: int | None = Field(default=None, description="Size of the disk of scratch.")


class WorkerRow(Answer):
    """A worker or controller of the fleet."""

    id: str = Field(description="Names the process for ever, where a host and a number may not.")
    name: str = Field(description="Host and process.")
    queues: list[str] = Field(description="The queues it serves.")
    state: str = Field(description="idle, working, draining or silent.")
    tasks: list[WorkerTask] = Field(description="What it runs now.")
    slots: int = Field(description="Tasks at the same time; 0: a controller.")
    heartbeat_seconds: float = Field(description="How long ago it was heard last.")
    version: str | None = Field(description="Of its software.")
    free_scratch_bytes: int | None = Field(description="Room for temporary files; null: not told.")
    wish: Literal["work", "drain", "leave"] = Field(
        description="What somebody wants of it: it obeys at its next heartbeat."
    )
    load: Load = Field(description="How busy its machine is.")


@router.get("/settings", responses=BAD, summary="All settings in force")
def settings(asking: Caller, engine: Engine) -> Settings:
    """Every setting with its value, default, range and origin; and the limits of who asks.

    Who has changed a setting is told to admins.
    """
    chosen, given = engine.store.chosen(), environment(engine)
    changes = engine.store.last_changes()
    return Settings(
        settings=[
            _setting(known, chosen, given, changes.get(known.name), asking)
            for known in KNOWN.values()
        ],
        limits=limit_rows(asking, engine),
    )


def environment(engine: Deployment) -> dict[str, Number]:
    """Settings of the fleet that the environment of this process gives, while nobody has set them.

    Every process has its own: it is meant to be the same on all machines.
    """
    given = engine.settings.model_fields_set
    return {name: getattr(engine.settings, name) for name in KNOWN if name in given}


def _setting(
    known: Known,
    chosen: dict[str, Number],
    given: dict[str, Number],
    change: Changed | None,
    asking: Client,
) -> SettingRow:
    is_told = change is not None and asking.role is Role.ADMIN
    return SettingRow(
        name=known.name,
        setting={**given, **chosen}.get(known.name, known.default),
        default=known.default,
        least=known.least,
        most=known.most,
        meaning=known.meaning,
        origin=(
            "database"
            if known.name in chosen
            else "environment"
            if known.name in given
            else "default"
        ),
        changed_by=change.by or None if change and is_told else None,
        changed_at=change.at if change else None,
    )


@router.post("/settings", responses=BAD, summary="Change a setting")
def change_setting(asking: Admin, engine: Engine, wanted: SettingChange) -> Told:
    """Change a setting of the whole fleet; it is in force at once."""
    is_new = engine.store.set_setting(wanted.name, wanted.setting, by=asking.name)
    return Told(message=f"{wanted.name} setting {'created' if is_new else 'updated'}")


@router.get("/schedules", responses=BAD, summary="What is done again and again")
def schedules(asking: Caller, engine: Engine) -> Schedules:  # noqa: ARG001
    """All schedules; each may rest."""
    return Schedules(schedules={one.name: _schedule(one) for one in engine.store.schedules()})


@router.put("/scheduler", responses=BAD, summary="Let a schedule rest, or go on")
def change_schedule(asking: Admin, engine: Engine, wanted: ScheduleChange) -> ScheduleNames:  # noqa: ARG001
    """Switch a schedule on or off."""
    try:
        engine.store.set_schedule(wanted.schedule, active=wanted.active)
    except ParameterError as error:
        raise Problem(404, error.message, code=error.code, hint=error.hint) from error
    return ScheduleNames(schedules=[one.name for one in engine.store.schedules()])


@router.post("/schedules/{schedule}/run", responses=BAD, summary="Let a schedule look now")
def run_schedule(asking: Admin, engine: Engine, schedule: ScheduleName) -> ScheduleNames:  # noqa: ARG001
    """Do at once, where there is a need, what would be done when the interval has passed."""
    try:
        engine.store.look_soon(schedule)
    except ParameterError as error:
        raise Problem(404, error.message, code=error.code, hint=error.hint) from error
    return ScheduleNames(schedules=[schedule])


@router.get("/workers", responses=BAD, summary="Who works in the fleet")
def workers(asking: Caller, engine: Engine) -> list[WorkerRow]:
    """Workers and controllers, with the tasks of one's own jobs that they run, or all."""
    members = engine.store.members()
    ids = {run.job_id for one in members for run in one.running}
    owners = engine.store.owners(ids)
    return [
        _worker(one, engine.registry.queues, {i for i in ids if sees(asking, owners.get(i, ""))})
        for one in members
    ]


def _schedule(one: Schedule) -> dict[str, Any]:
    return {
        "class": "QueueScheduledJobs",
        "every": [one.every_seconds, {"first_in": one.due_in_seconds}],
        "queue": "scheduler",
        "description": "Queues the jobs whose time has come and whose semaphore has answered.",
        "active": one.active,
    }


def _worker(one: Member, queues: tuple[str, ...], seen: set[int]) -> WorkerRow:
    process = one.process
    version = process.facts.get("adaptation")
    return WorkerRow(
        id=process.worker_id,
        name=name_of(one),
        queues=list(process.queues or (queues if process.slots else ())),
        state=standing(one),
        tasks=[
            WorkerTask(job_id=run.job_id, task_id=run.task_id, name=run.name, progress=run.progress)
            for run in one.running
            if run.job_id in seen
        ],
        slots=process.slots,
        heartbeat_seconds=round(one.heard_seconds, 1),
        version=None if version is None else str(version),
        free_scratch_bytes=process.scratch_free,
        wish=process.wish.value,
        load=Load.model_validate(process.load),
    )


def standing(one: Member) -> str:
    """A worker's state in a word: silent, draining, working or idle."""
    if one.heard_seconds >= SILENT_SECONDS:
        return "silent"
    if one.process.draining:
        return "draining"
    return "working" if one.running else "idle"
