"""What can be submitted."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from adaptation.api.auth import Caller, Engine
from adaptation.api.problems import Problem
from adaptation.api.routes import BAD
from adaptation.api.schemas import Answer
from adaptation.errors import ParameterError
from adaptation.workflows import catalogue

router = APIRouter(tags=["workflows"])

Name = Annotated[str, Path(description="Its name.")]


class WorkflowLine(Answer):
    """A workflow in a line."""

    name: str = Field(description="As `workflow` of POST /job.")
    description: str = Field(description="What it makes.")


class WorkflowTask(Answer):
    """A task that every job of a workflow has."""

    key: str = Field(description="Names it within the job.")
    name: str = Field(description="What it does.")
    queue: str = Field(description="Where workers take it from.")
    depends_on: list[str] = Field(description="Keys of the tasks it waits for.")


class Workflow(WorkflowLine):
    """A workflow in full."""

    queues: list[str] = Field(description="Queues of its tasks.")
    tasks: list[WorkflowTask] = Field(description="More may be added when they run.")
    parameters: dict[str, Any] = Field(description="JSON Schema, draft 2020-12, with defaults.")
    example: dict[str, Any] = Field(description="Parameters that are enough.")


@router.get("/workflows", responses=BAD, summary="What can be submitted")
def workflows(asking: Caller, engine: Engine) -> list[WorkflowLine]:  # noqa: ARG001
    """Every workflow that this engine knows."""
    known = engine.registry.workflows.values()
    return [WorkflowLine.model_validate(catalogue.summary(one)) for one in known]


@router.get("/workflows/{name}", responses=BAD, summary="One workflow")
def workflow(asking: Caller, engine: Engine, name: Name) -> Workflow:  # noqa: ARG001
    """Its parameters as JSON Schema, and its tasks."""
    try:
        return Workflow.model_validate(catalogue.description(engine.registry, name))
    except ParameterError as error:
        raise Problem(404, error.message, code=error.code, hint=error.hint) from error
