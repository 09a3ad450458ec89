"""A deployment of the small engine: no media, the real store, the real API."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

from adaptation.engine.tasks import Registry
from adaptation.settings import load_settings
from adaptation.wiring import Deployment
from engine_kit import small_registry


@dataclass(frozen=True)
class SmallDeployment(Deployment):
    """A deployment whose tasks do next to nothing."""

    @classmethod
    def of_environment(cls) -> Self:
        """As the environment says."""
        return cls(load_settings())

    @cached_property
    def registry(self) -> Registry:
        return small_registry()
