"""Pages of what holds for all: settings and schedules, clients and their keys, storages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adaptation.adapters.object_check import try_out
from adaptation.api import operations
from adaptation.api.auth import Engine
from adaptation.api.problems import Problem
from adaptation.api.schemas import ScheduleChange, SettingChange
from adaptation.dashboard.answers import go_to, page, told_of
from adaptation.dashboard.forms import Sent
from adaptation.dashboard.session import Looking, Visitor
from adaptation.errors import AdaptationError

router = APIRouter()


@router.get("/settings")
def settings(request: Request, looking: Looking, engine: Engine) -> Response:
    """All settings in force, and what is done again and again."""
    facts: dict[str, Any] = {
        "known": operations.settings(looking.client, engine),
        "schedules": engine.store.schedules(),
    }
    return page(request, "settings.html", looking, **facts)


@router.post("/settings")
def change_setting(sent: Sent, engine: Engine) -> Response:
    """Change a setting; an empty value brings back what holds while nobody sets another."""
    _need_admin(sent.visitor)
    name, value = sent.one("name"), sent.one("setting").strip()
    if value:
        wanted = SettingChange(name=name, setting=value)
        operations.change_setting(sent.visitor.client, engine, wanted)
    else:
        engine.store.unset_setting(name)
    return go_to("/ui/settings")


@router.post("/schedules")
def change_schedule(sent: Sent, engine: Engine) -> Response:
    """Let a schedule rest, or go on."""
    _need_admin(sent.visitor)
    wanted = ScheduleChange(schedule=sent.one("schedule"), active=sent.one("active") == "1")
    operations.change_schedule(sent.visitor.client, engine, wanted)
    return go_to("/ui/settings#schedules")


@router.get("/clients")
def clients(request: Request, looking: Looking, engine: Engine) -> Response:
    """All clients with their keys: how they begin, and how long they live."""
    _need_admin(looking)
    listed = [(one, engine.store.keys(one.name)) for one in engine.store.clients()]
    return page(request, "clients.html", looking, clients=listed)


@router.post("/clients/revoke")
def revoke(sent: Sent, engine: Engine) -> Response:
    """Make a key invalid at once."""
    _need_admin(sent.visitor)
    engine.store.revoke_key(sent.one("client"), sent.one("prefix"))
    return go_to("/ui/clients")


@router.get("/storages")
def storages(request: Request, looking: Looking, engine: Engine) -> Response:
    """All storages that are configured, without their secrets."""
    _need_admin(looking)
    return page(request, "storages.html", looking, storages=engine.store.storages(), tried=None)


@router.post("/storages/check")
def check(request: Request, sent: Sent, engine: Engine) -> Response:
    """Try all that jobs do with a storage, on a small object."""
    _need_admin(sent.visitor)
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


def _need_admin(visitor: Visitor) -> None:
    if not visitor.is_admin:
        raise Problem(
            403, f"client {visitor.client.name} is no admin", hint="Sign in as one that is."
        )
