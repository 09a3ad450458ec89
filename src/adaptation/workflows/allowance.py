"""What a client may use: its limits held against what a job asks for, and against its source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptation.adapters.storage_config import storage_unknown
from adaptation.engine.tasks import Registry
from adaptation.errors import AdaptationError, ParameterError, SourceError
from adaptation.limits import LIMITS, Value, in_force
from adaptation.media.plan import EncodingPlan
from adaptation.media.probe import Source
from adaptation.media.rendition import target_size
from adaptation.workflows.parameters import is_web, shown_source
from adaptation.workflows.resources import Run
from adaptation.workflows.storage_places import storage_place

PLACES = "url", "source", "source_folder", "folder", "files", "output_folder"
"""Parameters of all workflows that may name places in a storage."""


@dataclass(frozen=True)
class Allowance:
    """The limits in force for one job; what is not named is not limited."""

    limits: Mapping[str, Value]

    @classmethod
    def of(cls, run: Run) -> Allowance:
        """For a task: the limits of its job's client as of now."""
        return cls(in_force(run.resources.limits, run.claim.limits))

    @property
    def source_bytes(self) -> int | None:
        """Size of the largest source; None: any."""
        return self._most("source_bytes")

    def check_wanted(self, checked: Mapping[str, Any]) -> None:
        """Refuse at once what a job would fail with later, as far as its parameters tell.

        Args:
            checked: parameters of a workflow.

        Raises:
            SourceError: `source_too_large`, a local source.
            ParameterError: `too_many_renditions`, `storage_unknown`.
        """
        for place in map(storage_place, _places(checked)):
            if place:
                self.check_storage(place.storage)
        self._check_renditions(len(checked.get("renditions") or ()))
        url = checked.get("url")
        if isinstance(url, str) and not is_web(url) and (path := Path(url)).is_file():
            self.check_size(url, path.stat().st_size)

    def check_storage(self, name: str) -> None:
        """Refuse a storage that the client may not use, as if it were not there.

        Raises:
            ParameterError: `storage_unknown`.
        """
        allowed = self.limits.get("storages")
        if isinstance(allowed, list) and name not in allowed:
            raise storage_unknown(name)

    def check_size(self, url: str, size_bytes: int) -> None:
        """Refuse a source that has more bytes than one may have.

        Raises:
            SourceError: `source_too_large`.
        """
        if self._is_beyond("source_bytes", size_bytes):
            what = f"{shown_source(url)} has {size_bytes:,} bytes"
            raise self._refusal(SourceError, "source_bytes", what, "source_too_large")

    def check_source(self, source: Source) -> None:
        """Refuse a source that is longer than one may be.

        Raises:
            SourceError: `source_too_long`.
        """
        if self._is_beyond("source_seconds", source.duration_seconds):
            what = f"the source is {source.duration_seconds:,.1f} s long"
            raise self._refusal(SourceError, "source_seconds", what, "source_too_long")

    def check_plan(self, plan: EncodingPlan, parallel_chunks: int) -> None:
        """Refuse a ladder that takes more than a job may.

        Raises:
            ParameterError: `too_many_renditions`, `picture_too_large`, `scratch_too_large`.
        """
        self._check_renditions(len(plan.ladder))
        for rung in plan.ladder:
            width, height = target_size(plan.picture.width, plan.picture.height, rung.height)
            self.check_picture(f"the rendition {rung.name}", width, height)
        self.check_scratch(round(plan.scratch_bytes(parallel_chunks).expected))

    def check_scratch(self, needed: int) -> None:
        """Refuse a job that needs more bytes for its temporary files than it may.

        Raises:
            ParameterError: `scratch_too_large`.
        """
        if self._is_beyond("scratch_bytes", needed):
            what = f"the job needs about {needed:,} bytes for its temporary files"
            raise self._refusal(ParameterError, "scratch_bytes", what, "scratch_too_large")

    def check_picture(self, name: str, width: int, height: int) -> None:
        """Refuse a picture that is larger than one may be.

        Args:
            name: of what is made.
            width: in pixels.
            height: in pixels.

        Raises:
            ParameterError: `picture_too_large`.
        """
        if self._is_beyond("output_pixels", width * height):
            what = f"{name} has {width}x{height} = {width * height:,} pixels"
            raise self._refusal(ParameterError, "output_pixels", what, "picture_too_large")

    def _check_renditions(self, count: int) -> None:
        if self._is_beyond("renditions", count):
            what = f"the job has {count} renditions"
            raise self._refusal(ParameterError, "renditions", what, "too_many_renditions")

    def _most(self, name: str) -> int | None:
        most = self.limits.get(name)
        return most if isinstance(most, int) else None

    def _is_beyond(self, name: str, amount: float) -> bool:
        most = self._most(name)
        return most is not None and amount > most

    def _refusal(
        self, kind: Callable[..., AdaptationError], name: str, what: str, code: str
    ) -> AdaptationError:
        return kind(
            f"{what}, and the client may use {self._most(name):,}",
            code=code,
            hint=f"The limit {name} ({LIMITS[name].meaning}) is set by the operator: adaptation"
            f" client set NAME --limit {name}=…; or ask for less.",
        )


def limit_of(registry: Registry) -> Callable[[dict[str, Any], Mapping[str, Value] | None], None]:
    """The `limit` of a workflow: refuses at once what its job would fail with later."""

    def limit(checked: dict[str, Any], own: Mapping[str, Value] | None) -> None:
        Allowance(in_force(registry.limits, own)).check_wanted(checked)

    return limit


def _places(checked: Mapping[str, Any]) -> Iterator[str]:
    for name in PLACES:
        value = checked.get(name)
        yield from map(str, value if isinstance(value, list) else [value or ""])
