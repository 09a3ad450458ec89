"""What a job made: where it lies, and how large the files are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from adaptation.engine.model import Job
from adaptation.wiring import Deployment

MOST_FILES = 300
"""As many are listed; a film has thousands of segments."""
SEGMENT = ".m4s"


@dataclass(frozen=True)
class File:
    """One file."""

    name: str
    """Its path, or where it lies in a storage."""
    size_bytes: int | None
    """None: it is not on this machine, or not there any more."""


@dataclass(frozen=True)
class Outputs:
    """What a job tells of what it made."""

    message: str = ""
    """What players are given; empty: nothing."""
    files: tuple[File, ...] = ()
    """All but segments come first."""
    left_out: int = 0
    """Files that are not listed."""

    @property
    def size_bytes(self) -> int:
        """Of what is listed and there."""
        return sum(file.size_bytes or 0 for file in self.files)


def outputs_of(engine: Deployment, job: Job) -> Outputs:
    """What a finished job made; nothing of one that has not finished well."""
    workflow = engine.registry.workflows.get(job.workflow)
    told = workflow.report(job.result) if workflow and job.succeeded and job.result else {}
    names = sorted(told.get("files", ()), key=lambda name: (name.endswith(SEGMENT), name))
    message = str(told.get("message") or "")
    return Outputs(message, tuple(_files(names[:MOST_FILES])), max(0, len(names) - MOST_FILES))


def _files(names: Iterable[str]) -> Iterable[File]:
    for name in names:
        try:
            size = Path(name).stat().st_size if Path(name).is_absolute() else None
        except OSError:
            size = None
        yield File(name, size)
