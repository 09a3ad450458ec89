"""The page of the storages: which are configured, and whether one works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adaptation.adapters.object_check import try_out
from adaptation.api.auth import Engine
from adaptation.dashboard.answers import page, told_of
from adaptation.dashboard.forms import Sent, need_admin
from adaptation.dashboard.session import Looking
from adaptation.errors import AdaptationError

router = APIRouter()


@router.get("/storages")
def storages(request: Request, looking: Looking, engine: Engine) -> Response:
    """All storages that are configured, without their secrets."""
    need_admin(looking)
    return page(request, "storages.html", looking, storages=engine.store.storages(), tried=None)


@router.post("/storages/check")
def check(request: Request, sent: Sent, engine: Engine) -> Response:
    """Try all that jobs do with a storage, on a small object."""
    need_admin(sent.visitor)
    name = sent.one("name")
    found = [(one.name, one.error and told_of(one.error)) for one in _tried(engine.storage, name)]
    facts: dict[str, Any] = {"storages": engine.store.storages(), "tried": (name, found)}
    return page(request, "storages.html", sent.visitor, **facts)


class _Refused:
    """A storage that cannot even be opened."""

    name = "open"

    def __init__(self, error: AdaptationError) -> None:
        self.error = error


def _tried(storage: Callable[[str], Any], name: str) -> list[Any]:
    try:
        return list(try_out(storage(name)))
    except AdaptationError as error:
        return [_Refused(error)]
